"""The command line: what clients pass and parse, and what people see when they are wrong."""
import json
import os
import re
import subprocess

import pytest


@pytest.fixture
def call(svc_runtime, scratch):
    def run(*args, **rest):
        return subprocess.run([svc_runtime, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                              cwd=scratch, timeout=30, **rest)

    return run


def test_version(call):
    lines = call("--version").stdout.splitlines()
    assert re.fullmatch(r"runc version \d+\.\d+\.\d+\+svc-runtime", lines[0])  # what go-runc parses
    assert all(re.fullmatch(r"commit: [0-9a-f]+", line) for line in lines if line.startswith("commit:"))
    assert any(line.startswith("spec: 1.") for line in lines)
    assert any("+SECCOMP" in line and "+CAP" in line for line in lines)


def test_features_tell_the_truth(call):
    features = json.loads(call("features").stdout)
    assert features["ociVersionMin"] == "1.0.0"
    assert "rbind" in features["mountOptions"] and "idmap" in features["mountOptions"]
    assert "remount" in features["mountOptions"] and features["mountOptions"] == sorted(features["mountOptions"])
    assert "time" in features["linux"]["namespaces"] and "CAP_BPF" in features["linux"]["capabilities"]
    assert features["linux"]["cgroup"] == {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True}
    assert features["linux"]["seccomp"]["enabled"] is True
    assert features["linux"]["netDevices"] == {"enabled": True}
    assert features["linux"]["intelRdt"] == {"enabled": False}
    assert features["annotations"]["run.svc.checkpoint.enabled"] == "false"


def test_every_namespace_and_capability_of_the_features_is_accepted(call, container):
    features = json.loads(call("features").stdout)["linux"]
    spaces = container.with_user_namespace().config["linux"]["namespaces"]
    spaces += [{"type": name} for name in features["namespaces"] if name not in [e["type"] for e in spaces]]
    container.capabilities(*features["capabilities"])
    done = container.shell("true").run()
    assert done.returncode == 0 and "unknown" not in done.stderr, done.stderr


def test_every_mount_option_of_the_features_is_accepted(call, container, scratch):
    """One mount each; what the kernel refuses for this file system is told by the kernel, not as unknown."""
    source = os.path.join(scratch, "source")
    os.mkdir(source)
    for option in json.loads(call("features").stdout)["mountOptions"]:
        before = list(container.config["mounts"])
        container.mount("/mnt", type="bind", source=source, options=["bind", option])
        done = container.shell("true").run()
        assert done.returncode == 0 or "unknown" not in done.stderr, (option, done.stderr)
        container.config["mounts"] = before


def test_every_memory_policy_of_the_features_is_accepted(call, container):
    policy = json.loads(call("features").stdout)["linux"]["memoryPolicy"]
    assert "MPOL_WEIGHTED_INTERLEAVE" in policy["modes"] and len(policy["flags"]) == 3
    for mode in policy["modes"]:
        container.config["linux"]["memoryPolicy"] = {"mode": mode}
        if mode not in ("MPOL_DEFAULT", "MPOL_LOCAL"):
            container.config["linux"]["memoryPolicy"]["nodes"] = "0"
        done = container.shell("true").run()
        assert done.returncode == 0 or "unknown" not in done.stderr, (mode, done.stderr)


@pytest.mark.parametrize("verb", ["create", "delete", "exec", "features", "kill", "list", "pause", "ps", "resume", "run",
                                  "spec", "start", "state", "checkpoint", "restore"])
def test_every_verb_has_help(call, verb):
    done = call(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Usage: svc-runtime") and verb in done.stdout


def test_the_version_tells_the_commit_that_it_was_built_from(call):
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if not os.path.exists(os.path.join(top, ".git")):
        assert "commit:" not in call("--version").stdout
        return
    assert re.search(r"^commit: [0-9a-f]{12}$", call("--version").stdout, re.MULTILINE)


@pytest.mark.parametrize("verb", ["checkpoint", "restore"])
def test_checkpoints_are_refused_in_one_line(call, verb):
    done = call(verb, "--image-path", "/x", "--work-path=/y", "--leave-running", "id")
    assert done.returncode == 1 and "not supported" in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_state_is_where_the_session_keeps_such(call, scratch, container):
    """Without --root; root of the machine has /run/svc-runtime whatever the environment says."""
    done = call("list", "-q", env={"XDG_RUNTIME_DIR": scratch, "PATH": "/bin"})
    assert done.returncode == 0 and not os.path.exists(os.path.join(scratch, "svc-runtime"))


def test_a_log_that_cannot_be_opened_fails_before_anything_is_done(container, scratch):
    path = os.path.join(scratch, "nowhere/log")
    container.write()
    done = container.call("create", "--bundle", container.bundle, container.id, before=["--log", path])
    assert done.returncode == 1 and done.stderr == f"svc-runtime: --log: open {path}: not found\n"
    assert container.call("state", container.id).returncode == 1


def test_the_log_may_be_named_as_a_file(call, scratch):
    path = os.path.join(scratch, "log")
    assert call("--log", f"file:{path}", "--log-format", "json", "state", "nobody").returncode == 1
    with open(path) as file:
        assert json.loads(file.read())["level"] == "error"


def test_delete_and_kill_by_regular_expression(new_container, wait_for):
    made = [new_container(f"re-{name}") for name in ("a1", "a2", "b1")]
    for one in made:
        one.shell("exec sleep 1000").created().start()
    assert made[0].call("kill", "--regex", "^re-a[0-9]$", "KILL").returncode == 0
    wait_for(lambda: [one.status() for one in made] == ["stopped", "stopped", "running"], what="two of three to stop")
    assert made[0].call("delete", "--regex", "^re-a").returncode == 0
    assert made[0].call("list", "-q").stdout.split() == ["re-b1"]
    done = made[0].call("delete", "--regex", "re-(")
    assert done.returncode == 1 and "--regex" in done.stderr


@pytest.mark.parametrize("name, number", [("SIGRTMIN+3", 37), ("RTMIN", 34), ("rtmax-1", 63), ("SIGKILL", 9), ("9", 9)])
def test_signals_by_name_and_number(container, wait_for, name, number):
    container.shell("exec sleep 1000").created().start()
    argv = [container.program, "--root", container.state_root, "kill", container.id, name]
    traced = subprocess.run(["strace", "-f", "-e", "trace=pidfd_send_signal", *argv], stderr=subprocess.PIPE, text=True, check=False)
    if "ptrace" in traced.stderr:
        pytest.skip("strace cannot trace here")
    names = {37: "SIGRT_5", 34: "SIGRT_2", 63: "SIGRT_31", 9: "SIGKILL"}
    assert traced.returncode == 0 and names[number] in traced.stderr, traced.stderr


@pytest.mark.parametrize("name", ["SIGRTMIN+31", "RTMAX+1", "RTMIN+", "RTMINX", "SIGNONSENSE", "65", "-9"])
def test_signals_that_are_none(container, name):
    container.shell("exec sleep 1000").created().start()
    done = container.call("kill", container.id, "--", name)
    assert done.returncode == 1 and "signal" in done.stderr


def test_without_a_cgroup(container):
    done = container.shell("echo ran").run(before=["--cgroup-manager", "disabled"])
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    assert container.cgroup_dirs() == []


def test_limits_without_a_cgroup_are_refused(container):
    container.config["linux"]["resources"] = {"pids": {"limit": 10}}
    done = container.run(before=["--cgroup-manager", "disabled"])
    assert done.returncode == 1 and "--cgroup-manager" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("args, words", [
    (("stat",), ['"stat"', "did you mean"]),
    (("run", "--bundel", "x", "id"), ["--bundel", "--bundle"]),
    (("run", "-Z", "id"), ["-Z"]),
    (("run",), ["ID"]),
    (("state", "a", "b"), ["ID"]),
    (("run", "--preserve-fds", "many", "id"), ["--preserve-fds", "many"]),
    (("run", "--bundle"), ["--bundle", "value"]),
    (("--systemd-cgroup", "create", "x"), ["systemd", "cgroupfs"]),
    (("--log-format", "xml", "list"), ["--log-format", "xml"]),
])
def test_mistakes_are_told_in_one_line(call, args, words):
    done = call(*args)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 1 and not done.stdout
    assert all(word in lines[0] for word in words), lines


def test_options_of_other_runtimes_are_accepted(call, scratch):
    done = call("--root", scratch, "--debug", "--cgroup-manager", "cgroupfs", "--rootless=auto", "list", "-q")
    assert (done.returncode, done.stdout) == (0, "")


def test_spec_writes_a_config_that_runs(call, scratch, container, needs_root):
    assert call("spec").returncode == 0
    again = call("spec")
    assert again.returncode == 1 and "already exists" in again.stderr
    with open(os.path.join(scratch, "config.json")) as file:
        container.config = json.load(file)
    container.config["process"].update(terminal=False, args=["echo", "from spec"])
    assert container.output() == "from spec\n"


CONFIG_MISTAKES = [
    (lambda c: c.pop("process"), "process"),
    (lambda c: c.pop("root"), "root"),
    (lambda c: c["process"].update(args=[]), "process.args"),
    (lambda c: c["process"].update(args="sh"), "process.args"),
    (lambda c: c["process"].update(cwd="relative"), "process.cwd"),
    (lambda c: c["process"]["user"].update(uid=-1), "process.user.uid"),
    (lambda c: c["process"]["user"].update(uid="root"), "process.user.uid"),
    (lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]), "RLIMIT_NONSENSE"),
    (lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]), "RLIMIT_CORE"),
    (lambda c: c["process"].update(scheduler={"policy": "SCHED_NONSENSE"}), "process.scheduler.policy"),
    (lambda c: c["process"].update(scheduler={}), "process.scheduler.policy"),
    (lambda c: c["process"].update(scheduler={"policy": "SCHED_OTHER", "nice": 20}), "process.scheduler.nice"),
    (lambda c: c["process"].update(ioPriority={"class": "x", "priority": 1}), "process.ioPriority.class"),
    (lambda c: c["process"].update(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 8}), "process.ioPriority.priority"),
    (lambda c: c["process"].update(execCPUAffinity={"initial": "a-b"}), "process.execCPUAffinity.initial"),
    (lambda c: c["linux"].update(memoryPolicy={"mode": "MPOL_NONSENSE"}), "linux.memoryPolicy.mode"),
    (lambda c: c["linux"].update(memoryPolicy={"mode": "MPOL_BIND", "nodes": "x"}), "linux.memoryPolicy.nodes"),
    (lambda c: c["linux"].update(memoryPolicy={"mode": "MPOL_BIND", "nodes": "0", "flags": ["x"]}), "linux.memoryPolicy.flags"),
    (lambda c: c["linux"].update(personality={"domain": "BSD"}), "linux.personality"),
    (lambda c: c["linux"].update(personality={"domain": "LINUX", "flags": ["x"]}), "linux.personality.flags"),
    (lambda c: c["linux"].update(netDevices={"a/b": {}}), "linux.netDevices"),
    (lambda c: c["linux"].update(netDevices={"no-such-dev0": {}}), "no-such-dev0"),
    (lambda c: c["linux"].update(intelRdt={"closID": "x"}), "linux.intelRdt"),
    (lambda c: c.update(domainname="a", linux={**c["linux"], "sysctl": {"kernel.domainname": "b"}}), "domainname"),
    (lambda c: c["process"].update(oomScoreAdj=5000), "oomScoreAdj"),
    (lambda c: c["linux"]["namespaces"].append({"type": "nonsense"}), "nonsense"),
    (lambda c: c["linux"]["namespaces"].append({"type": "pid"}), "namespaces"),
    (lambda c: c["linux"].update(namespaces=[]), "namespaces"),
    (lambda c: c["linux"]["namespaces"].append({"type": "user", "path": "/proc/self/ns/user"}), "join the user namespace"),
    (lambda c: c["linux"].update(seccomp={"defaultAction": "SCMP_ACT_NONSENSE"}), "SCMP_ACT_NONSENSE"),
    (lambda c: c["mounts"].append({"type": "tmpfs"}), "mounts"),
    (lambda c: c["mounts"].append({"destination": "/x", "type": "nonsensefs", "source": "x"}), "nonsensefs"),
    (lambda c: c["linux"].update(resources={"memory": {"limit": "64m"}}), "memory.limit"),
    (lambda c: c["linux"].update(sysctl={"kernel.panic": "0"}), "kernel.panic"),
    (lambda c: c["linux"].update(rootfsPropagation="nonsense"), "rootfsPropagation"),
    (lambda c: c["linux"].update(maskedPaths="/proc/keys"), "maskedPaths"),
    (lambda c: c["root"].update(path="/no/such/root"), "/no/such/root"),
    (lambda c: c["linux"].update(devices=[{"path": "/dev/x", "type": "z", "major": 1, "minor": 1}]), "devices"),
    (lambda c: c.update(hooks={"prestart": [{"path": "relative"}]}), "hooks"),
]


@pytest.mark.parametrize("number", range(len(CONFIG_MISTAKES)))
def test_mistakes_in_the_configuration_name_the_field(container, number):
    spoil, word = CONFIG_MISTAKES[number]
    spoil(container.config)
    line = container.error()
    assert word in line, line
    assert container.states() == []
    assert container.cgroup_dirs() == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"ociVersion": "1.0.0", "ociVersion": "1.0.0"}', "\0", "{" * 5000])
def test_what_is_no_configuration(container, text):
    container.write = lambda: open(os.path.join(container.bundle, "config.json"), "w").write(text) and None
    assert "config.json" in container.error()
