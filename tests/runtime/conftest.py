"""Fixtures of the tests of svc-runtime."""
import os
import shutil
import subprocess

import pytest

from container import Container


@pytest.fixture
def new_container(needs_root, svc_runtime, scratch, busybox_rootfs):
    """new_container(name=None): a Container with a bundle and a root of its own, removed after the test."""
    made = []

    def make(name=None):
        bundle = os.path.join(scratch, f"bundle{len(made)}")
        busybox_rootfs(os.path.join(bundle, "rootfs"))
        made.append(Container(svc_runtime, os.path.join(scratch, "state"), bundle, name))
        return made[-1]

    yield make
    for container in made:
        container.delete("--force")


@pytest.fixture(scope="session")
def attack_program(svc_runtime, tmp_path_factory):
    """Path of attack.c as a static program."""
    path = os.environ.get("SVC_ATTACK", os.path.join(os.path.dirname(svc_runtime), "tests/runtime/attack"))
    if not os.path.exists(path):
        if not shutil.which("gcc"):
            pytest.skip("the attack program is not built: run make pytest")
        path = str(tmp_path_factory.mktemp("attack") / "attack")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "attack.c")
        subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-static", "-o", path, source], check=True)
    return path


@pytest.fixture
def armed(attack_program):
    """armed(container): with the attack program at /bin/attack, and a copy of the runtime of its own, which may be lost."""

    def arm(container):
        shutil.copy(attack_program, os.path.join(container.rootfs, "bin/attack"))
        container.program = shutil.copy(container.program, os.path.join(container.bundle, "svc-runtime"))
        return container

    return arm


@pytest.fixture
def container(new_container):
    return new_container()


@pytest.fixture(params=["host ids", "user namespace"])
def either(request, new_container):
    """A container without and one with a user namespace."""
    made = new_container()
    return made.with_user_namespace() if request.param == "user namespace" else made


@pytest.fixture
def userns(new_container):
    return new_container().with_user_namespace()


@pytest.fixture
def sleeper(new_container, wait_for):
    """A running container whose program waits to be killed."""
    made = new_container().with_user_namespace()
    made.shell("trap 'exit 7' TERM; echo ready; while :; do sleep 1; done")
    made.created().start()
    wait_for(lambda: made.log() == "ready\n", what="the trap of the program")
    return made
