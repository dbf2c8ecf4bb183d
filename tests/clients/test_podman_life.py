"""podman: the life of a container, from create to rm, and what is done to a running one."""
import json
import re

import pytest

from engines import IMAGE, LIMITS
from waiting import wait_for

TRAP = "trap 'echo got-term; exit 5' TERM; trap 'echo got-usr1' USR1; echo ready; while :; do sleep 0.05; done"


def ready(podman, name):
    wait_for(lambda: "ready" in podman.ok("logs", name), what="the trap of the program")
    return name


def status(podman, name):
    return podman.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)


@pytest.fixture
def sleeper(podman):
    name = podman.start(IMAGE, "sleep", "1000")
    yield name
    podman("rm", "-f", "-t", "0", name)


def test_logs_stop_and_rm(podman):
    name = ready(podman, podman.start(IMAGE, "sh", "-c", TRAP))
    podman.ok("kill", "-s", "USR1", name)
    wait_for(lambda: "got-usr1" in podman.ok("logs", name), what="the signal")
    podman.ok("stop", "-t", "20", name)
    assert status(podman, name) == "exited 5"
    assert podman.ok("logs", name).splitlines() == ["ready", "got-usr1", "got-term"]
    podman.ok("rm", name)
    assert podman("inspect", name).code != 0


def test_stop_kills_who_does_not_listen(podman):
    name = ready(podman, podman.start(IMAGE, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"))
    podman.ok("stop", "-t", "0", name)
    assert status(podman, name) == "exited 137"
    podman.ok("rm", name)


def test_kill_and_wait(podman, sleeper):
    podman.ok("kill", sleeper)
    assert podman.ok("wait", sleeper) == "137"


def test_start_again(podman):
    name = podman.start(IMAGE, "sh", "-c", "echo one >>/count; wc -l </count")
    podman.ok("wait", name)
    podman.ok("start", "-a", name)
    assert podman.ok("logs", name).split() == ["1", "2"]
    podman.ok("rm", name)


def test_create_waits_for_start(podman):
    name = podman.name()
    podman.ok("create", "--name", name, *podman.options(), IMAGE, "echo", "hi")
    assert status(podman, name).startswith("created")
    podman.ok("init", name)
    assert status(podman, name).startswith("initialized")
    assert podman.ok("start", "-a", name) == "hi"
    podman.ok("rm", name)


def test_rm_of_a_running_one(podman):
    name = podman.start(IMAGE, "sleep", "1000")
    assert podman("rm", name).code != 0
    podman.ok("rm", "-f", "-t", "0", name)
    assert podman("inspect", name).code != 0


def test_exec(podman, sleeper):
    assert podman.ok("exec", sleeper, "echo", "hi") == "hi"
    script = "id -u; pwd; echo $A"
    out = podman.ok("exec", "-u", "user", "-w", "/tmp", "-e", "A=b", sleeper, "sh", "-c", script)
    assert out.split() == ["1000", "/tmp", "b"]
    assert podman.ok("exec", "-i", sleeper, "cat", input="typed\n") == "typed"
    assert podman("exec", sleeper, "sh", "-c", "kill -TERM $$").code == 143
    podman.ok("exec", "-d", sleeper, "sh", "-c", "echo made >/tmp/made")
    wait_for(lambda: podman.ok("exec", sleeper, "cat", "/tmp/made") == "made", what="the detached process")
    assert podman.ok("exec", "--privileged", sleeper, "grep", "Seccomp:", "/proc/self/status").endswith("2")


def test_pause(podman, sleeper):
    podman.ok("pause", sleeper)
    assert status(podman, sleeper).startswith("paused")
    done = podman("exec", sleeper, "true")
    assert done.code != 0 and ("paused" in done.err or "running" in done.err), done
    podman.ok("unpause", sleeper)
    assert podman.ok("exec", sleeper, "echo", "hi") == "hi"


def test_rm_of_a_paused_one(podman):
    name = podman.start(IMAGE, "sleep", "1000")
    podman.ok("pause", name)
    podman.ok("rm", "-f", "-t", "0", name)
    assert podman("inspect", name).code != 0


def test_top_and_stats(podman, sleeper):
    assert "sleep 1000" in podman.ok("top", sleeper, "pid", "args")
    stats = json.loads(podman.ok("stats", "--no-stream", "--format", "json", sleeper))
    assert stats[0]["name"] == sleeper
    if podman.view == "v1":
        assert stats[0]["pids"] == "1" and not stats[0]["mem_usage"].startswith("0B")


def test_copy(podman, sleeper):
    podman.world.write("/run/in", "text\n")
    podman.ok("cp", "/run/in", f"{sleeper}:/tmp/there")
    assert podman.ok("exec", sleeper, "cat", "/tmp/there") == "text"
    podman.ok("cp", f"{sleeper}:/etc/text", "/run/out")
    assert podman.world.ok("cat", "/run/out") == "no program"


def test_health(podman):
    name = podman.start("--health-cmd", "test -e /tmp/well", "--health-interval", "disable", IMAGE, "sleep", "1000")
    assert podman("healthcheck", "run", name).code == 1
    podman.ok("exec", name, "touch", "/tmp/well")
    podman.ok("healthcheck", "run", name)
    assert podman.ok("inspect", "-f", "{{.State.Healthcheck.Status}}", name) == "healthy"
    podman.ok("rm", "-f", "-t", "0", name)


def test_restart_policy(podman):
    name = podman.start("--restart", "on-failure:2", IMAGE, "sh", "-c", "echo run; exit 3")
    wait_for(lambda: podman.ok("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", name) == "2 exited", 20, "two restarts")
    assert podman.ok("logs", name).split() == ["run"] * 3
    podman.ok("rm", name)


def test_restart(podman, sleeper):
    before = podman.ok("inspect", "-f", "{{.State.Pid}}", sleeper)
    podman.ok("restart", "-t", "0", sleeper)
    assert podman.ok("inspect", "-f", "{{.State.Pid}}", sleeper) not in (before, "0")


def test_update(podman, sleeper):
    if podman("update", "--help").code != 0:
        pytest.skip("this podman has no update")
    if podman.view == "v2":
        pytest.skip("this machine's cgroup v2 may have no memory controller")
    podman.ok("update", "--memory", "64m", sleeper)
    assert podman.ok("exec", sleeper, "cat", LIMITS[podman.view]["memory"]) == str(64 << 20)


def test_checkpoint_is_refused_in_words(podman, sleeper):
    done = podman("container", "checkpoint", sleeper)
    assert done.code != 0 and re.search("checkpoint", done.err, re.I) and len(done.err.splitlines()) == 1, done
    assert podman.ok("exec", sleeper, "echo", "alive") == "alive"


def test_namespaces_of_another(podman):
    shared = podman.ok("run", "-d", "--ipc", "shareable", *podman.options(), IMAGE, "sleep", "1000")
    options = [f"--{kind}=container:{shared}" for kind in ("ipc", "pid", "network")]
    limit = ["--pids-limit", "0"] if podman.view == "v2" else []
    script = "for n in ipc pid net; do readlink /proc/self/ns/$n; done; cat /proc/1/comm"
    there = podman.ok("exec", shared, "sh", "-c", script)
    assert podman.ok("run", "--rm", *options, *limit, IMAGE, "sh", "-c", script) == there and there.endswith("sleep")
    podman.ok("rm", "-f", "-t", "0", shared)


def test_a_pod(podman):
    """The infra container holds the namespaces, the others join them by path."""
    pod, one, two = podman.name(), podman.name(), podman.name()
    if podman.view == "v2":
        pytest.skip("the infra container of a pod takes no --pids-limit")
    podman.ok("pod", "create", "--name", pod, "--network", "none", "--share", "ipc,net,uts", "--infra-image", IMAGE,
              "--infra-command", "/bin/sleep 1000", "--hostname", "podded")
    for name in (one, two):
        podman.ok("run", "-d", "--pod", pod, "--name", name, IMAGE, "sleep", "1000")
    for kind in ("ipc", "net", "uts"):
        links = {podman.ok("exec", name, "readlink", f"/proc/self/ns/{kind}") for name in (one, two)}
        assert len(links) == 1, kind
    assert podman.ok("exec", one, "hostname") == "podded"
    assert podman.ok("pod", "ps", "-f", f"name={pod}", "--format", "{{.Status}} {{.NumberOfContainers}}") == "Running 3"
    podman.ok("pod", "pause", pod)
    podman.ok("pod", "unpause", pod)
    podman.ok("pod", "stop", "-t", "0", pod)
    podman.ok("pod", "rm", "-f", "-t", "0", pod)


# ---- terminals ----


def test_run_with_a_terminal(podman):
    with podman.terminal("run", "--rm", "-it", *podman.options(), IMAGE, "sh") as user:
        user.expect("# ")
        user.send("stty size; tty; echo $((6*7))\n")
        user.expect("33 99")
        user.expect("/dev/pts/0")
        user.expect("42")
        user.send("exit 12\n")
        assert user.wait() == 12


def test_the_terminal_is_resized(podman):
    with podman.terminal("run", "--rm", "-it", *podman.options(), IMAGE, "sh", "-c",
                         "trap 'stty size' WINCH; trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done") as user:
        user.expect("ready")
        user.resize(44, 111)
        user.expect("44 111")
        user.send("\x03")
        assert user.wait() == 9


def test_keys_interrupt(podman):
    with podman.terminal("run", "--rm", "-it", *podman.options(), IMAGE, "sh", "-c",
                         "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done") as user:
        user.expect("ready")
        user.send("\x03")
        user.expect("interrupted")
        assert user.wait() == 9


def test_exec_with_a_terminal(podman, sleeper):
    with podman.terminal("exec", "-it", sleeper, "sh") as user:
        user.expect("# ")
        user.send("stty size; test -t 0 && echo is-a-$((1))-tty\n")
        user.expect("33 99")
        user.expect("is-a-1-tty")
        user.resize(20, 70)
        user.send("stty size\n")
        user.expect("20 70")
        user.send("echo st$((1))rt; read x\n")
        user.expect("st1rt")
        user.send("\x03")
        user.expect("# ")
        user.send("exit 13\n")
        assert user.wait() == 13


def test_detach_and_attach(podman):
    name = podman.name()
    with podman.terminal("run", "-it", "--detach-keys", "ctrl-x", "--name", name, *podman.options(), IMAGE, "sh") as user:
        user.expect("# ")
        user.send("echo be$((1))fore\n")
        user.expect("be1fore")
        user.expect("# ")
        user.send("\x18")
        assert user.wait() == 0
    assert status(podman, name).startswith("running")
    with podman.terminal("attach", name) as user:
        user.send("echo af$((2))ter; exit 3\n")
        user.expect("af2ter")
        user.wait()
    wait_for(lambda: status(podman, name) == "exited 3", what="the end of the container")
    podman.ok("rm", name)
