"""Host objects are opened before the root is entered; after that no path is resolved by its string but those of the working
directory and of the program (RUNTIME.md section 2, last paragraph). Proved from what strace saw of a start."""
import os
import re
import shutil
import subprocess

import pytest

PATH_CALLS = "%file,clone3,clone,fork,vfork,setns,fchdir"
LINE = re.compile(r'^(\d+)\s+(\w+)\((.*)\)\s+= (-?\d+|\?).*$')


def traced(container, *argv, meanwhile=None):
    """[(pid, call, arguments, result)] of ARGV and its children. MEANWHILE is done before all of them have ended."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    log = os.path.join(container.bundle, "strace")
    streams = [open(os.path.join(container.bundle, name), "w+") for name in ("out", "err")]
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-s", "300", "-o", log, "-e", f"trace={PATH_CALLS}", container.program,
                               "--root", container.state_root, *argv], stdin=subprocess.DEVNULL, stdout=streams[0], stderr=streams[1])
    try:
        if meanwhile:
            meanwhile()
        code = tracer.wait(timeout=30)
    finally:
        tracer.kill()
        tracer.wait()
    streams[1].seek(0)
    assert code == 0, streams[1].read()
    with open(log) as file:
        text = file.read()
    # A call that another process interrupted is written in two halves.
    halves, calls = {}, []
    for line in text.splitlines():
        pid = line.split()[0]
        if "<unfinished ...>" in line:
            halves[pid] = line.split("<unfinished ...>")[0].rstrip()
            continue
        resumed = re.match(r"^\d+\s+<\.\.\. \w+ resumed>(.*)$", line)
        if resumed:
            line = halves.pop(pid) + resumed.group(1)
        match = LINE.match(line)
        if match:
            calls.append((int(match.group(1)), match.group(2), match.group(3), match.group(4)))
    return calls


def by_string(call, arguments):
    """The path, when it is resolved from the root or the working directory of the process and not from an fd."""
    if call in ("openat2", "openat", "open_tree", "newfstatat", "faccessat", "faccessat2", "mkdirat", "unlinkat", "fchmodat", "fchownat",
                "readlinkat", "mknodat", "symlinkat", "renameat", "execveat", "statx", "mount_setattr", "move_mount"):
        first, _, rest = arguments.partition(", ")
        path = re.match(r'"([^"]*)"', rest)
        is_at_fd = first != "AT_FDCWD" and path and not path.group(1).startswith("/")
        return None if is_at_fd or not path or not path.group(1) else path.group(1)
    if call in ("fsconfig", "fsopen"):
        return None
    path = re.search(r'"([^"]*)"', arguments)
    return path.group(1) if path and path.group(1) else None


def first(calls, name, pid=None):
    return next(i for i, call in enumerate(calls) if call[1] == name and call[3] != "-1" and (pid is None or call[0] == pid))


PROGRAM = ("execve", "stat", "newfstatat", "statx")


@pytest.fixture
def traceable(container):
    """A start that opens most: binds, masks, devices, a sysctl, a working directory, a program that is searched for."""
    container.bind("/etc/hostname", "/etc/hostname").bind(container.rootfs + "/bin", "/made/for/it", "ro")
    container.config["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "uid": 5, "gid": 5}]
    container.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    container.config["process"].update(args=["true"], cwd="/etc")
    return container


@pytest.mark.parametrize("verb", ["run", "create"])
@pytest.mark.parametrize("with_userns", [False, True])
def test_host_objects_come_first(traceable, wait_for, verb, with_userns):
    container = traceable.with_user_namespace() if with_userns else traceable
    if with_userns:
        container.config["linux"]["devices"] = []
        os.makedirs(os.path.join(container.rootfs, "made/for/it"))  # its root is not the owner
        open(os.path.join(container.rootfs, "etc/hostname"), "w").close()
    container.write()

    def start():
        wait_for(lambda: container.call("state", container.id).returncode == 0, 20, what="its creation")
        container.start()

    calls = traced(container, verb, "--bundle", container.bundle, container.id, meanwhile=start if verb == "create" else None)
    clone = first(calls, "clone3")
    parent, child = calls[clone][0], int(calls[clone][3])
    pivot = first(calls, "pivot_root", child)
    # The parent makes cgroups while the child builds the root: each has an order of its own.
    touch = first(calls, "move_mount", child)  # the root goes on its place: from here on the child is at work in it
    early = [by_string(call, arguments) for pid, call, arguments, _ in calls[:touch] if pid == child]
    inside = [by_string(call, arguments) for pid, call, arguments, _ in calls[touch:pivot] if pid == child]
    late = [(call, by_string(call, arguments)) for pid, call, arguments, _ in calls[pivot + 1:] if pid == child]
    host = [(call, arguments) for pid, call, arguments, _ in calls[clone + 1:] if pid == parent]

    # What the child needs of the host it opens before it touches the root, and after that nothing by its string.
    assert [path for path in early if path and path not in ("/", "/dev/null") and not path.startswith("/sys/fs/cgroup/")] == []
    assert "/dev/null" in early and [path for path in inside if path] == []
    # The parent opens nothing of the host once there is a child, but what is its child's, and its own state; and nothing inside.
    own = re.compile(rf"/proc/(self|{child})/|{re.escape(container.state_root)}|/sys/fs/cgroup|(start\.sock|state\.json|config\.json)|/$")
    named = [by_string(call, arguments) for call, arguments in host]
    assert [path for path in named if path and not own.search(path) and path != container.state_root] == []
    assert [arguments for _, arguments in host if "RESOLVE_IN_ROOT" in arguments] == []
    # Every source was opened before that.
    opened = [by_string(call, arguments) for pid, call, arguments, _ in calls[:clone] if pid == parent]
    for source in ("/etc/hostname", container.rootfs + "/bin", container.rootfs):
        assert source in opened, source

    # After pivot_root: the way out of the old root, the working directory, the program.
    assert ("execve", "/bin/true") in late
    late = late[:late.index(("execve", "/bin/true")) + 1]  # what follows is the program's
    allowed = {"/", ".", "/etc"} | {f"{folder}/true" for folder in ("/usr/bin", "/bin")}
    assert {path for _, path in late if path} <= allowed, late
    assert [call for call, path in late if path and path.endswith("/true") and call not in PROGRAM] == []


def test_exec_opens_nothing_of_the_host_inside(traceable):
    traceable.shell("sleep 100").created().start()
    calls = traced(traceable, "exec", traceable.id, "true")
    clone = first(calls, "clone3")
    child = int(calls[clone][3])
    inside = [(call, by_string(call, arguments)) for pid, call, arguments, _ in calls[clone + 1:] if pid == child]
    allowed = {"/etc", "/"} | {f"{folder}/true" for folder in ("/usr/bin", "/bin")}
    paths = [path for _, path in inside if path]
    assert set(paths[: paths.index("/bin/true") + 1]) <= allowed, inside
    assert ("execve", "/bin/true") in inside
    joined = first(calls, "setns", child)
    assert [by_string(call, arguments) for pid, call, arguments, _ in calls[clone + 1:joined] if pid == child and
            by_string(call, arguments)] == []


def test_start_and_delete_look_at_nothing_of_the_root(traceable):
    """The container may have done to its root what it likes meanwhile."""
    traceable.shell("sleep 100").created()
    for argv in (("start", traceable.id), ("delete", "--force", traceable.id)):
        calls = traced(traceable, *argv)
        assert [arguments for pid, call, arguments, _ in calls if pid == calls[0][0] and traceable.rootfs in arguments] == []
