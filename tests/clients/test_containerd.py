"""containerd with its own shim: what ctr asks of the runtime, by the shim's command lines and log.json."""
import re

import pytest

from engines import IMAGE, LIMITS, RUNTIME
from waiting import wait_for


def tasks(ctr):
    return {line.split()[0]: line.split()[2] for line in ctr.ok("task", "ls").splitlines()[1:]}


def end(ctr, name):
    ctr("task", "kill", "-s", "KILL", name)
    wait_for(lambda: tasks(ctr).get(name, "STOPPED") == "STOPPED", what="the end of the task")
    ctr("task", "delete", name)
    ctr.ok("container", "delete", name)


@pytest.fixture
def sleeper(ctr):
    name = ctr.start("sleep", "1000")
    yield name
    end(ctr, name)


CASES = {
    # id: (options, script, what it prints)
    "plain": ((), "echo hi", "hi"),
    "seccomp": (("--seccomp",), "grep Seccomp: /proc/self/status", "Seccomp:\t2"),
    "no seccomp": ((), "grep Seccomp: /proc/self/status", "Seccomp:\t0"),
    "no new privileges": ((), "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"),
    "new privileges": (("--allow-new-privs",), "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t0"),
    "read-only root": (("--read-only",), "touch /x 2>/dev/null || echo refused", "refused"),
    "directory and environment": (("--cwd", "/tmp", "--env", "A=b"), "pwd; echo $A", "/tmp\nb"),
    "bind": (("--mount", "type=bind,src=/etc,dst=/there,options=rbind:ro"),
             "touch /there/x 2>/dev/null || echo refused", "refused"),
    "capabilities": (("--cap-drop", "CAP_CHOWN"), "echo $((0x$(awk '/CapEff/ {print $2}' /proc/self/status) & 1))", "0"),
    "shared root": (("--rootfs-propagation", "shared"), "grep -c ' / / .*shared:' /proc/self/mountinfo", "1"),
    "device": (("--device", "/dev/kmsg"), "stat -c %t:%T /dev/kmsg", "1:b"),
    "device of a privileged one": (("--privileged",), "mount -t tmpfs none /tmp && echo mounted", "mounted"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_option(ctr, case):
    options, script, expected = CASES[case]
    assert ctr.output("sh", "-c", script, options=options) == expected


def test_a_user_namespace(ctr):
    options = ("--uidmap", "0:200000:1000", "--gidmap", "0:200000:1000")
    out = ctr.output("sh", "-c", "id -u; awk '{print $2}' /proc/self/uid_map", options=options)
    assert out.split() == ["0", "200000"]


def test_namespaces_by_path(ctr, sleeper):
    pid = ctr.ok("task", "ls").split(sleeper)[1].split()[0]
    for kind in ("network", "ipc", "uts"):
        link = "net" if kind == "network" else kind
        there = ctr.world.ok("readlink", f"/proc/{pid}/ns/{link}")
        out = ctr.output("readlink", f"/proc/self/ns/{link}", options=("--with-ns", f"{kind}:/proc/{pid}/ns/{link}"))
        assert out == there, kind


def test_limits(ctr):
    paths = LIMITS[ctr.view]
    if ctr.view == "v2":
        pytest.skip("this machine's cgroup v2 may have no memory controller")
    # ctr mounts no cgroups: this is what the runtime wrote.
    name = ctr.start("sleep", "1000", options=("--memory-limit", str(32 << 20), "--cpus", "0.5"))
    for what, expected in (("memory", str(32 << 20)), ("cpu", "50000")):
        top, file = paths[what].rsplit("/", 1)
        assert ctr.world.ok("cat", f"{top}/default/{name}/{file}") == expected
    metrics = ctr.ok("task", "metrics", name)
    assert re.search(rf"memory.limit_in_bytes +{32 << 20}\b", metrics) and re.search(r"pids.current +1\b", metrics), metrics
    end(ctr, name)


@pytest.mark.parametrize("words, code, said", [
    (("sh", "-c", "exit 9"), 9, ""),
    (("no-such-program",), 1, 'exec: "no-such-program": executable file not found in $PATH'),
    (("/etc/text",), 1, 'exec: "/etc/text": permission denied'),
], ids=["exit", "missing", "not executable"])
def test_exit_codes_and_reasons(ctr, sleeper, words, code, said):
    """The reason comes from the last error of log.json, in which the shim looks."""
    done = ctr.run(*words)
    assert done.code == code and said in done.err, done
    done = ctr("task", "exec", "--exec-id", ctr.name(), sleeper, *words)
    assert done.code == code and said in done.err, done


def test_a_refused_configuration_says_why(ctr):
    done = ctr.run("true", options=("--cwd", "/etc/text"))
    assert done.code == 1 and "OCI runtime create failed" in done.err and "/etc/text" in done.err, done


def test_the_life_of_a_task(ctr):
    name = ctr.start("sleep", "1000")
    assert tasks(ctr)[name] == "RUNNING"
    pid = ctr.ok("task", "ls").split(name)[1].split()[0]
    assert pid in ctr.ok("task", "ps", name)
    ctr.ok("task", "pause", name)
    assert tasks(ctr)[name] == "PAUSED"
    ctr.ok("task", "resume", name)
    assert tasks(ctr)[name] == "RUNNING"
    ctr.ok("task", "kill", "-s", "KILL", name)
    wait_for(lambda: tasks(ctr)[name] == "STOPPED", what="the end of the task")
    done = ctr("task", "delete", name)
    assert "137" in done.err or done.code == 137, done
    ctr.ok("container", "delete", name)


def test_kill_of_all(ctr):
    name = ctr.start("sh", "-c", "trap '' TERM; sleep 1000 & wait")
    ctr.ok("task", "kill", "-a", "-s", "KILL", name)
    wait_for(lambda: tasks(ctr).get(name, "STOPPED") == "STOPPED", what="the end of the task")
    end(ctr, name)


def test_exec(ctr, sleeper):
    def run(*words):
        return ctr.ok("task", "exec", "--exec-id", ctr.name(), *words)

    assert run(sleeper, "echo", "hi") == "hi"
    assert run("--cwd", "/tmp", "--user", "1000", sleeper, "sh", "-c", "pwd; id -u") == "/tmp\n1000"


def test_run_with_a_terminal(ctr):
    with ctr.terminal("run", "--rm", "-t", "--runc-binary", RUNTIME, IMAGE, ctr.name(), "sh") as user:
        user.expect("# ")
        user.send("test -t 0 && echo is-a-$((1))-tty\n")
        user.expect("is-a-1-tty")
        user.resize(44, 111)
        # ctr tells the new size by a call of its own.
        user.send("while test \"$(stty size)\" != '44 111'; do sleep 0.05; done; echo re$((1))sized\n")
        user.expect("re1sized")
        user.send("echo st$((1))rt; read x\n")
        user.expect("st1rt")
        user.send("\x03")
        user.expect("# ")
        user.send("exit 12\n")
        assert user.wait() == 12


def test_exec_with_a_terminal(ctr, sleeper):
    with ctr.terminal("task", "exec", "-t", "--exec-id", ctr.name(), sleeper, "sh") as user:
        user.expect("# ")
        user.send("tty; exit 13\n")
        user.expect("/dev/pts/")
        assert user.wait() == 13


def test_checkpoint_is_refused_in_words(ctr, sleeper):
    done = ctr("task", "checkpoint", sleeper)
    assert done.code != 0 and "checkpoint" in done.err, done
    assert tasks(ctr)[sleeper] == "RUNNING"


def test_the_drop_in_for_cri(ctr):
    """examples/containerd/config.toml is what this containerd runs with."""
    plugins = ctr.ok("plugins", "ls")
    assert re.search(r"io\.containerd\.grpc\.v1 +cri +\S+ +ok", plugins), plugins
    dump = ctr.world.ok("containerd", "config", "dump")
    assert 'default_runtime_name = "svc-runtime"' in dump and f'BinaryName = "{RUNTIME}"' in dump
