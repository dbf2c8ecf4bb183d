"""System calls of create, start, exec, kill and delete fail, and svc-runtime is killed at any moment: `delete --force` always
succeeds after it, and nothing is left. Each distinct call fails at least once; SVC_FAULT_ALL=1 (make fault-all) tries every
single one with every error. (tests/fault/test_start.py does the same for run, with the container's first process.)"""
import itertools
import json
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import time

import pytest
from bench import config
from waiting import wait_for

ALL = os.environ.get("SVC_FAULT_ALL") == "1"
ERRORS = {"ENOMEM": "cannot allocate memory", "EIO": "input/output error", "EMFILE": "too many open files"}
MAKES_FDS = {"openat", "openat2", "open_tree", "socket", "socketpair", "fsopen", "fsmount", "pidfd_open", "dup3", "fcntl", "clone3"}
# Of the C library before main, of the process's end; what a message is written with; names only; polls that only wait.
LEFT_OUT = {"exit_group", "execve", "mmap", "munmap", "mprotect", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq",
            "rt_sigreturn", "futex", "close", "readlink", "readlinkat", "getrandom", "restart_syscall"}
SEED = int(os.environ.get("SVC_FAULT_SEED", "0")) or random.SystemRandom().randrange(1 << 32)


def cgroups_named(name):
    return [os.path.join(folder, one) for folder, names, _ in os.walk("/sys/fs/cgroup") for one in names if name in one]


def processes_of(*names):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cgroup") as file, open(f"/proc/{pid}/cmdline") as words:
                text = file.read() + words.read()
                if any(name in text for name in names):
                    found.append((pid, text[-80:]))
        except OSError:
            continue
    return found


class Container:
    def __init__(self, runtime, folder):
        self.runtime, self.folder, self.state = runtime, folder, os.path.join(folder, "state")
        self.name = "svc-verbs-" + secrets.token_hex(4)
        with open(os.path.join(folder, "config.json"), "w") as out:
            json.dump(config(os.path.join(folder, "rootfs"), ["/bin/sleep", "1000"], False, True, f"/{self.name}"), out)

    def argv(self, verb):
        words = {"create": ["create", "--bundle", self.folder, self.name], "exec": ["exec", self.name, "/bin/true"],
                 "delete": ["delete", "--force", self.name], "kill": ["kill", self.name, "KILL"],
                 "run": ["run", "--detach", "--bundle", self.folder, self.name]}
        return [self.runtime, "--root", self.state, *words.get(verb, [verb, self.name])]

    def call(self, verb, *before):
        with open(os.path.join(self.folder, "err"), "w+") as err:
            done = subprocess.run([*before, *self.argv(verb)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                                  timeout=60, check=False)
            err.seek(0)
            return done.returncode, err.read()

    def traced(self, verb, *strace):
        log = os.path.join(self.folder, "strace")
        code, err = self.call(verb, "strace", "-qq", "-o", log, *strace)
        with open(log) as file:
            return code, err, file.read()

    def prepare(self, verb):
        for step in {"create": (), "start": ("create",), "run": ()}.get(verb, ("create", "start")):
            code, err = self.call(step)
            assert code == 0, err

    def left_over(self):
        with open("/proc/self/mountinfo") as file:
            mounts = [line for line in file if self.folder in line]
        state = os.listdir(self.state) if os.path.isdir(self.state) else []
        return [*mounts, *cgroups_named(self.name), *processes_of(self.name, self.folder + "/state"), *state]

    def gone(self, why):
        code, err = self.call("delete")
        assert code == 0, (why, err)
        assert wait_for(lambda: not self.left_over(), 10, f"{why}: left {self.left_over()}") is True


@pytest.fixture
def container(needs_root, svc_runtime, scratch, busybox_rootfs):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    busybox_rootfs(os.path.join(scratch, "rootfs"))
    made = Container(svc_runtime, scratch)
    yield made
    made.call("delete")


def chosen(counts):
    """(call, nth, error) of a sample, or of all."""
    turn = itertools.cycle(ERRORS)
    for call, count in sorted(counts.items()):
        for nth in range(1, count + 1) if ALL else {1 + count // 2}:
            for error in ERRORS if ALL else [next(turn)]:
                yield call, nth, error if error != "EMFILE" or call in MAKES_FDS else "EIO"


@pytest.mark.parametrize("verb", ["create", "start", "exec", "kill", "delete", "update", "pause"])
def test_a_failing_call_of_a_verb_leaves_nothing(container, verb):
    if verb == "update" and "update" not in subprocess.run([container.runtime, "--help"], stdout=subprocess.PIPE, text=True).stdout:
        pytest.skip("there is no update yet")
    container.prepare(verb)
    code, err, log = container.traced(verb)
    assert code == 0, err
    container.gone(verb)
    counts = {}
    for call in re.findall(r"^(\w+)\(", log, re.MULTILINE):
        if call not in LEFT_OUT:
            counts[call] = counts.get(call, 0) + 1
    assert len(counts) > 5
    for call, nth, error in chosen(counts):
        where = (verb, call, nth, error)
        container.prepare(verb)
        code, err, _ = container.traced(verb, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={nth}")
        lines = err.strip().splitlines()
        assert code >= 0 and "internal" not in err, (where, code, err)
        if code != 0 and call != "write":
            assert len(lines) >= 1 and lines[-1].startswith("svc-runtime: "), (where, err)
            assert not re.search("executable file not found|no such file or directory", err), (where, err)
        if code != 0 and verb == "create":
            assert wait_for(lambda: not container.left_over(), 10, f"{where}: left {container.left_over()}") is True
        container.gone(where)


@pytest.mark.parametrize("verb", ["create", "run", "start", "delete", "exec"])
def test_killed_at_any_moment(container, verb):
    """kill -9 of svc-runtime, at a random moment of its life, or between two system calls; then delete --force."""
    draw = random.Random(SEED)
    container.prepare(verb)
    begun = time.monotonic()
    container.call(verb)
    length = time.monotonic() - begun
    container.gone(verb)
    for turn in range(200 if ALL else 12):
        container.prepare(verb)
        moment = draw.random() * length
        with subprocess.Popen(container.argv(verb), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        container.gone((verb, turn, moment, SEED))


@pytest.mark.parametrize("call", ["clone3", "mkdirat", "openat", "write", "renameat", "sendmsg", "recvmsg", "bind", "listen", "open_tree", "unlinkat",
                                  "connect", "pidfd_open"])
@pytest.mark.parametrize("verb", ["create", "delete"])
def test_killed_at_a_call(container, verb, call):
    """By strace: the process dies when it enters its nth such call."""
    container.prepare(verb)
    _, _, log = container.traced(verb, "-e", f"trace={call}")
    container.gone(verb)
    count = len(re.findall(rf"^{call}\(", log, re.MULTILINE))
    for nth in range(1, count + 1) if ALL else sorted({1, count} - {0}):
        if nth > count:
            continue
        container.prepare(verb)
        container.traced(verb, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={nth}")
        container.gone((verb, call, nth))
