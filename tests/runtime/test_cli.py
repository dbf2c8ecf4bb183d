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
    assert re.fullmatch(r"svc-runtime version \d+\.\d+\.\d+\S*", lines[0])
    assert any(line.startswith("spec: 1.") for line in lines)
    assert any("+SECCOMP" in line and "+CAP" in line for line in lines)


def test_features_tell_the_truth(call):
    features = json.loads(call("features").stdout)
    assert features["ociVersionMin"] == "1.0.0"
    assert "rbind" in features["mountOptions"] and "idmap" in features["mountOptions"]
    assert "remount" not in features["mountOptions"]
    assert "time" in features["linux"]["namespaces"] and "CAP_BPF" in features["linux"]["capabilities"]
    assert features["linux"]["cgroup"] == {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": False}
    assert features["linux"]["seccomp"]["enabled"] is True


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
    (lambda c: c["process"]["capabilities"].update(bounding=["CAP_NONSENSE"]), "CAP_NONSENSE"),
    (lambda c: c["process"].update(oomScoreAdj=5000), "oomScoreAdj"),
    (lambda c: c["linux"]["namespaces"].append({"type": "nonsense"}), "nonsense"),
    (lambda c: c["linux"]["namespaces"].append({"type": "pid"}), "namespaces"),
    (lambda c: c["linux"].update(namespaces=[]), "namespaces"),
    (lambda c: c["linux"]["namespaces"].append({"type": "user"}), "uidMappings"),
    (lambda c: c["linux"]["namespaces"].append({"type": "user", "path": "/proc/self/ns/user"}), "joining a user namespace"),
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
def test_mistakes_in_the_configuration_name_the_field(container, number, scratch):
    spoil, word = CONFIG_MISTAKES[number]
    spoil(container.config)
    line = container.error()
    assert word in line, line
    assert os.listdir(os.path.join(scratch, "state")) == []
    assert container.cgroup_dirs() == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"ociVersion": "1.0.0", "ociVersion": "1.0.0"}', "\0", "{" * 5000])
def test_what_is_no_configuration(container, text):
    container.write = lambda: open(os.path.join(container.bundle, "config.json"), "w").write(text) and None
    assert "config.json" in container.error()
