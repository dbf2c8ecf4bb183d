"""podman where nothing but cgroup v2 is mounted, with whatever controllers it has here."""
import pytest

from engines import IMAGE, LIMITS
from waiting import wait_for


@pytest.fixture
def podman(podman_v2):
    return podman_v2


def controllers(podman):
    return podman.world.ok("cat", "/sys/fs/cgroup/cgroup.controllers").split()


def test_the_version(podman):
    assert podman.ok("info", "--format", "{{.Host.CgroupsVersion}}") == "v2"


def test_a_container_has_a_view_of_its_own(podman):
    script = ("grep ^0:: /proc/self/cgroup; grep -c '^1$' /sys/fs/cgroup/cgroup.procs;"
              " mkdir /sys/fs/cgroup/x 2>/dev/null || echo refused")
    assert podman.output(IMAGE, "sh", "-c", script) == "0::/\n1\nrefused"


@pytest.mark.parametrize("options", [(), ("--privileged",), ("--uidmap", "0:200000:1000")], ids=["plain", "privileged", "userns"])
def test_without_a_cgroup_namespace_only_its_own_cgroup_is_there(podman, options):
    """Others show the machine's whole tree then, with the switch that kills any cgroup of it (cgroup.kill) for --privileged."""
    script = "grep -c '^1$' /sys/fs/cgroup/cgroup.procs; find /sys/fs/cgroup -mindepth 1 -type d; id -u"
    assert podman.output("--cgroupns", "host", *options, IMAGE, "sh", "-c", script) == "1\n0"


def test_devices_are_kept_away_by_bpf(podman):
    script = "(: >/dev/other) 2>/dev/null || echo refused; (: >/dev/null) && echo open"
    assert podman.output("--device", "/dev/kmsg:/dev/other:r", IMAGE, "sh", "-c", script) == "refused\nopen"


def test_pause_exec_kill(podman):
    name = podman.start(IMAGE, "sleep", "1000")
    podman.ok("pause", name)
    assert podman.ok("inspect", "-f", "{{.State.Status}}", name) == "paused"
    podman.ok("unpause", name)
    assert podman.ok("exec", name, "echo", "hi") == "hi"
    podman.ok("kill", name)
    wait_for(lambda: podman.ok("inspect", "-f", "{{.State.Status}}", name) == "exited", what="the end")
    podman.ok("rm", name)


@pytest.mark.parametrize("controller, option, what, expected", [
    ("memory", ("--memory", "64m"), "memory", str(64 << 20)), ("pids", ("--pids-limit", "33"), "pids", "33"),
    ("cpu", ("--cpus", "0.5"), "cpu", "50000 100000")])
def test_a_limit_holds_or_is_refused(podman, controller, option, what, expected):
    """A limit that cannot be applied is an error that names the controller, never skipped."""
    done = podman.run(*option, IMAGE, "cat", LIMITS["v2"][what])
    if controller in controllers(podman):
        assert done.out.strip() == expected, done
    else:
        assert done.code == 126 and f"no {controller} controller" in done.err, done
