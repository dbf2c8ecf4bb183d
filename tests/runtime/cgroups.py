"""Which cgroup layout this machine has, and a container's files in it: one test for v1, hybrid and v2."""
import os

import pytest

V2_NAMES = {"blkio": "io"}


def mounts():
    """[(version, options, mount point)] of the cgroup hierarchies that can be seen."""
    found = []
    with open("/proc/self/mounts") as file:
        for line in file:
            _, where, kind, options = line.split()[:4]
            if kind == "cgroup2" and os.path.exists(os.path.join(where, "cgroup.controllers")):
                found.append((2, [], where))
            elif kind == "cgroup" and os.path.exists(os.path.join(where, "tasks")):
                found.append((1, options.split(","), where))
    return found


def layout():
    """v1, hybrid, v2 or none."""
    versions = {version for version, _, _ in mounts()}
    return {(): "none", (1,): "v1", (2,): "v2"}.get(tuple(sorted(versions)), "hybrid")


def home(controller):
    """(version, mount point) of a controller; skips the test when no hierarchy has it."""
    for version, options, where in mounts():
        if version == 1 and controller in options:
            return 1, where
        if version == 2:
            with open(os.path.join(where, "cgroup.controllers")) as file:
                if V2_NAMES.get(controller, controller) in file.read().split():
                    return 2, where
    pytest.skip(f"no cgroup hierarchy here has the {controller} controller")
    return None


def has(controller):
    try:
        return home(controller) is not None
    except pytest.skip.Exception:
        return False


def v2_mount():
    """The mount point of cgroup v2; skips the test without one."""
    for version, _, where in mounts():
        if version == 2:
            return where
    pytest.skip("no cgroup v2 hierarchy here")
    return None


def needs_v2():
    if layout() != "v2" or not all(has(name) for name in ("memory", "cpu", "pids", "blkio")):
        pytest.skip("needs cgroup v2 alone, with its controllers (make vm has it)")


def folder(container, controller):
    _, where = home(controller)
    return where + container.config["linux"]["cgroupsPath"]


def read(container, controller, v1_file, v2_file):
    """The text of the container's file, of whichever version the controller has here."""
    version, _ = home(controller)
    with open(os.path.join(folder(container, controller), v1_file if version == 1 else v2_file)) as file:
        return file.read().strip()
