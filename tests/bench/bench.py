"""`make bench`: what README's table says, measured on this machine in one run of a few minutes.

Container starts are measured as pairs: in each round every contender starts the same container once, in
random order, so that all see the same machine. crun refuses hybrid cgroups with controllers on v2; where
this machine has them, everything runs in a private mount namespace that shows plain v1 (an empty tmpfs over
`unified`), so that all get the same view.

bench.py [start] [lifecycle] [exec] [together] [stack] [--rounds N]; without names all of them.

BENCH_PEERS adds contenders that are crun by their command line: BENCH_PEERS="crun-new=/path/to/crun other=/path".
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
        for word in self.here.get("BENCH_PEERS", "").split():
            name, _, path = word.partition("=")
            if not os.access(path, os.X_OK) or name in self.runtimes:
                sys.exit(f"BENCH_PEERS: {word}: wants NAME=PROGRAM, each name once")
            self.runtimes[name] = [os.path.abspath(path), "--root", os.path.join(scratch, f"state-{name}"), "--cgroup-manager=cgroupfs"]

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
        with open(os.path.join(self.scratch, "stderr"), "w+") as log:  # no pipe: a created container would keep it open
            done = subprocess.run([self.here["STOPWATCH"], *argv], stdout=subprocess.PIPE, stderr=log, text=True, check=False)
            fields = done.stdout.split()
            if len(fields) != 4 or fields[3] != "0":
                log.seek(0)
                raise RuntimeError(f"{' '.join(argv)[:200]}: {done.stdout} {log.read()}")
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


def wait_for_end(pid):
    """A container that was made by `create` is nobody's child here: until it is a zombie, or gone."""
    def is_over():
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    wait_for(is_over, 10, "the end of the container")


def bench_lifecycle(bench):
    """As podman and containerd do it: three processes, their times added; the program's own is not in it."""
    parts = {name: [] for name in ("create", "start", "delete")}
    contenders = {}
    for name, argv in bench.runtimes.items():
        contenders[name] = (name, argv, bench.bundle(f"{name}-lifecycle", f"/svc-bench-{os.getpid()}-{name}-life"))
    kept = {name: {part: [] for part in parts} for name in contenders}

    def measure(contender):
        name, argv, bundle = contender
        container, pid_file = bench.name(), os.path.join(bundle, "pid")
        taken = {"create": bench.stopwatch([*argv, "create", "--bundle", bundle, "--pid-file", pid_file, container])}
        with open(pid_file) as file:
            pid = int(file.read())
        taken["start"] = bench.stopwatch([*argv, "start", container])
        wait_for_end(pid)
        taken["delete"] = bench.stopwatch([*argv, "delete", container])
        for part, sample in taken.items():
            kept[name][part].append(sample[0])
        return (sum(t[0] for t in taken.values()), sum(t[1] for t in taken.values()), max(t[2] for t in taken.values()))

    print_table("`create`, `start`, `delete` of /bin/true, three processes", pairs(contenders, bench.rounds, measure))
    print("\n| of these | create | start | delete |\n|---|---:|---:|---:|")
    for name, times in kept.items():
        if times["delete"]:
            print(f"| {name} | " + " | ".join(f"{statistics.median(times[part]):.2f}" for part in parts) + " |")


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
    """Started by the stopwatch, which needs a tenth of Python's time for that."""
    contenders = {}
    for name, argv in bench.runtimes.items():
        contenders[name] = (argv, [bench.bundle(f"{name}-together-{index}", f"/svc-bench-{os.getpid()}-{name}-{index}")
                                   for index in range(count)])

    def measure(contender):
        argv, bundles = contender
        words = []
        for bundle in bundles:
            words += [*([":::"] if words else []), *argv, "run", "--bundle", bundle, bench.name()]
        return bench.stopwatch(words)

    print_table(f"{count} × `run /bin/true` at once, until the last one ended", pairs(contenders, max(5, bench.rounds // 6), measure))


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


PARTS = {"start": bench_start, "lifecycle": bench_lifecycle, "exec": bench_exec, "together": bench_together, "stack": bench_stack}


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
