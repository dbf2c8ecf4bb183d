"""Docker's engine with svc-runtime as its default runtime, by examples/docker/daemon.json."""
import pytest

from engines import IMAGE, LIMITS, RUNTIME
from waiting import wait_for

TRAP = "trap 'echo got-term; exit 5' TERM; echo ready; while :; do sleep 0.05; done"


def inspect(docker, name, what):
    return docker.ok("inspect", "-f", "{{" + what + "}}", name)


@pytest.fixture
def sleeper(docker):
    name = docker.start(IMAGE, "sleep", "1000")
    yield name
    docker("rm", "-f", name)


def test_the_drop_in(docker):
    out = docker.ok("info", "-f", "{{.DefaultRuntime}} {{.CgroupDriver}} {{(index .Runtimes \"svc-runtime\").Path}}")
    assert out == f"svc-runtime cgroupfs {RUNTIME}"


CASES = {
    # id: (options, script, what it prints)
    "plain": ((), "echo hi", "hi"),
    "default seccomp profile": ((), "grep Seccomp: /proc/self/status", "Seccomp:\t2"),
    "no seccomp profile": (("--security-opt", "seccomp=unconfined"), "grep Seccomp: /proc/self/status", "Seccomp:\t0"),
    "no capabilities": (("--user", "1000", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
                        "id -u; grep -e CapBnd -e NoNewPrivs /proc/self/status",
                        "1000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1"),
    "read-only root and tmpfs": (("--read-only", "--tmpfs", "/tmp"),
                                 "touch /tmp/x && ! touch /x 2>/dev/null && echo ok", "ok"),
    "mount of a tmpfs": (("--mount", "type=tmpfs,dst=/new,tmpfs-size=1m"), "df -k /new | awk 'NR == 2 {print $2}'", "1024"),
    "volume with the image's files": (("-v", "/etc"), "cat /etc/text", "no program"),
    "bind": (("-v", "/usr:/there:ro"), "touch /there/x 2>/dev/null || echo refused", "refused"),
    "workdir is made": (("-w", "/not/there"), "pwd", "/not/there"),
    "hostname": (("--hostname", "box"), "hostname", "box"),
    "device": (("--device", "/dev/null:/dev/other"), "stat -c %t:%T /dev/other", "1:3"),
    "ulimit": (("--ulimit", "nofile=99"), "ulimit -n", "99"),
    "sysctl": (("--sysctl", "net.ipv4.ip_forward=0"), "cat /proc/sys/net/ipv4/ip_forward", "0"),
    "init": (("--init",), "tr '\\0' ' ' </proc/1/cmdline | cut -d' ' -f1", "/sbin/docker-init"),
    "namespaces of the host": (("--pid", "host", "--ipc", "host", "--uts", "host"), "echo ok", "ok"),
    "privileged": (("--privileged",), "mount -t tmpfs none /tmp && echo mounted", "mounted"),
    "own cgroup namespace": (("--cgroupns", "private"), "cut -d: -f3 /proc/self/cgroup | sort -u", "/"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_option(docker, case):
    options, script, expected = CASES[case]
    assert docker.output(*options, IMAGE, "sh", "-c", script) == expected


def test_limits(docker):
    if docker.view == "v2":
        pytest.skip("this machine's cgroup v2 may have no memory controller")
    paths = LIMITS[docker.view]
    options = ("--memory", "32m", "--cpus", "0.5", "--pids-limit", "55")
    out = docker.output(*options, IMAGE, "cat", paths["memory"], paths["cpu"], paths["pids"])
    assert out.split() == [str(32 << 20), "50000", "55"]


@pytest.mark.parametrize("words, code, said", [
    (("sh", "-c", "exit 7"), 7, ""),
    (("no-such-program",), 127, 'exec: "no-such-program": executable file not found in $PATH'),
    (("/etc/text",), 126, 'exec: "/etc/text": permission denied'),
], ids=["exit", "missing", "not executable"])
def test_exit_codes(docker, sleeper, words, code, said):
    done = docker.run(IMAGE, *words)
    assert done.code == code and said in done.err, done
    done = docker("exec", sleeper, *words)
    assert said in done.out + done.err and done.code in (code, 126), done


def test_logs_and_stop(docker):
    name = docker.start(IMAGE, "sh", "-c", TRAP)
    wait_for(lambda: "ready" in docker.ok("logs", name), what="the trap of the program")
    docker.ok("stop", "-t", "20", name)
    assert inspect(docker, name, ".State.ExitCode") == "5"
    assert docker.ok("logs", name).splitlines() == ["ready", "got-term"]
    docker.ok("rm", name)


def test_kill(docker, sleeper):
    docker.ok("kill", sleeper)
    wait_for(lambda: inspect(docker, sleeper, ".State.ExitCode") == "137", what="the end")


def test_exec(docker, sleeper):
    script = "id -u; id -g; pwd; echo $A"
    out = docker.ok("exec", "-u", "5:6", "-w", "/tmp", "-e", "A=b", sleeper, "sh", "-c", script)
    assert out.split() == ["5", "6", "/tmp", "b"]


def test_pause(docker, sleeper):
    docker.ok("pause", sleeper)
    assert inspect(docker, sleeper, ".State.Status") == "paused"
    docker.ok("unpause", sleeper)
    assert docker.ok("exec", sleeper, "echo", "hi") == "hi"


def test_top_and_stats(docker, sleeper):
    assert "sleep 1000" in docker.ok("top", sleeper)
    assert sleeper in docker.ok("stats", "--no-stream", sleeper)


def test_restart(docker, sleeper):
    before = inspect(docker, sleeper, ".State.Pid")
    docker.ok("restart", "-t", "0", sleeper)
    assert inspect(docker, sleeper, ".State.Pid") not in (before, "0")


def test_restart_policy(docker):
    name = docker.start("--restart", "on-failure:1", IMAGE, "sh", "-c", "echo run; exit 3")
    wait_for(lambda: docker.ok("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", name) == "1 exited", 20, "a restart")
    assert docker.ok("logs", name).split() == ["run"] * 2
    docker.ok("rm", name)


def test_health(docker):
    name = docker.start("--health-cmd", "test -e /tmp/well", "--health-interval", "1s", IMAGE,
                        "sh", "-c", "touch /tmp/well; sleep 1000")
    wait_for(lambda: inspect(docker, name, ".State.Health.Status") == "healthy", 20, "a healthy container")
    docker.ok("rm", "-f", name)


def test_update(docker, sleeper):
    if docker.view == "v2":
        pytest.skip("this machine's cgroup v2 may have no memory controller")
    docker.ok("update", "--memory", "64m", "--memory-swap", "128m", sleeper)
    assert docker.ok("exec", sleeper, "cat", LIMITS[docker.view]["memory"]) == str(64 << 20)


def test_the_bridge_and_a_published_port(docker, needs_nat):
    needs_nat(docker)
    name = docker.name()
    docker.ok("run", "-d", "--name", name, "-p", "8123:80", IMAGE,
              "sh", "-c", "mkdir /w && echo page >/w/index.html && exec httpd -f -p 80 -h /w")
    fetch = ["busybox", "wget", "-qO-", "http://127.0.0.1:8123/"]
    wait_for(lambda: docker.world.ok(*fetch) == "page", what="the server behind the port")
    docker.ok("rm", "-f", name)


def test_a_build_runs_its_steps(docker):
    tag = docker.name()
    docker.ok("build", "-q", "--network", "none", "-t", tag, "-", input=f"FROM {IMAGE}\nRUN echo built >/made\nCMD cat /made\n")
    assert docker.output(tag) == "built"


def test_run_with_a_terminal(docker):
    with docker.terminal("run", "--rm", "-it", "--network", "none", IMAGE, "sh") as user:
        user.expect("# ")
        user.send("test -t 0 && echo is-a-$((1))-tty\n")
        user.expect("is-a-1-tty")
        user.resize(44, 111)
        user.send("while test \"$(stty size)\" != '44 111'; do sleep 0.05; done; echo re$((1))sized\n")
        user.expect("re1sized")
        user.send("echo st$((1))rt; read x\n")
        user.expect("st1rt")
        user.send("\x03")
        user.expect("# ")
        user.send("exit 12\n")
        assert user.wait() == 12


def test_exec_with_a_terminal(docker, sleeper):
    with docker.terminal("exec", "-it", sleeper, "sh", "-c", "tty; exit 13") as user:
        user.expect("/dev/pts/")
        assert user.wait() == 13
