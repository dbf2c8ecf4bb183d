"""Nothing of a client, its engine and its containers is left on the machine, neither while they run nor after."""
import os
import re

import pytest

from engines import IMAGE
from waiting import wait_for

pytestmark = pytest.mark.alone
KEPT = [f"{top}/{name}" for top in ("/etc", "/opt", "/run", "/var/lib") for name in ("containers", "containerd", "docker", "cni")]


def podman_commands(client):
    client.start(IMAGE, "sleep", "1000")
    client.run("--privileged", IMAGE, "true")
    client.run(IMAGE, "no-such-program")


def ctr_commands(client):
    client.start("sleep", "1000")
    client.run("no-such-program")


def docker_commands(client):
    client.start(IMAGE, "sleep", "1000")
    client.run(IMAGE, "no-such-program")


COMMANDS = {"podman": podman_commands, "containerd": ctr_commands, "docker": docker_commands}


@pytest.mark.parametrize("engine", COMMANDS)
def test_the_machine_is_as_before(engine, host_state, new_engine):
    before = changes()
    client = new_engine(engine)
    COMMANDS[engine](client)
    # Its processes and cgroups are to be seen, the rest is in namespaces of its own.
    wait_for(lambda: is_untouched(host_state), what="nothing of a running engine on the machine")
    assert client.world.processes()
    client.world.close()
    wait_for(lambda: is_untouched(host_state), what="nothing left on the machine")
    assert changes() == before
    # A cgroup with a process in it could not have been removed.
    assert not [path for path in client.world.cgroups if os.path.exists(path)]


def changes():
    """{path: time of its last change} of where the engines keep their things by default."""
    return {path: os.stat(path).st_ctime_ns for path in KEPT if os.path.exists(path)}


def is_untouched(state):
    """By what a client could have made; its containers are named by 64 digits, or by us."""
    found = {name: what for name, what in state.difference().items() if name not in ("processes", "cgroups", "run_files")}
    assert not found, found
    known = os.listdir("/run/svc-runtime") if os.path.isdir("/run/svc-runtime") else []
    assert not [name for name in known if re.fullmatch("[0-9a-f]{64}|box[0-9]+", name)]
    return True


@pytest.mark.parametrize("engine, remove", [("podman", ["rm", "-f", "-t", "0"]), ("docker", ["rm", "-f"])])
def test_rm_leaves_no_cgroup_and_no_state(engine, remove, new_engine):
    client = new_engine(engine)
    names = [client.start(IMAGE, "sleep", "1000") for _ in range(2)]
    pid = client.ok("inspect", "-f", "{{.State.Pid}}", names[0])
    paths = {line.split(":")[2] for line in client.world.ok("cat", f"/proc/{pid}/cgroup").splitlines()}
    own = next(path for path in sorted(paths, key=len, reverse=True) if len(path) > 20)
    find = ["find", "/sys/fs/cgroup", "-path", f"*{own}"]
    assert client.world.ok(*find) and client.world.ok("find", "/run", "-name", "state.json")
    client.ok(*remove, *names)
    assert client.world.ok(*find) == ""
    assert client.world.ok("find", "/run", "-name", "state.json") == ""
