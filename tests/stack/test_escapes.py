"""A program inside a container tries the known ways out, as the strongest user there is in it."""
import ctypes
import os

import pytest
from waiting import wait_for

KEYCTL_JOIN_SESSION_KEYRING, KEY_SPEC_SESSION_KEYRING = 1, -3
SYS_ADD_KEY, SYS_KEYCTL = 248, 250


@pytest.fixture
def escape(top):
    path = os.environ.get("SVC_ESCAPE", os.path.join(top, "build/release/tests/stack/escape"))
    if not os.path.exists(path):
        pytest.skip("the escape program is not built: run make pytest")
    return path


def host_key():
    """A key in a session of its own, which the command that starts the stack inherits."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None)
    libc.syscall(SYS_ADD_KEY, b"user", b"svc-test-secret", b"secret", 6, KEY_SPEC_SESSION_KEYRING)


def model(escape, **more):
    return {"services": {
        "prisoner": {"rootfs": "host", "volumes": [f"{escape}:/tmp/escape:ro"],
                     "command": ["/tmp/escape", str(os.getpid())], "restart": "no", **more},
        "neighbour": {"rootfs": "host", "command": ["sleep", "1000"], "stop_signal": "SIGKILL"},
    }}


def check(lines):
    assert lines and lines[-1].startswith("tried "), lines
    verdicts = lines[:-1]
    assert len(verdicts) == int(lines[-1].split()[1])
    assert [line for line in verdicts if " blocked: " not in line] == []


@pytest.mark.parametrize("more", [{}, {"user": "www-data"}, {"cap_drop": ["ALL"]}], ids=["root", "user", "no-caps"])
def test_a_service_cannot_get_out(make_stack, escape, more):
    stack = make_stack(model(escape, **more))
    host_key()
    stack.up()
    stack.wait_state("prisoner", "exited")
    lines = [line.split("| ", 1)[-1].strip() for line in stack.logs("prisoner").splitlines()]
    check([line for line in lines if line.startswith("tried ") or ": " in line])


def test_an_exec_cannot_get_out(make_stack, escape):
    held = model(escape, command=["sleep", "1000"], stop_signal="SIGKILL")
    stack = make_stack(held)
    host_key()
    stack.up("--wait")
    done = stack.call("exec", "prisoner", "/tmp/escape", os.getpid(), check=False)
    check(done.stdout.splitlines())
    assert done.returncode == 0


def test_what_a_container_makes_is_not_roots_on_the_host(make_stack, scratch):
    shared = os.path.join(scratch, "shared")
    os.mkdir(shared)
    stack = make_stack({"services": {
        "writer": {"rootfs": "host", "volumes": [f"{shared}:/tmp/shared"], "restart": "no",
                   "command": ["sh", "-c", "id -u; touch /tmp/shared/mine; sleep 1000"], "stop_signal": "SIGKILL"}}})
    stack.up("--wait")
    wait_for(lambda: os.path.exists(f"{shared}/mine"), 5, "the file")
    # written owners stay as written (idmapped mount), while the process itself is nobody of the host
    assert os.stat(f"{shared}/mine").st_uid == 0
    assert os.stat(f"/proc/{stack.replica('writer')['pid']}").st_uid >= 100000
