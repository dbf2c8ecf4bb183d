"""A container of a test: a bundle with a busybox root, its config.json as a dictionary, and the verbs of svc-runtime."""
import copy
import json
import os
import secrets
import subprocess

ID_BASE, ID_COUNT = 1_200_000_000, 65536
DEADLINE = 30
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
                "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"]
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug",
          "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
       "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}


def default_config():
    """A new one each time, lists and all: tests change it."""
    return copy.deepcopy({
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "box",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["true"],
            "env": ["PATH=/usr/bin:/bin", "HOME=/root"],
            "cwd": "/",
            "capabilities": {"bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES},
            "noNewPrivileges": True,
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            DEV,
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
        ],
        "linux": {
            "namespaces": [{"type": name} for name in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    })


class Container:
    """Where `state_root` is the --root of the test, so that nothing else sees its containers."""

    def __init__(self, program, state_root, bundle, name=None):
        self.program, self.state_root, self.bundle = program, state_root, bundle
        self.id = "t" + secrets.token_hex(6) if name is None else name
        self.rootfs = os.path.join(bundle, "rootfs")
        self.config = default_config()
        self.config["linux"]["cgroupsPath"] = f"/svc-runtime-test-{self.id}"

    def with_user_namespace(self):
        self.config["linux"]["namespaces"].append({"type": "user"})
        mapping = [{"containerID": 0, "hostID": ID_BASE, "size": ID_COUNT}]
        self.config["linux"]["uidMappings"] = self.config["linux"]["gidMappings"] = mapping
        return self

    def shell(self, script):
        self.config["process"]["args"] = ["sh", "-c", script]
        return self

    def capabilities(self, *names):
        for kind in ("bounding", "effective", "permitted"):
            self.config["process"]["capabilities"][kind] = list(names)
        return self

    def mount(self, destination, **rest):
        self.config["mounts"].append({"destination": destination, **rest})
        return self

    def bind(self, source, destination, *options):
        return self.mount(destination, type="bind", source=str(source), options=["rbind", *options])

    def write(self):
        with open(os.path.join(self.bundle, "config.json"), "w") as file:
            json.dump(self.config, file, indent=1)

    def call(self, verb, *args, stdin=subprocess.DEVNULL, **rest):
        """The finished process, with stdout and stderr as text."""
        argv = [self.program, "--root", self.state_root, *rest.pop("before", []), verb, *args]
        rest.setdefault("stdout", subprocess.PIPE)
        rest.setdefault("stderr", subprocess.PIPE)
        return subprocess.run(argv, stdin=stdin, text=True, check=False, timeout=DEADLINE, **rest)

    def run(self, *options, **rest):
        self.write()
        return self.call("run", "--bundle", self.bundle, *options, self.id, **rest)

    def output(self, *options):
        """What a successful run printed."""
        done = self.run(*options)
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr or done.stdout}"
        return done.stdout

    def error(self, *options):
        """The one line of a run that the runtime refused."""
        done = self.run(*options)
        assert done.returncode == 1, f"exit {done.returncode}: {done.stderr}{done.stdout}"
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, lines
        return lines[0]

    def create(self, *options, **rest):
        """The container's own streams go to files of the bundle: a pipe would keep us waiting for it."""
        self.write()
        paths = [os.path.join(self.bundle, name) for name in ("stdout", "stderr")]
        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            done = self.call("create", "--bundle", self.bundle, *options, self.id, stdout=out, stderr=err, **rest)
        done.stdout, done.stderr = (open(path).read() for path in paths)
        return done

    def created(self, *options, **rest):
        done = self.create(*options, **rest)
        assert done.returncode == 0, done.stderr
        return self

    def start(self):
        done = self.call("start", self.id)
        assert done.returncode == 0, done.stderr
        return self

    def log(self):
        with open(os.path.join(self.bundle, "stdout")) as file:
            return file.read()

    def exec(self, *args, options=(), **rest):
        return self.call("exec", *options, self.id, *args, **rest)

    def state(self):
        done = self.call("state", self.id)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def status(self):
        return self.state()["status"]

    def kill(self, *args):
        return self.call("kill", self.id, *args)

    def delete(self, *options):
        return self.call("delete", *options, self.id)

    def states(self):
        """The containers that the runtime remembers; it makes its directory for the first."""
        return os.listdir(self.state_root) if os.path.exists(self.state_root) else []

    def cgroup_dirs(self):
        found = []
        for folder, names, _ in os.walk("/sys/fs/cgroup"):
            found += [os.path.join(folder, name) for name in names if name.endswith(self.id)]
        return found
