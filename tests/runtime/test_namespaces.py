"""Joining namespaces by path (runtime-spec config-linux.md §Namespaces), alone and together."""
import os

import pytest

NAMES = {"network": "net", "mount": "mnt"}


def link(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{NAMES.get(kind, kind)}")


def join(container, pid, *kinds):
    """CONTAINER's namespaces of KINDS become those of process PID."""
    spaces = container.config["linux"]["namespaces"]
    for kind in kinds:
        entry = next((e for e in spaces if e["type"] == kind), None)
        if entry is None:
            spaces.append(entry := {"type": kind})
        entry["path"] = f"/proc/{pid}/ns/{NAMES.get(kind, kind)}"
    if "uts" in kinds:
        container.config.pop("hostname", None)
    return container


def inside(container, *kinds):
    """What the container's program sees of its own namespaces."""
    names = " ".join(NAMES.get(kind, kind) for kind in kinds)
    return container.shell(f"for n in {names}; do readlink /proc/self/ns/$n; done").output().split()


def test_a_user_namespace(sleeper, new_container):
    pid = sleeper.state()["pid"]
    other = join(new_container(), pid, "user")
    assert inside(other, "user") == [link(pid, "user")]
    assert other.shell("cat /proc/self/uid_map; id -u").output().split() == ["0", "1200000000", "65536", "0"]


def test_new_namespaces_belong_to_the_user_namespace_that_is_joined(sleeper, new_container):
    """Else root in there could not even set its host name."""
    other = join(new_container(), sleeper.state()["pid"], "user").capabilities("CAP_SYS_ADMIN", "CAP_NET_ADMIN")
    assert other.shell("hostname joined && ip link set lo mtu 9000 && hostname").output() == "joined\n"


def test_all_those_of_a_pod(sleeper, new_container):
    """What podman does for the second container of a pod with a user namespace."""
    pid = sleeper.state()["pid"]
    kinds = ("user", "pid", "ipc", "uts", "network", "cgroup")
    assert inside(join(new_container(), pid, *kinds), *kinds) == [link(pid, kind) for kind in kinds]


def test_a_pid_namespace_with_a_user_namespace_that_is_joined(sleeper, new_container):
    pid = sleeper.state()["pid"]
    out = join(new_container(), pid, "user", "pid").shell("echo $$; cat /proc/1/comm").output().split()
    assert int(out[0]) > 1 and out[1] == "sh"


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "pid", "time"])
def test_a_namespace_of_the_host_with_a_new_user_namespace(new_container, kind):
    """Only the caller may enter these, and only before it is root of the new one alone."""
    other = join(new_container().with_user_namespace(), "self", kind)
    other.config["mounts"] = [m for m in other.config["mounts"] if m["type"] not in ("sysfs", "mqueue", "cgroup", "proc")]
    other.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    if kind == "pid":
        other.bind("/proc", "/proc")
    other.shell("sleep 1000").created().start()
    assert link(other.state()["pid"], kind) == link("self", kind)


def test_a_time_namespace(new_container):
    first = new_container().shell("sleep 1000")
    first.config["linux"]["namespaces"].append({"type": "time"})
    first.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000, "nanosecs": 0}}
    pid = first.created().start().state()["pid"]
    with open("/proc/uptime") as file:
        before = float(file.read().split()[0])
    other = join(new_container(), pid, "time")
    out = other.shell("readlink /proc/self/ns/time; cat /proc/uptime").output().split()
    assert out[0] == link(pid, "time") and float(out[1]) - before >= 999_999


def test_a_mount_namespace(new_container):
    """Those who are in it keep their root; the new one has its own."""
    first = new_container().shell("echo first >/mark; sleep 1000").created().start()
    pid = first.state()["pid"]
    other = join(new_container(), pid, "mount").shell("readlink /proc/self/ns/mnt; ls /mark; sleep 1000")
    other.created().start()
    assert link(other.state()["pid"], "mount") == link(pid, "mount")
    assert first.exec("true").returncode == 0
    with open(f"/proc/{pid}/root/mark") as file:
        assert file.read() == "first\n"
    assert not os.path.exists(f"/proc/{other.state()['pid']}/root/mark")


def test_exec_enters_what_was_joined(sleeper, new_container):
    pid = sleeper.state()["pid"]
    other = join(new_container(), pid, "user", "network").shell("sleep 1000").created().start()
    out = other.exec("sh", "-c", "readlink /proc/self/ns/user; readlink /proc/self/ns/net; id -u").stdout.split()
    assert out == [link(pid, "user"), link(pid, "network"), "0"]


@pytest.mark.parametrize("kind, path", [("user", "/proc/self/ns/net"), ("network", "/proc/self/ns/user"), ("time", "/proc/self/ns/uts"),
                                        ("mount", "/dev/null"), ("pid", "/proc/self/ns/mnt"), ("user", "/etc")])
def test_a_path_of_another_kind_is_refused(new_container, kind, path):
    other = join(new_container(), "self", kind)
    next(e for e in other.config["linux"]["namespaces"] if e["type"] == kind)["path"] = path
    line = other.error()
    assert path in line and "namespace" in line


def test_a_path_that_is_not_there(new_container):
    other = join(new_container(), 999999999, "network")
    assert "/proc/999999999/ns/net" in other.error()


def test_offsets_of_a_time_namespace_that_is_joined_are_refused(new_container):
    other = join(new_container(), "self", "time")
    other.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1}}
    assert "timeOffsets" in other.error()


def test_offsets_without_a_time_namespace_are_refused(container):
    container.config["linux"]["timeOffsets"] = {"monotonic": {"secs": 1}}
    assert "timeOffsets" in container.error()
