"""What the engine does by itself: order of starts, health, restarts, and stopping in the foreground."""
import contextlib
import os
import pty
import select
import signal
import subprocess
import time

import pytest
from stacks import is_alive
from waiting import wait_for

IDLE = {"rootfs": "host", "command": ["sleep", "1000"], "stop_signal": "SIGKILL"}


def sh(script, **more):
    return {"rootfs": "host", "command": ["sh", "-c", script.replace("$", "$$")], "stop_signal": "SIGKILL", **more}


def test_starts_follow_the_conditions(make_stack, scratch):
    """db becomes healthy only when told so; after waits for that, and migrate for nothing but its own end."""
    shared = os.path.join(scratch, "shared")
    os.mkdir(shared)
    volumes = {"volumes": [f"{shared}:/tmp/shared"]}
    note = "echo $0 >>/tmp/shared/order; exec sleep 1000"
    stack = make_stack({"services": {
        "after": {**sh(note.replace("$0", "after")), **volumes,
                  "depends_on": {"db": {"condition": "service_healthy"},
                                 "migrate": {"condition": "service_completed_successfully"}}},
        "db": {**sh(note.replace("$0", "db")), **volumes,
               "healthcheck": {"test": ["CMD", "test", "-e", "/tmp/shared/go"], "interval": "200ms", "retries": 1000}},
        "migrate": {**sh("echo migrate >>/tmp/shared/order"), **volumes, "restart": "no",
                    "depends_on": {"db": {"condition": "service_started"}}}}})
    starting = subprocess.Popen(stack.command("up", "-d", stack.file), env=stack.env, stdout=subprocess.DEVNULL)
    stack.wait_state("migrate", "exited")
    assert stack.replica("after")["state"] == "waiting"
    with open(f"{shared}/go", "w"):
        pass
    stack.wait_state("after", "running")
    assert starting.wait(timeout=10) == 0
    wait_for(lambda: open(f"{shared}/order").read().split() == ["db", "migrate", "after"], 5, "the order")


def test_a_failed_dependency_fails_up_and_says_which(make_stack):
    stack = make_stack({"services": {
        "migrate": {**sh("exit 3"), "restart": "no"},
        "web": {**IDLE, "depends_on": {"migrate": {"condition": "service_completed_successfully"}}}}})
    done = stack.up("--wait", check=False)
    assert done.returncode != 0
    assert "migrate" in done.stderr and "3" in done.stderr


@pytest.mark.parametrize("policy, code, restarts", [
    ("no", 1, False), ("on-failure", 0, False), ("on-failure", 1, True), ("always", 0, True), ("unless-stopped", 1, True)])
def test_restart_policies(make_stack, policy, code, restarts):
    stack = make_stack({"services": {"job": {**sh(f"exit {code}"), "restart": policy}}})
    stack.up()
    if restarts:
        wait_for(lambda: stack.replica("job")["restarts"] >= 2, 10, "two restarts")
    else:
        ended = stack.wait_state("job", "exited")
        assert (ended["restarts"], ended["exit"]["code"]) == (0, code)


def test_on_failure_gives_up_after_its_number(make_stack):
    stack = make_stack({"services": {"job": {**sh("exit 9"), "restart": "on-failure:2"}}})
    stack.up()

    def given_up():
        now = stack.replica("job")
        return now if now["restarts"] == 2 and now["state"] in ("exited", "failed") else None

    assert wait_for(given_up, 10, "given up")["exit"]["code"] == 9


def test_an_unhealthy_service_is_restarted(make_stack):
    stack = make_stack({"services": {
        "sick": {**sh("sleep 1000"), "healthcheck": {"test": ["CMD", "test", "!", "-e", "/tmp/sick"],
                                                     "interval": "100ms", "retries": 2}}}})
    stack.up("--wait")
    old = stack.wait_healthy("sick")[0]
    stack.call("exec", "sick", "touch", "/tmp/sick")
    now = wait_for(lambda: next((r for r in [stack.replica("sick")] if r["restarts"] == 1), None), 10, "a restart")
    assert now["pid"] != old["pid"]
    stack.wait_healthy("sick")


@pytest.mark.parametrize("probe", ["http", "tcp", "cmd-shell"])
def test_each_kind_of_probe(make_stack, probe):
    server = {"rootfs": "host", "command": "python3 -m http.server 8000 --directory /tmp", "stop_signal": "SIGKILL"}
    check = {"http": {"http": "8000/"}, "tcp": {"tcp": 8000},
             "cmd-shell": {"test": "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8000))'"}}[probe]
    stack = make_stack({"services": {"web": {**server, "healthcheck": {**check, "interval": "300ms", "retries": 20}}}})
    stack.up("--wait")
    assert stack.wait_healthy("web")


def test_limits_hold(make_stack):
    stack = make_stack({"services": {
        "eater": {"rootfs": "host", "restart": "no", "mem_limit": "32m", "pids_limit": 8,
                  "command": ["python3", "-c", "x = bytearray(1 << 30)"]},
        "forker": {"rootfs": "host", "restart": "no", "pids_limit": 8,
                   "command": ["python3", "-c", "import os\ntry:\n for _ in range(20):\n  if not os.fork(): os.execvp('sleep', ['sleep', '1000'])\n"
                               "except OSError as e: print('refused', e.errno, flush=True)"]}}})
    stack.up()
    ended = stack.wait_state("eater", "exited")["exit"]
    assert (ended["code"], ended["oom"]) == (137, True)
    wait_for(lambda: "refused 11" in stack.logs("forker"), 10, "fork was refused")


class Terminal:
    """A command on a terminal of its own, as a user has it."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv, env)
        self.text, self.status = "", None

    def read(self):
        while select.select([self.fd], [], [], 0)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # EIO: nobody has the other end any more
                return
            self.text += data.decode(errors="replace")

    def shows(self, words):
        self.read()
        return words in self.text

    def press(self, keys):
        os.write(self.fd, keys)

    def ended(self):
        self.read()
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def close(self):
        if not self.ended():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal():
    made = []

    def make(stack):
        made.append(Terminal(stack.command("run", stack.file), stack.env))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_run_shows_logs_and_ctrl_c_stops_gracefully(make_stack, terminal):
    stack = make_stack({"services": {
        "polite": sh("trap 'echo goodbye; exit 0' TERM; echo hello there; while :; do sleep 0.1; done", stop_signal="SIGTERM")}})
    screen = terminal(stack)
    wait_for(lambda: screen.shows("hello there"), 15, "the service's line on the terminal")
    pid = stack.replica("polite")["pid"]
    screen.press(b"\x03")
    wait_for(screen.ended, 15, "svc run ended")
    assert "goodbye" in screen.text and not is_alive(pid)
    assert screen.status in (0, 130)


def test_ctrl_c_twice_forces(make_stack, terminal):
    stack = make_stack({"services": {
        "deaf": sh("trap '' TERM; echo hello there; while :; do sleep 0.1; done", stop_signal="SIGTERM", stop_grace_period="60s")}})
    screen = terminal(stack)
    wait_for(lambda: screen.shows("hello there"), 15, "the service's line on the terminal")
    pid = stack.replica("deaf")["pid"]
    screen.press(b"\x03")
    wait_for(lambda: stack.replica("deaf")["state"] == "stopping", 10, "stopping")
    assert is_alive(pid)
    began = time.monotonic()
    screen.press(b"\x03")
    wait_for(screen.ended, 15, "svc run ended")
    assert time.monotonic() - began < 10 and not is_alive(pid)


@pytest.mark.alone
def test_a_killed_foreground_takes_the_stack_along(make_stack, terminal, host_state):
    stack = make_stack({"services": {"idle": sh("echo hello there; exec sleep 1000")}})
    screen = terminal(stack)
    wait_for(lambda: screen.shows("hello there"), 15, "the service's line on the terminal")
    os.kill(screen.pid, signal.SIGKILL)
    wait_for(screen.ended, 5)
    host_state.check(20)


def test_stop_goes_in_reverse_order(make_stack, scratch):
    shared = os.path.join(scratch, "shared")
    os.mkdir(shared)
    told = "trap 'echo NAME >>/tmp/shared/order; exit 0' TERM; touch /tmp/shared/NAME; while :; do sleep 0.1; done"
    volumes = {"volumes": [f"{shared}:/tmp/shared"], "stop_signal": "SIGTERM"}
    stack = make_stack({"services": {
        "db": {**sh(told.replace("NAME", "db")), **volumes},
        "web": {**sh(told.replace("NAME", "web")), **volumes, "depends_on": ["db"]}}})
    stack.up("--wait")
    wait_for(lambda: {"db", "web"} <= set(os.listdir(shared)), 5, "both run")
    stack.down()
    assert open(f"{shared}/order").read().split() == ["web", "db"]
