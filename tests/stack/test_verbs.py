"""The verbs of the command line on a small stack: what they print, and what they return."""
import json
import os
import re
import socket
import subprocess

import pytest
from stacks import Stack, is_alive
from waiting import wait_for

IDLE = {"rootfs": "host", "command": ["sleep", "1000"], "stop_signal": "SIGKILL"}


@pytest.fixture
def idle(make_stack):
    stack = make_stack({"services": {"a": IDLE, "b": {**IDLE, "deploy": {"replicas": 2}}}})
    stack.up("--wait")
    return stack


def test_ps_tells_what_runs(idle):
    ps = idle.ps()
    assert (ps["project"], ps["state"]) == (idle.project, "running")
    assert [(s["name"], len(s["replicas"])) for s in ps["services"]] == [("a", 1), ("b", 2)]
    for service in ps["services"]:
        for number, replica in enumerate(service["replicas"], 1):
            assert replica["id"] == f"{idle.project}-{service['name']}-{number}" and replica["replica"] == number
            assert replica["state"] == "running" and replica["restarts"] == 0 and is_alive(replica["pid"])
            assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", replica["ip"])
    text = idle.call("ps").stdout
    assert "running" in text and f"{idle.project}-b-2" in text


def test_exec_gives_back_what_the_command_returns(idle):
    assert idle.call("exec", "a", "echo", "hello").stdout == "hello\n"
    assert idle.call("exec", "a", "sh", "-c", "exit 7", check=False).returncode == 7
    assert idle.call("exec", "a", "sh", "-c", "kill -9 $$", check=False).returncode == 128 + 9
    missing = idle.call("exec", "a", "/no/such/program", check=False)
    assert missing.returncode == 127 and "/no/such/program" in missing.stderr
    unknown = idle.call("exec", "nobody", "true", check=False)
    assert unknown.returncode != 0 and "nobody" in unknown.stderr


def test_exec_passes_its_input_through(idle):
    done = subprocess.run(idle.command("exec", "a", "wc", "-c"), input=b"x" * 100000, stdout=subprocess.PIPE, timeout=20, check=True)
    assert done.stdout.strip() == b"100000"


def test_stop_start_restart(idle):
    first = idle.replica("a")["pid"]
    idle.call("stop", "a")
    assert idle.replica("a")["state"] == "stopped" and not is_alive(first)
    assert all(r["state"] == "running" for r in idle.replicas("b"))
    idle.call("start", "a")
    second = idle.wait_state("a", "running")["pid"]
    assert second != first
    idle.call("restart", "a")
    assert wait_for(lambda: idle.replica("a")["pid"] not in (0, None, second), 10, "a was restarted")


def test_names_lead_to_the_other_services(idle):
    addresses = {r["ip"] for r in idle.replicas("b")}
    found = idle.call("exec", "a", "getent", "ahostsv4", "b").stdout
    assert {line.split()[0] for line in found.splitlines()} <= addresses and found


def test_logs_are_kept_followed_and_cut(make_stack):
    stack = make_stack({"services": {
        "talker": {"rootfs": "host", "restart": "no", "stop_signal": "SIGKILL",
                   "command": ["sh", "-c", "seq 1 5; echo to stderr >&2; exec sleep 1000"]},
        "other": {"rootfs": "host", "restart": "no", "command": ["echo", "from the other"]}}})
    stack.up()

    def lines(*args):
        return [line.split("| ", 1)[-1] for line in stack.logs(*args).splitlines()]

    wait_for(lambda: "to stderr" in lines("talker"), 10, "all was logged")
    assert [l for l in lines("talker") if l != "to stderr"] == ["1", "2", "3", "4", "5"]
    wait_for(lambda: "from the other" in lines(), 10, "the other one too")
    assert "from the other" not in lines("talker")
    assert len(lines("--tail", "2", "talker")) == 2


def test_logs_follow_sees_a_line_when_it_is_written(make_stack):
    stack = make_stack({"services": {
        "echoer": {"rootfs": "host", "restart": "no", "stop_signal": "SIGKILL",
                   "command": ["sh", "-c", "mkfifo /tmp/in; echo ready; while read line </tmp/in; do echo \"got $$line\"; done"]}}})
    stack.up()
    wait_for(lambda: "ready" in stack.logs("echoer"), 10, "ready")
    follower = subprocess.Popen(stack.command("logs", "-f", "--tail", "0", "echoer"), stdout=subprocess.PIPE, text=True)
    try:
        for word in ("one", "two"):
            stack.call("exec", "echoer", "sh", "-c", f"echo {word} >/tmp/in")
            assert follower.stdout.readline().rstrip().endswith(f"got {word}")
    finally:
        follower.kill()
        follower.wait()


def test_a_stack_that_is_not_there_is_said_so(svc, project):
    stack = Stack(svc, "stack.json", project)
    for verb in ("ps", "logs"):
        done = stack.call(verb, check=False)
        assert done.returncode == 4 and project in done.stderr, (verb, done.stderr)


def test_up_twice_changes_nothing(idle):
    before = [r["pid"] for r in idle.replicas("b")]
    idle.up("--wait", check=False)
    assert [r["pid"] for r in idle.replicas("b")] == before


BROKEN = '{\n  "services": {\n    "web": { "rootfs": "host", "comand": "true" }\n  }\n}\n'


@pytest.mark.alone
@pytest.mark.parametrize("verb", [("run",), ("up", "-d"), ("check",)], ids=lambda v: v[0])
def test_a_broken_file_says_where_and_leaves_nothing(svc, scratch, project, host_state, verb):
    file = os.path.join(scratch, "stack.json")
    with open(file, "w") as out:
        out.write(BROKEN)
    before = set(os.listdir("/var/lib/svc")) if os.path.isdir("/var/lib/svc") else set()
    done = subprocess.run([svc, verb[0], "-p", project, *verb[1:], file], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert re.search(r'stack\.json:3:\d+: services\.web: unknown key "comand".*did you mean "command"', done.stderr)
    host_state.check()
    assert (set(os.listdir("/var/lib/svc")) if os.path.isdir("/var/lib/svc") else set()) == before


@pytest.mark.alone
def test_a_port_in_use_says_so_and_leaves_nothing(svc, make_stack, host_state):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = make_stack({"services": {"web": IDLE},
                            "proxy": {"listen": f"127.0.0.1:{port}", "routes": {"/": "web:8000"}}})
        done = stack.up(check=False)
        assert done.returncode != 0 and str(port) in done.stderr
    stack.down(check=False)
    host_state.check()


def test_json_answers_of_failures_are_one_line(svc, project):
    done = subprocess.run([svc, "ps", "-p", project, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=10, check=False)
    assert done.returncode == 4 and len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == "" or json.loads(done.stdout)


def test_down_stops_even_what_ignores_the_signal(make_stack):
    stack = make_stack({"services": {
        "deaf": {"rootfs": "host", "command": ["sh", "-c", "trap '' TERM; while :; do sleep 1000; done"], "stop_grace_period": "300ms"}}})
    stack.up("--wait")
    pid = stack.replica("deaf")["pid"]
    stack.down()
    assert not is_alive(pid)
