"""The six kinds of hooks: where they run, when, with what on their standard input."""
import json
import os

import pytest

from waiting import wait_for

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def add_hook(container, kind, script, **rest):
    hooks = container.config.setdefault("hooks", {})
    hooks.setdefault(kind, []).append({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"], **rest})


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_all_kinds_run_in_order_with_the_state(container):
    log = os.path.join(container.bundle, "rootfs/log")
    for kind in KINDS:
        path = "/log" if kind == "startContainer" else log
        add_hook(container, kind, f"printf '%s ' {kind} >> {path}; cat >> {path}; echo >> {path}")
    seen = container.shell("cat /log").output()
    assert [line.split()[0] for line in seen.splitlines()][:4] == list(KINDS[:4])
    with open(log) as file:
        lines = [line.split(" ", 1) for line in file.read().splitlines()]
    assert [name for name, _ in lines] == list(KINDS)
    states = {name: json.loads(text) for name, text in lines}
    assert all(state["id"] == container.id for state in states.values())
    assert states["createRuntime"]["status"] == "creating" and states["createRuntime"]["pid"] > 0
    assert states["poststop"]["status"] == "stopped"


def test_a_failing_hook_stops_the_creation(either, scratch):
    add_hook(either, "createRuntime", "exit 3")
    line = either.error()
    assert "createRuntime" in line and "exited with 3" in line
    assert os.listdir(os.path.join(scratch, "state")) == []
    assert either.cgroup_dirs() == []


def test_a_hook_past_its_timeout_is_killed(container):
    add_hook(container, "createRuntime", "exec sleep 100", timeout=1)
    line = container.error()
    assert "createRuntime" in line and "1 s" in line


def test_a_hook_past_its_timeout_takes_along_what_it_started(container):
    note = os.path.join(container.bundle, "note")
    add_hook(container, "createRuntime", f"sleep 1000 & echo $! > {note}; wait", timeout=1)
    assert "1 s" in container.error()
    with open(note) as file:
        pid = int(file.read())
    wait_for(lambda: not is_running(pid), what="the end of the hook's child")


def test_a_hook_that_is_not_there(container):
    container.config["hooks"] = {"prestart": [{"path": "/no/such/hook"}]}
    assert "/no/such/hook" in container.error()


def test_a_failing_poststop_hook_is_a_warning(container):
    out = os.path.join(container.bundle, "second")
    add_hook(container, "poststop", "exit 1")
    assert container.shell("echo ran").run().stdout == "ran\n"
    assert not os.path.exists(out)


def test_a_failing_poststart_hook_destroys_the_container(container):
    """runtime.md §Lifecycle: "generate an error, stop the container, and continue the lifecycle at step 12"."""
    after = os.path.join(container.bundle, "after")
    add_hook(container, "poststart", "exit 4")
    add_hook(container, "poststop", f"touch {after}")
    container.shell("sleep 1000").created()
    done = container.call("start", container.id)
    assert done.returncode == 1 and "hooks.poststart" in done.stderr and "exited with 4" in done.stderr
    assert container.call("state", container.id).returncode == 1
    assert os.path.exists(after) and container.cgroup_dirs() == []


@pytest.mark.parametrize("options", [(), ("--detach",)])
def test_run_destroys_once_what_a_poststart_hook_refused(container, options):
    after = os.path.join(container.bundle, "after")
    add_hook(container, "poststart", "exit 4")
    add_hook(container, "poststop", f"echo end >> {after}")
    assert "hooks.poststart" in container.shell("sleep 1000").error(*options)
    with open(after) as file:
        assert file.read() == "end\n"
    assert os.listdir(container.state_root) == [] and container.cgroup_dirs() == []


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_poststop_hooks_run_when_a_hook_of_the_creation_failed(either, kind):
    after = os.path.join(either.bundle, "after")
    add_hook(either, kind, "exit 3")
    add_hook(either, "poststop", f"cat > {after}")
    assert kind in either.error()
    with open(after) as file:
        assert json.loads(file.read())["status"] == "stopped"


def test_poststop_hooks_do_not_run_when_no_hook_had_run(container):
    after = os.path.join(container.bundle, "after")
    add_hook(container, "poststop", f"touch {after}")
    container.config["process"]["args"] = ["/no/such/program"]
    assert "/no/such/program" in container.error()
    assert not os.path.exists(after)


def test_the_pid_of_a_state_is_as_the_hook_sees_it(either):
    """runtime.md §State: in the runtime's namespaces the host's pid, in the container's its own."""
    either.config["linux"]["rootfsPropagation"] = "private"
    files = {kind: os.path.join(either.rootfs, kind) for kind in KINDS}
    os.chmod(either.rootfs, 0o777)
    for kind in KINDS:
        add_hook(either, kind, f"cat > {'/startContainer' if kind == 'startContainer' else files[kind]}")
    either.shell("sleep 1000").created().start()
    pid = either.state()["pid"]
    either.delete("--force")
    states = {}
    for kind in KINDS:
        with open(files[kind]) as file:
            states[kind] = json.loads(file.read())
    assert {kind: (state["pid"], state["status"]) for kind, state in states.items()} == {
        "prestart": (pid, "created"), "createRuntime": (pid, "creating"), "createContainer": (1, "creating"),
        "startContainer": (1, "created"), "poststart": (pid, "running"), "poststop": (0, "stopped")}


def test_create_container_hooks_find_the_mounts_below_the_root_of_the_bundle(container):
    """config.md §createContainer Hooks: in the container's mount namespace, before pivot_root."""
    seen = os.path.join(container.bundle, "seen")
    add_hook(container, "createContainer", f"readlink rootfs/proc/1/ns/pid; ls rootfs/dev/pts; cp rootfs/proc/sys/kernel/hostname {seen}")
    container.config["process"]["args"] = ["true"]
    assert container.run().returncode == 0
    with open(seen) as file:
        assert file.read() == "box\n"


def test_what_a_hook_says_goes_to_our_standard_error(container):
    add_hook(container, "prestart", "echo on stdout; echo on stderr >&2")
    done = container.shell("echo program").run()
    assert done.stdout == "program\n" and "on stdout" in done.stderr and "on stderr" in done.stderr


def test_annotations_are_in_the_state(container):
    out = os.path.join(container.bundle, "state")
    container.config["annotations"] = {"org.example": "yes"}
    add_hook(container, "createRuntime", f"cat > {out}")
    container.output()
    with open(out) as file:
        assert json.loads(file.read())["annotations"] == {"org.example": "yes"}


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_hooks_get_no_file_of_ours(container, kind):
    out = os.path.join(container.bundle, "fds")
    add_hook(container, kind, f"ls /proc/self/fd > {out}")
    container.output()
    with open(out) as file:
        assert set(file.read().split()) <= {"0", "1", "2", "3"}  # 3 is of ls itself
