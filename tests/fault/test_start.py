"""Every system call of a container start fails once: nothing stays behind, and the message names the step.

strace makes the Nth call of each kind fail. The call may be one that the runtime can do without (then the
container runs all the same); where it cannot, `svc-runtime run` says why in one line and leaves no process,
cgroup, mount or state."""
import json
import os
import re
import secrets
import shutil
import subprocess

import pytest
from bench import config
from waiting import wait_for

CALLS = ["clone3", "mount", "fsopen", "fsconfig", "fsmount", "open_tree", "move_mount", "mount_setattr", "pivot_root", "umount2",
         "mkdirat", "mkdir", "mknodat", "symlinkat", "open", "openat", "openat2", "write", "pipe2", "socketpair", "unshare", "setns",
         "sethostname", "setresuid", "setgroups", "capset", "prctl", "seccomp", "prlimit64", "renameat"]
TIMES_MAX = 6  # of one call: the first ones, then every so many


def cgroups_named(name):
    return [os.path.join(folder, one) for folder, names, _ in os.walk("/sys/fs/cgroup") for one in names if name in one]


def processes_of(name):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cgroup") as file:
                if name in file.read():
                    found.append(pid)
        except OSError:
            continue
    return found


class Container:
    def __init__(self, runtime, folder):
        self.runtime, self.folder, self.state = runtime, folder, os.path.join(folder, "state")
        self.name = "svc-fault-" + secrets.token_hex(4)
        with open(os.path.join(folder, "config.json"), "w") as out:
            json.dump(config(os.path.join(folder, "rootfs"), ["/bin/true"], False, True, f"/{self.name}"), out)

    def run(self, *strace):
        log = os.path.join(self.folder, "strace")
        argv = ["strace", "-f", "-qq", "-o", log, *strace] if strace else []
        done = subprocess.run([*argv, self.runtime, "--root", self.state, "run", "--bundle", self.folder, self.name],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
        with open(log) as file:
            return done, file.read()

    def left_over(self):
        with open("/proc/self/mountinfo") as file:
            mounts = [line for line in file if self.folder in line]
        state = os.listdir(self.state) if os.path.isdir(self.state) else []
        return [*mounts, *cgroups_named(self.name), *processes_of(self.name), *(one for one in state if self.name in one)]


@pytest.fixture
def container(needs_root, svc_runtime, scratch, busybox_rootfs):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    busybox_rootfs(os.path.join(scratch, "rootfs"))
    return Container(svc_runtime, scratch)


@pytest.mark.parametrize("call", CALLS)
def test_a_failing_call_leaves_nothing(container, call):
    done, log = container.run("-e", f"trace={call}")
    if done.returncode != 0 and "PTRACE" in done.stderr.upper():
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    count = len(re.findall(rf"\b{call}\(", log))
    if count == 0:
        pytest.skip(f"a start makes no {call}")
    for nth in sorted({1 + i * count // TIMES_MAX for i in range(TIMES_MAX)}):
        done, log = container.run("-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={nth}")
        assert wait_for(lambda: not container.left_over(), 5, f"{call} {nth} left {container.left_over()}") is True
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            assert lines and "svc-runtime" in lines[-1], (call, nth, done.stderr)
            assert "internal" not in done.stderr.lower(), (call, nth, done.stderr)
