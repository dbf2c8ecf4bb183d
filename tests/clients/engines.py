"""A machine of its own for a client of svc-runtime (podman, containerd, dockerd): namespaces for mounts, network and
cgroups, with empty /run, /etc, /opt and /var/lib on top of the real ones. Nothing in there can touch the real machine,
and all of it goes with the last process of its cgroup."""
import contextlib
import fcntl
import os
import pty
import secrets
import shutil
import signal
import struct
import subprocess
import tempfile
import termios

from waiting import wait_for

DEADLINE = 60
IMAGE = "localhost/svc-test:1"
RUNTIME = "/usr/local/bin/svc-runtime"
# Where a container reads its own limits.
LIMITS = {
    "v1": {"memory": "/sys/fs/cgroup/memory/memory.limit_in_bytes", "pids": "/sys/fs/cgroup/pids/pids.max",
           "cpu": "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"},
    "v2": {"memory": "/sys/fs/cgroup/memory.max", "pids": "/sys/fs/cgroup/pids.max", "cpu": "/sys/fs/cgroup/cpu.max"},
}

# Runs inside, as the first process: the arguments are the view of the cgroups and the scratch directory.
SET_UP = r"""
set -eu
view=$1 scratch=$2
mount -t tmpfs -o mode=755 tmpfs "$scratch"
for dir in /etc /opt /usr/local/bin /var/lib; do
    name=$(echo "$dir" | tr / _)
    mkdir -p "$scratch/over/$name/upper" "$scratch/over/$name/work"
    mount -t overlay -o "lowerdir=$dir,upperdir=$scratch/over/$name/upper,workdir=$scratch/over/$name/work" overlay "$dir"
done
mount -t tmpfs -o mode=755 tmpfs /run
# Storage on an overlay could not have overlays again.
for dir in containers containerd docker; do
    mkdir -p "/var/lib/$dir"; mount -t tmpfs tmpfs "/var/lib/$dir"
done
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
if [ "$view" = v2 ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    # A cgroup with processes gives its children no controllers.
    mkdir -p /sys/fs/cgroup/first && echo $$ >/sys/fs/cgroup/first/cgroup.procs
    for c in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$c" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
    done
else
    for c in $view; do
        mkdir "/sys/fs/cgroup/${c#name=}"; mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/${c#name=}"
    done
fi
ip link set lo up
echo ready $$
exec cat
"""


def hierarchies():
    """{mount point: (version, options)} of the real machine, each hierarchy once."""
    found = {}
    seen = set()
    with open("/proc/self/mountinfo") as file:
        for line in file:
            left, right = line.split(" - ")
            kind, _, options = right.split()
            if kind not in ("cgroup", "cgroup2"):
                continue
            words = [w for w in options.split(",") if w not in ("rw", "ro", "xattr", "noprefix", "clone_children", "nsdelegate",
                                                                "memory_recursiveprot") and "release_agent" not in w]
            key = (kind, ",".join(words) if kind == "cgroup" else "")
            if key not in seen:
                seen.add(key)
                found[left.split()[4]] = (2 if kind == "cgroup2" else 1, key[1])
    return found


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out}\nstderr: {self.err}"


class World:
    """VIEW is what programs find on /sys/fs/cgroup: "v1" controllers alone, or "v2" alone."""

    def __init__(self, view):
        self.view = view
        self.name = "svc-clients-" + secrets.token_hex(4)
        self.scratch = tempfile.mkdtemp(prefix="svc-test-")
        os.chmod(self.scratch, 0o755)
        self.cgroups = {}
        self.services = []
        self.process = self.log = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        found = hierarchies()
        v1 = [options for version, options in found.values() if version == 1]
        for point, (version, _) in found.items():
            path = os.path.join(point, self.name)
            os.mkdir(path)
            self.cgroups[path] = version
            for file in ("cpuset.cpus", "cpuset.mems"):
                if os.path.exists(os.path.join(path, file)) and version == 1:
                    with open(os.path.join(point, file)) as parent, open(os.path.join(path, file), "w") as own:
                        own.write(parent.read())
        # A shell that moves itself before it becomes the program: into our cgroups, then into our namespaces.
        self.enter = "for d in " + " ".join(self.cgroups) + "; do echo $$ >$d/cgroup.procs; done; "
        view = "v2" if self.view == "v2" else " ".join(v1)
        self.process = subprocess.Popen(
            ["sh", "-c", self.enter + 'exec unshare -m -n -C --propagation private sh -c "$@"', "sh",
             SET_UP, "sh", view, self.scratch],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        if not line:
            raise RuntimeError("a private machine: " + self.process.stderr.read())
        self.pid = int(line[1])
        if self.view == "v2":
            self.enter = "".join(f"echo $$ >{path}{'/first' if version == 2 else ''}/cgroup.procs; "
                                 for path, version in self.cgroups.items())
        self.prefix = ["sh", "-c", self.enter + 'exec "$@"', "sh", "nsenter", "-t", str(self.pid), "-m", "-n", "-C", "--"]

    # ---- programs ----

    def run(self, *argv, stdin=subprocess.DEVNULL, timeout=DEADLINE, input=None, **rest):
        if input is not None:
            stdin = None
        done = subprocess.run([*self.prefix, *argv], stdin=stdin, input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, timeout=timeout, **rest)
        return Result(done)

    def ok(self, *argv, **rest):
        """What a successful program printed."""
        result = self.run(*argv, **rest)
        assert result.code == 0, f"{' '.join(argv)}: {result}"
        return result.out.strip()

    def service(self, *argv):
        """A program that runs until the end of the tests; its output is in LOG."""
        self.log = os.path.join(tempfile.gettempdir(), f"{self.name}.log")
        with open(self.log, "ab") as out:
            self.services.append(subprocess.Popen([*self.prefix, *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out))
        return self.services[-1]

    def write(self, path, text, mode=0o644):
        """A file of the private machine."""
        self.ok("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "sh", path, f"{mode:o}", input=text)

    def copy(self, source, path):
        self.ok("sh", "-c", 'mkdir -p "$(dirname "$2")" && cp "$1" "$2"', "sh", source, path)

    @contextlib.contextmanager
    def terminal(self, *argv, size=(33, 99)):
        made = Terminal([*self.prefix, *argv], size)
        try:
            yield made
        finally:
            made.close()

    # ---- the end ----

    def processes(self):
        found = set()
        for path in self.cgroups:
            for folder, _, _ in os.walk(path):
                with contextlib.suppress(OSError), open(os.path.join(folder, "cgroup.procs")) as file:
                    found.update(int(pid) for pid in file.read().split())
        return found

    def gone(self):
        # By the cgroups that only we put processes into; each by its pid.
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for service in self.services:
            service.poll()
        self.process and self.process.poll()
        return not self.processes()

    def thaw(self):
        for path in self.cgroups:
            for folder, _, files in os.walk(path):
                for name, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                    if name in files:
                        with contextlib.suppress(OSError), open(os.path.join(folder, name), "w") as file:
                            file.write(text)

    def close(self):
        self.thaw()
        wait_for(self.gone, 20, "the end of a private machine's processes")
        for started in [*self.services, *([self.process] if self.process else [])]:
            started.wait()
        for path in self.cgroups:
            wait_for(lambda: remove_tree(path), 10, f"the removal of {path}")
        if os.environ.get("KEEP") == "1":
            print(f"kept {self.scratch}, {self.log}")
            return
        shutil.rmtree(self.scratch, ignore_errors=True)
        if self.log:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.log)


def remove_tree(path):
    for folder, _, _ in os.walk(path, topdown=False):
        os.rmdir(folder)
    return not os.path.exists(path)


class Terminal:
    """A program on a terminal, and the user before it."""

    def __init__(self, argv, size):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                os.execvp(argv[0], argv)
            finally:
                os._exit(127)
        self.seen = b""
        self.code = None
        self.resize(*size)
        os.set_blocking(self.master, False)

    def resize(self, rows, columns):
        """The kernel tells the program by SIGWINCH."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.master, text.encode())

    def read(self):
        with contextlib.suppress(BlockingIOError, OSError):
            self.seen += os.read(self.master, 65536)
        return self.seen.decode(errors="replace")

    def expect(self, text, deadline=20):
        """Waits for TEXT, takes all up to it."""
        wait_for(lambda: text in self.read(), deadline, f"{text!r} on the terminal")
        head, _, tail = self.seen.decode(errors="replace").partition(text)
        self.seen = tail.encode()
        return head + text

    def ended(self):
        self.read()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.code = os.waitstatus_to_exitcode(status)
        return bool(pid)

    def wait(self, deadline=20):
        if self.code is None:
            wait_for(self.ended, deadline, "the end of the program on the terminal")
        return self.code

    def close(self):
        if self.code is None and not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
