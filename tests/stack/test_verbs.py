"""The verbs of the command line on a small stack: what they print, and what they return."""
import json
import os
import re
import socket
import subprocess
import threading

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
                   "command": ["sh", "-c", "mkfifo /tmp/in; echo ready; while :; do read line </tmp/in && echo \"got $$line\"; done"]}}})
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


def test_logs_follow_shows_what_was_written_before(make_stack):
    stack = make_stack({"services": {"quiet": {"rootfs": "host", "stop_signal": "SIGKILL", "restart": "no",
                                               "command": ["sh", "-c", "seq 1 5; exec sleep 1000"]}}})
    stack.up()
    wait_for(lambda: "5" in stack.logs("quiet"), 10, "all was logged")
    for args, want in (([], ["1", "2", "3", "4", "5"]), (["--tail", "2"], ["4", "5"])):
        follower = subprocess.Popen(stack.command("logs", "-f", "--no-log-prefix", *args), stdout=subprocess.PIPE, text=True)
        late = threading.Timer(10, follower.kill)
        late.start()
        try:
            assert [follower.stdout.readline().rstrip() for _ in want] == want
        finally:
            late.cancel()
            follower.kill()
            follower.wait()


def test_one_replica_is_named_as_ps_names_it(idle):
    assert idle.call("exec", "b-2", "hostname").returncode == 0
    assert [r.split()[0] for r in idle.call("ps", "b-2").stdout.splitlines()[1:]] == [f"{idle.project}-b-2"]
    assert idle.call("ps", f"{idle.project}-b-1", "-q").stdout == f"{idle.project}-b-1\n"
    assert "contradict" in idle.call("exec", "--index", "1", "b-2", "true", check=False).stderr
    for verb, *rest in (["ps", "b-3"], ["logs", "b-3"], ["exec", "b-3", "true"]):
        done = idle.call(verb, *rest, check=False)
        assert done.returncode == 2 and "b-3" in done.stderr


def test_logs_of_one_replica(make_stack):
    stack = make_stack({"services": {"w": {"rootfs": "host", "stop_signal": "SIGKILL", "deploy": {"replicas": 2},
                                           "command": ["sh", "-c", "echo hello; exec sleep 1000"]}}})
    stack.up()
    wait_for(lambda: len(stack.logs().splitlines()) == 2, 10, "both have written")
    lines = stack.logs("w-2").splitlines()
    assert len(lines) == 1 and lines[0].startswith("w-2")
    assert len(stack.logs("w-2", "w-1").splitlines()) == 2


def test_up_again_starts_what_was_stopped(idle):
    idle.call("stop", "a")
    first = [r["pid"] for r in idle.replicas("b")]
    again = idle.up("--wait")
    assert "starting what was not: a\n" in again.stderr and f"{idle.project} is up" in again.stderr
    assert idle.replica("a")["state"] == "running" and [r["pid"] for r in idle.replicas("b")] == first
    assert f"{idle.project} is already up" in idle.up().stderr


SICK = {**IDLE, "healthcheck": {"test": ["CMD", "test", "-e", "/tmp/well"], "interval": "200ms", "start_period": "100s"}}


def test_up_wait_names_what_is_not_healthy(make_stack):
    stack = make_stack({"services": {"sick": SICK, "fine": IDLE}})
    first = stack.up("--wait-timeout", "1", check=False)
    assert first.returncode == 1 and "not healthy in time: sick (" in first.stderr, first.stderr
    again = stack.up("--wait-timeout", "1", check=False)
    assert again.returncode == 1 and "not healthy in time: sick (" in again.stderr, again.stderr
    stack.call("stop", "sick")
    stopped = stack.up("--wait-timeout", "1", check=False)
    assert stopped.returncode == 1 and "not healthy in time: sick (" in stopped.stderr, stopped.stderr
    assert "fine (" not in first.stderr + again.stderr
    stack.call("exec", "sick", "touch", "/tmp/well")
    assert "is already up" in stack.up("--wait").stderr


def test_up_of_another_version_says_how_to_apply_it(idle, scratch):
    with open(idle.file) as file:
        model = json.load(file)
    model["services"]["c"] = IDLE
    other = os.path.join(scratch, "elsewhere.json")
    for path in (other, idle.file):
        with open(path, "w") as file:
            json.dump(model, file)
    changed = idle.up(check=False)
    assert changed.returncode == 4 and "runs with another version of this file — apply it with: svc down -p " in changed.stderr
    foreign = idle.call("up", "-d", other, check=False)
    assert foreign.returncode == 4 and f"from another file: {idle.file}" in foreign.stderr


@pytest.mark.parametrize("text", [None, "{ broken"], ids=["no file", "broken file"])
def test_verbs_that_stop_never_guess(idle, scratch, text):
    place = os.path.join(scratch, "place")
    os.mkdir(place)
    if text:
        with open(os.path.join(place, "stack.json"), "w") as file:
            file.write(text)
    for verb in ("down", "stop", "restart", "start"):
        done = subprocess.run([idle.svc, verb], cwd=place, env=idle.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        assert done.returncode == 2, (verb, done.stderr)
    assert idle.replica("a")["state"] == "running"


def test_a_short_job_is_shown_to_its_end(make_stack):
    stack = make_stack({"services": {"job": {"rootfs": "host", "restart": "no", "command": ["seq", "1", "20000"]}}})
    done = stack.call("run", "--no-log-prefix", stack.file)
    assert done.stdout.split() == [str(n) for n in range(1, 20001)]


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
