"""The six kinds of hooks: where they run, when, with what on their standard input."""
import json
import os

import pytest

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def add_hook(container, kind, script, **rest):
    hooks = container.config.setdefault("hooks", {})
    hooks.setdefault(kind, []).append({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"], **rest})


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


def test_a_hook_that_is_not_there(container):
    container.config["hooks"] = {"prestart": [{"path": "/no/such/hook"}]}
    assert "/no/such/hook" in container.error()


def test_failures_after_the_start_are_warnings(container):
    add_hook(container, "poststart", "exit 1")
    add_hook(container, "poststop", "exit 1")
    assert container.shell("echo ran").run().stdout == "ran\n"


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_hooks_get_no_file_of_ours(container, kind):
    out = os.path.join(container.bundle, "fds")
    add_hook(container, kind, f"ls /proc/self/fd > {out}")
    container.output()
    with open(out) as file:
        assert set(file.read().split()) <= {"0", "1", "2", "3"}  # 3 is of ls itself
