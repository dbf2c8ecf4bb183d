"""`make bench`: what README's table says, measured on this machine in one run of a few minutes.

Container starts are measured as pairs: in each round every contender starts the same container once, in
random order, so that all see the same machine. crun refuses hybrid cgroups with controllers on v2; where
this machine has them, everything runs in a private mount namespace that shows plain v1 (an empty tmpfs over
`unified`), so that all get the same view.

bench.py [start] [exec] [together] [stack] [--rounds N]; without names all of them.
"""
import argparse
import contextlib
import ctypes
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../stack"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from stacks import Stack, free_port  # noqa: E402
from waiting import wait_for  # noqa: E402

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT").split()]
PROFILE = "/usr/share/containers/seccomp.json"
ID_BASE = 3000000
MS_REC, MS_PRIVATE, CLONE_NEWNS = 16384, 1 << 18, 0x20000
SAFE = ["nosuid", "noexec", "nodev"]
MOUNTS = [
    ("proc", "/proc", "proc", SAFE),
    ("tmpfs", "/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("devpts", "/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("shm", "/dev/shm", "tmpfs", [*SAFE, "mode=1777", "size=65536k"]),
    ("mqueue", "/dev/mqueue", "mqueue", SAFE),
    ("sysfs", "/sys", "sysfs", [*SAFE, "ro"]),
    ("tmpfs", "/sys/fs/cgroup", "tmpfs", [*SAFE, "ro", "size=0k"]),
]


def libc_call(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)


def hide_hybrid():
    """Plain v1 for this process and its children, when the machine is hybrid with controllers on v2."""
    unified = "/sys/fs/cgroup/unified"
    if os.path.isdir(unified):
        libc_call("unshare", CLONE_NEWNS)
        libc_call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        libc_call("mount", b"none", unified.encode(), b"tmpfs", 0, None)
        return "cgroup v1 (hybrid, `unified` hidden for all since crun refuses it)"
    return "cgroup v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "cgroup v1"


# --- one container, many runtimes -----------------------------------------------------------------


def resolve_profile():
    """The distribution's default profile for our capabilities on this architecture, flat as OCI wants it."""
    with open(PROFILE) as file:
        profile = json.load(file)

    def applies(rule):
        wants, without = rule.get("includes") or {}, rule.get("excludes") or {}
        held = set(CAPABILITIES)
        return (set(wants.get("caps") or []) <= held and not set(without.get("caps") or []) & held
                and ("amd64" in wants["arches"] if wants.get("arches") else True)
                and "amd64" not in (without.get("arches") or []))

    calls = []
    for rule in filter(applies, profile["syscalls"]):
        call = {"names": rule["names"], "action": rule["action"]}
        if rule.get("args"):
            call["args"] = [{k: v for k, v in a.items() if k in ("index", "value", "valueTwo", "op")} for a in rule["args"]]
        if "errnoRet" in rule:
            call["errnoRet"] = rule["errnoRet"]
        calls.append(call)
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": calls}


def config(rootfs, args, seccomp, userns, cgroup):
    kinds = ["mount", "pid", "network", "ipc", "uts", "cgroup"] + (["user"] if userns else [])
    linux = {
        "namespaces": [{"type": kind} for kind in kinds],
        "cgroupsPath": cgroup,
        "resources": {"memory": {"limit": 256 << 20}, "pids": {"limit": 512}},
        "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    }
    if userns:
        mapping = [{"containerID": 0, "hostID": ID_BASE, "size": 65536}]
        linux.update(uidMappings=mapping, gidMappings=mapping)
    if seccomp:
        linux["seccomp"] = resolve_profile()
    sets = {name: CAPABILITIES for name in ("bounding", "effective", "permitted")}
    return {"ociVersion": "1.0.2", "hostname": "bench", "root": {"path": rootfs, "readonly": True},
            "process": {"user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/",
                        "capabilities": sets, "noNewPrivileges": True,
                        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]},
            "mounts": [{"source": s, "destination": d, "type": t, "options": o} for s, d, t, o in MOUNTS],
            "linux": linux}


class Bench:
    def __init__(self, scratch, rounds):
        self.scratch, self.rounds = scratch, rounds
        self.here = os.environ
        self.rootfs = os.path.join(scratch, "rootfs")
        self.serial = 0
        for name in ("bin", "proc", "sys", "dev", "etc", "tmp"):
            os.makedirs(os.path.join(self.rootfs, name))
        shutil.copy(shutil.which("busybox"), os.path.join(self.rootfs, "bin/busybox"))
        for name in ("true", "sleep", "sh"):
            os.symlink("busybox", os.path.join(self.rootfs, "bin", name))
        self.runtimes = {"svc-runtime": [self.here["SVC_RUNTIME"], "--root", os.path.join(scratch, "state-svc")]}
        for name, more in (("crun", ["--cgroup-manager=cgroupfs"]), ("runc", [])):
            path = shutil.which(name)
            if path:
                self.runtimes[name] = [path, "--root", os.path.join(scratch, f"state-{name}"), *more]

    def name(self):
        self.serial += 1
        return f"svc-bench-{os.getpid()}-{self.serial}"

    def bundle(self, kind, cgroup, args=("/bin/true",), seccomp=False, userns=False):
        path = os.path.join(self.scratch, kind)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "config.json"), "w") as out:
            json.dump(config(self.rootfs, list(args), seccomp, userns, cgroup), out)
        return path

    def stopwatch(self, argv):
        """(ms, CPU ms, peak KiB) of one run."""
        done = subprocess.run([self.here["STOPWATCH"], *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        fields = done.stdout.split()
        if len(fields) != 4 or fields[3] != "0":
            raise RuntimeError(f"{' '.join(argv)}: {done.stdout} {done.stderr}")
        return int(fields[0]) / 1e6, int(fields[1]) / 1e3, int(fields[2])

    def floor(self, userns):
        name, flags = self.name(), ["-u"] if userns else []
        if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            flags += ["-c", f"/sys/fs/cgroup/{name}"]
        else:
            for controller in ("memory", "pids", "devices", "cpu", "freezer"):
                if os.path.isdir(f"/sys/fs/cgroup/{controller}"):
                    flags += ["-1", f"/sys/fs/cgroup/{controller}/{name}"]
        return [self.here["FLOOR"], *flags, self.rootfs, "/bin/true"]


def row(label, samples, base, kib):
    times = sorted(ms for ms, _, _ in samples)
    median = statistics.median(times)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    cpu = statistics.median(cpu for _, cpu, _ in samples)
    peak = max(peak for _, _, peak in samples)
    ratio = f"{median / base:.2f}" if base else "1"
    return f"| {label} | {median:.2f} | {p95:.2f} | {cpu:.2f} | {ratio} | {peak / 1024:.1f} |" if kib else \
        f"| {label} | {median:.2f} | {p95:.2f} | {cpu:.2f} | {ratio} |"


def pairs(contenders, rounds, measure):
    """{label: samples}; a contender that fails is dropped and said so."""
    samples = {label: [] for label in contenders}
    for turn in range(rounds + 2):
        for label in random.sample(sorted(samples), len(samples)):
            try:
                taken = measure(contenders[label])
            except RuntimeError as error:
                print(f"<!-- {label}: {str(error).strip()[:300]} -->", file=sys.stderr)
                del samples[label]
                continue
            if turn >= 2:  # the first two warm caches
                samples[label].append(taken)
    return samples


def print_table(title, samples, kib=True):
    ours = next((label for label in samples if label.startswith("svc-runtime")), None)
    base = statistics.median(ms for ms, _, _ in samples[ours]) if ours else None
    print(f"\n| {title} | median ms | p95 ms | CPU ms | × svc |" + (" peak RSS MiB |" if kib else ""))
    print("|---|---:|---:|---:|---:|" + ("---:|" if kib else ""))
    for label, taken in samples.items():
        print(row(label, taken, base, kib))


def bench_start(bench):
    kinds = [("plain", {}), ("default seccomp profile", {"seccomp": True}), ("profile and user namespace", {"seccomp": True, "userns": True})]
    for title, options in kinds:
        if options.get("seccomp") and not os.path.exists(PROFILE):
            print(f"\nskipped: {title}: {PROFILE} is not there (golang-github-containers-common)")
            continue
        contenders = {}
        for name, argv in bench.runtimes.items():
            cgroup = f"/svc-bench-{os.getpid()}-{name}"
            contenders[name] = (argv, bench.bundle(f"{name}-{title.split()[0]}-{len(options)}", cgroup, **options))
        contenders["floor: bare system calls" + (", no filter" if options.get("seccomp") else "")] = None

        def measure(contender, options=options):
            if contender is None:
                return bench.stopwatch(bench.floor(options.get("userns", False)))
            argv, bundle = contender
            return bench.stopwatch([*argv, "run", "--bundle", bundle, bench.name()])

        print_table(f"`run /bin/true`, {title}", pairs(contenders, bench.rounds, measure))


def bench_exec(bench):
    running = {}
    try:
        for name, argv in bench.runtimes.items():
            container = bench.name()
            running[name] = (argv, container)
            bundle = bench.bundle(f"{name}-exec", f"/{container}", args=("/bin/sleep", "1000"))
            # no pipe: the container would keep it open
            with open(os.devnull, "r+") as null, open(os.path.join(bench.scratch, "log"), "w") as log:
                subprocess.run([*argv, "create", "--bundle", bundle, container], stdin=null, stdout=null, stderr=log, check=True)
                subprocess.run([*argv, "start", container], stdin=null, stderr=log, check=True)
        samples = pairs(running, bench.rounds, lambda one: bench.stopwatch([*one[0], "exec", one[1], "/bin/true"]))
        print_table("`exec /bin/true`", samples)
    finally:
        for argv, container in running.values():
            subprocess.run([*argv, "kill", container, "KILL"], stderr=subprocess.DEVNULL, check=False)
            wait_for(lambda a=argv, c=container: subprocess.run([*a, "delete", c], stderr=subprocess.DEVNULL, check=False).returncode == 0
                     or subprocess.run([*a, "state", c], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0)


def bench_together(bench, count=50):
    print(f"\n| {count} × `run /bin/true` at once | ms until the last one ended |\n|---|---:|")
    for name, argv in bench.runtimes.items():
        times = []
        for _ in range(3):
            bundles = []
            for index in range(count):
                bundles.append(bench.bundle(f"{name}-together-{index}", f"/svc-bench-{os.getpid()}-{name}-{index}"))
            began = time.perf_counter()
            started = [subprocess.Popen([*argv, "run", "--bundle", bundle, bench.name()], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for bundle in bundles]
            failed = sum(one.wait() != 0 for one in started)
            times.append((time.perf_counter() - began) * 1000)
            for one in started:
                one.stderr.close()
        print(f"| {name}{f' ({failed} failed)' if failed else ''} | {statistics.median(times):.0f} |")


# --- a whole stack --------------------------------------------------------------------------------


def memory_kib(pid):
    def field(path, name):
        with open(f"/proc/{pid}/{path}") as file:
            return int(re.search(rf"^{name}:\s+(\d+) kB", file.read(), re.M)[1])

    return field("status", "VmRSS"), field("smaps_rollup", "Pss")


def our_processes(run_dir):
    """{pid: role} of the stack's own processes: the keeper and those of its children that are svc."""
    found = {}
    parents, roles = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            with open(f"/proc/{pid}/cmdline") as file:
                words = file.read().split("\0")
            with open(f"/proc/{pid}/stat") as file:
                parents[pid] = file.read().rsplit(")", 1)[1].split()[1]
            if words[1].startswith("@"):
                roles[pid] = words
    for pid, words in roles.items():
        if run_dir in words or run_dir in roles.get(parents[pid], []):
            found[int(pid)] = words[1][1:]
    return found


def bench_stack(_, rounds=3):
    port, project = free_port(), f"bench{os.getpid()}"
    stack = Stack(os.environ["SVC"], os.path.join(TOP, "examples/notes/stack.json"), project, {"NOTES_PORT": str(port)})
    times = []
    try:
        for turn in range(rounds + 1):
            began = time.perf_counter()
            stack.up("--wait")
            if turn:
                times.append(time.perf_counter() - began)
            if turn < rounds:
                stack.down()
        rows = sorted((role, *memory_kib(pid)) for pid, role in our_processes(f"/run/svc/{project}").items())
    finally:
        stack.remove()
    print("\n| running `examples/notes` (four containers) | RSS MiB | PSS MiB |\n|---|---:|---:|")
    for role, rss, pss in rows:
        print(f"| {role} | {rss / 1024:.1f} | {pss / 1024:.1f} |")
    print(f"| all of ours | {sum(r[1] for r in rows) / 1024:.1f} | {sum(r[2] for r in rows) / 1024:.1f} |")
    print(f"\n`svc up -d --wait examples/notes/stack.json`: {statistics.median(times):.2f} s until all four are healthy "
          f"(median of {rounds}).")


PARTS = {"start": bench_start, "exec": bench_exec, "together": bench_together, "stack": bench_stack}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("parts", nargs="*", choices=[*PARTS, []])
    options.add_argument("--rounds", type=int, default=60)
    args = options.parse_args()
    if os.geteuid() != 0:
        sys.exit("make bench: needs root, it starts containers")
    chosen = args.parts or list(PARTS)
    print(f"kernel {os.uname().release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}, {args.rounds} rounds")
    if "stack" in chosen:
        bench_stack(None)
    print(f"\nContainers: {hide_hybrid()}.")
    scratch = tempfile.mkdtemp(prefix="svc-bench-")
    os.chmod(scratch, 0o755)
    try:
        bench = Bench(scratch, args.rounds)
        for part in chosen:
            if part != "stack":
                PARTS[part](bench)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
