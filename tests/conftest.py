"""Fixtures of all tests of the real programs. Run them by `make pytest`, or one by
`/usr/bin/python3 -m pytest tests/stack -k name` after `make`; KEEP=1 keeps the scratch directories."""
import os
import secrets
import shutil
import subprocess
import tempfile

import pytest

import host_state as host
from waiting import wait_for as wait

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def program(variable, name):
    path = os.environ.get(variable, os.path.join(TOP, "build/release", name))
    if not os.path.exists(path):
        pytest.skip(f"{name} is not built: run make")
    return path


@pytest.fixture(scope="session")
def svc():
    """Path of svc (SVC=… for another one)."""
    return program("SVC", "svc")


@pytest.fixture(scope="session")
def svc_runtime():
    """Path of svc-runtime (SVC_RUNTIME=… for another one)."""
    return program("SVC_RUNTIME", "svc-runtime")


@pytest.fixture(scope="session")
def top():
    """The top of the source tree."""
    return TOP


@pytest.fixture
def needs_root():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes namespaces, mounts and cgroups")


@pytest.fixture
def wait_for():
    """wait_for(predicate, deadline=10, what=""): the only way to wait in a test."""
    return wait


@pytest.fixture
def scratch(request):
    """A directory of this test, that containers can walk into; removed after, unless KEEP=1."""
    path = tempfile.mkdtemp(prefix="svc-test-")
    os.chmod(path, 0o755)
    yield path
    if os.environ.get("KEEP") == "1":
        print(f"kept {path} of {request.node.nodeid}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def project():
    """A project name that nobody else uses."""
    return "t" + secrets.token_hex(4)


@pytest.fixture
def host_state():
    """The state of the machine at the start of the test; `.check()` fails unless it is the same again."""
    return host.HostState()


@pytest.fixture(scope="session")
def busybox():
    path = shutil.which("busybox")
    if not path:
        pytest.skip("busybox is not installed (Debian's busybox-static)")
    return path


@pytest.fixture
def busybox_rootfs(busybox):
    """make(DIR): fills DIR with a root file system of static busybox, and returns it."""

    def make(path):
        for name in ("bin", "proc", "sys", "dev", "etc", "tmp", "run", "var", "root"):
            os.makedirs(os.path.join(path, name), exist_ok=True)
        shutil.copy(busybox, os.path.join(path, "bin/busybox"))
        applets = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        for name in applets:
            if name != "busybox":
                os.symlink("busybox", os.path.join(path, "bin", name))
        with open(os.path.join(path, "etc/passwd"), "w") as file:
            file.write("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        with open(os.path.join(path, "etc/group"), "w") as file:
            file.write("root:x:0:\nnogroup:x:65534:\n")
        return path

    return make


def pytest_terminal_summary(terminalreporter):
    """Leaves `PART: N passed, N failed, N skipped` for the last lines of `make test`."""
    folder, part = os.environ.get("SVC_SUMMARY"), os.environ.get("SVC_PART")
    if not folder or not part or os.environ.get("PYTEST_XDIST_WORKER"):
        return
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    if not any(count.values()):
        return
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, part), "w") as out:
        out.write(f"{part}: {count['passed']} passed, {count['failed'] + count['error']} failed, "
                  f"{count['skipped']} skipped\n")
