"""Attacks by what is told to the runtime: ids, cgroup paths, users, a hostile config.json, a hostile state directory."""
import json
import os
import signal
import socket
import stat
import subprocess
import threading

import pytest

BAD_IDS = ["..", ".", "../x", "a/b", "a\\b", ".hidden", "", "a b", "x" * 128, "a\nb", "a;b", "ä", "a\x1b", "~", "a:b", "$x", "-x"]
VERBS = ["state", "start", "delete", "kill", "exec", "ps", "pause", "resume"]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_id_is_no_path(container, scratch, bad):
    before = sorted(os.listdir(scratch))
    container.id = bad
    assert container.run().returncode == 1
    for verb in VERBS:
        done = container.call(verb, "--", bad, *(["true"] if verb == "exec" else []))
        assert done.returncode != 0 and len(done.stderr.splitlines()) == 1, (verb, done)
    assert sorted(set(os.listdir(scratch)) - {"state"}) == sorted(set(before) - {"state"})


@pytest.mark.parametrize("path", ["..", "/..", "a/../..", "/a/../../b", "../../../sys", "a/..", "/", "//", "/./", "x" * 300,
                                  "/a\0b", "/" + "/a" * 3000])
def test_a_cgroup_path_stays_below(container, path):
    container.config["linux"]["cgroupsPath"] = path
    assert "cgroupsPath" in container.error() or "\\u0000" in container.error()


@pytest.mark.parametrize("who", ["junk", "-1", "+1", "0x0", "0 ", " 0", "1000:", ":5", ":", "4294967295", "4294967296", "99999999999999999999",
                                 "0:4294967295", "1e3", "0:0:0", "0;0", "00x", "1000:junk", "", "root:", "0:-1", "0x0:0", "1.0", "x" * 300])
def test_a_user_that_is_none_is_not_root(sleeper, who):
    """crun's CVE-2026-30892."""
    done = sleeper.exec("id", "-u", options=("--user", who))
    assert done.returncode != 0 and done.stdout == "", done
    assert "--user" in done.stderr


@pytest.mark.parametrize("who, ids", [("0", "0:0"), ("1000", "1000:0"), ("1000:5", "1000:5"), ("nobody", "65534:65534"), ("nobody:0", "65534:0"),
                                      ("0:nogroup", "0:65534")])
def test_a_user_that_is_one(sleeper, who, ids):
    assert sleeper.exec("sh", "-c", "echo $(id -u):$(id -g)", options=("--user", who)).stdout.strip() == ids


# ---- config.json ----

NUMBERS = [-1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -2**63, -2**63 - 1, 10**30, 0.5, 1e300, "1", True, [], {}]
FIELDS = [
    ("process", "user", "uid"), ("process", "user", "gid"), ("process", "user", "umask"), ("process", "oomScoreAdj"),
    ("process", "consoleSize", "height"), ("linux", "resources", "memory", "limit"), ("linux", "resources", "memory", "swap"),
    ("linux", "resources", "memory", "swappiness"), ("linux", "resources", "cpu", "shares"), ("linux", "resources", "cpu", "quota"),
    ("linux", "resources", "cpu", "period"), ("linux", "resources", "pids", "limit"), ("linux", "resources", "blockIO", "weight"),
    ("linux", "resources", "network", "classID"), ("linux", "seccomp", "defaultErrnoRet"),
]
LISTS = [
    (("process", "rlimits"), {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}, ("soft", "hard")),
    (("linux", "devices"), {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3}, ("major", "minor", "fileMode", "uid", "gid")),
    (("linux", "uidMappings"), {"containerID": 0, "hostID": 1, "size": 1}, ("containerID", "hostID", "size")),
    (("linux", "resources", "devices"), {"allow": True, "type": "c", "major": 1, "minor": 3}, ("major", "minor")),
    (("linux", "resources", "hugepageLimits"), {"pageSize": "2MB", "limit": 0}, ("limit",)),
    (("hooks", "prestart"), {"path": "/bin/true"}, ("timeout",)),
]


def put(config, path, value):
    for name in path[:-1]:
        config = config.setdefault(name, {})
    config[path[-1]] = value


def survives(container):
    """It runs or says why in one line; it never dies of a signal, and leaves nothing."""
    done = container.run()
    assert done.returncode in (0, 1), done
    assert "internal" not in done.stderr and "Sanitizer" not in done.stderr
    assert done.returncode == 0 or len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert container.cgroup_dirs() == [] and container.states() == []
    return done


@pytest.mark.parametrize("field", FIELDS, ids=".".join)
def test_numbers_that_do_not_fit(container, field):
    for number in NUMBERS:
        put(container.config, field, number)
        if field[1] == "seccomp":
            container.config["linux"]["seccomp"]["defaultAction"] = "SCMP_ACT_ALLOW"
        survives(container)


@pytest.mark.parametrize("path, item, keys", LISTS, ids=lambda value: ".".join(value) if isinstance(value, tuple) else "")
def test_numbers_of_lists_that_do_not_fit(container, path, item, keys):
    for key in keys:
        for number in NUMBERS:
            put(container.config, path, [dict(item, **{key: number})])
            survives(container)


def test_nobody_stays_root_by_an_overflow(container):
    """(uid_t)-1 and what wraps around to 0 or -1."""
    for uid in NUMBERS:
        container.config["process"]["user"] = {"uid": uid, "gid": 5}
        container.config["process"]["args"] = ["id", "-u"]
        done = survives(container)
        assert done.stdout.strip() in ("", str(uid)), (uid, done.stdout)
    container.config["process"]["user"] = {"uid": 5, "gid": 5, "additionalGids": [4294967295]}
    assert survives(container).returncode == 1


TEXTS = {
    "deep arrays": "[" * 100000, "deep objects": '{"a":' * 100000, "twice": '{"ociVersion": "1.0.0", "ociVersion": "1.0.0"}',
    "NUL in a string": '{"ociVersion": "1.0.0\\u0000"}', "NUL": "{\0}", "half a surrogate": '{"ociVersion": "\\ud800"}',
    "not UTF-8": '{"ociVersion": "\xff\xfe"}', "a comment": "// x\n{}", "two documents": "{}{}", "a long key": '{"' + "k" * 3000000 + '": 1}',
    "many keys": "{" + ",".join(f'"k{i}": {i}' for i in range(200000)) + "}", "too many bytes": " " * (70 << 20), "a BOM": "\ufeff{}",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text(container, name):
    def write():
        with open(os.path.join(container.bundle, "config.json"), "wb") as file:
            file.write(TEXTS[name].encode("utf-8" if name == "a BOM" else "latin-1"))

    container.write = write
    assert survives(container).returncode == 1


@pytest.mark.parametrize("what, count", [("mounts", 3000), ("devices", 5000), ("maskedPaths", 5000), ("env", 10000), ("args", 100000),
                                         ("gids", 100000), ("rlimits", 1000), ("sysctl", 5000), ("annotations", 50000), ("namespaces", 1000),
                                         ("mappings", 1000)])
def test_far_too_many(container, what, count):
    config = container.config
    {
        "mounts": lambda: config["mounts"].extend({"destination": f"/m{i}", "type": "nonsense"} for i in range(count)),
        "devices": lambda: put(config, ("linux", "devices"), [{"path": f"/dev/x{i}", "type": "c", "major": 1, "minor": 3} for i in range(count)]),
        "maskedPaths": lambda: put(config, ("linux", "maskedPaths"), [f"/x{i}" for i in range(count)]),
        "env": lambda: put(config, ("process", "env"), [f"A{i}=b" for i in range(count)]),
        "args": lambda: put(config, ("process", "args"), ["true"] * count),
        "gids": lambda: put(config, ("process", "user", "additionalGids"), list(range(count))),
        "rlimits": lambda: put(config, ("process", "rlimits"), [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * count),
        "sysctl": lambda: put(config, ("linux", "sysctl"), {f"net.x{i}": "1" for i in range(count)}),
        "annotations": lambda: put(config, ("annotations",), {f"k{i}": "v" * 10 for i in range(count)}),
        "namespaces": lambda: put(config, ("linux", "namespaces"), [{"type": "pid"}] * count),
        "mappings": lambda: (config["linux"]["namespaces"].append({"type": "user"}),
                             put(config, ("linux", "uidMappings"), [{"containerID": i, "hostID": i, "size": 1} for i in range(count)]),
                             put(config, ("linux", "gidMappings"), [{"containerID": 0, "hostID": 0, "size": 1}])),
    }[what]()
    survives(container)


@pytest.mark.parametrize("field", ["hostname", "domainname"])
def test_no_name_of_the_machine_is_changed(container, field):
    before = os.uname().nodename
    container.config["hostname"] = ""
    container.config[field] = "pwned"
    container.config["linux"]["namespaces"] = [n for n in container.config["linux"]["namespaces"] if n["type"] != "uts"]
    assert "needs a uts namespace" in container.error()
    assert os.uname().nodename == before


# ---- the state directory ----

STATES = ["", "{", "[]", "null", '{"id": 5}', '{"id": "x", "pid": -1}', '{"id": "x", "pid": 1}', '{"id": "x", "pid": 99999999999}', '{"id": "\\u0000"}',
          '{"id": "x", "pid": 1, "startTicks": 1, "cgroup": "/"}', '{"id": "x", "cgroup": "1:memory:/etc /x"}',
          '{"id": "x", "cgroup": "2::/ /../../etc"}', '{"id": "x", "cgroup": "2::/sys/fs/cgroup /../x"}', "{" * 100000, "x" * (2 << 20)]


@pytest.mark.parametrize("number", range(len(STATES)))
def test_a_hostile_state(container, number):
    folder = os.path.join(container.state_root, container.id)
    os.makedirs(folder, mode=0o700)
    with open(os.path.join(folder, "state.json"), "w") as file:
        file.write(STATES[number])
    for verb in VERBS:
        if verb != "delete":
            done = container.call(verb, container.id, *(["true"] if verb == "exec" else ["KILL"] if verb == "kill" else []))
            assert verb in ("state", "ps") or done.returncode != 0, (verb, done)
            assert done.returncode >= 0 and "internal" not in done.stderr
    assert container.call("list").returncode == 0
    assert os.path.isdir("/proc/1") and os.path.isdir("/etc")
    assert container.delete("--force").returncode in (0, 1)


@pytest.mark.parametrize("entry", ["link", "file", "fifo", "link to a container"])
def test_an_entry_that_is_no_directory(sleeper, entry, tmp_path):
    (tmp_path / "kept").write_text("kept")
    path = os.path.join(sleeper.state_root, "fake")
    {"link": lambda: os.symlink(tmp_path, path), "file": lambda: open(path, "w").close(), "fifo": lambda: os.mkfifo(path),
     "link to a container": lambda: os.symlink(sleeper.id, path)}[entry]()
    for verb in VERBS:
        assert sleeper.call(verb, *(["--force"] if verb == "delete" else []), "fake", *(["true"] if verb == "exec" else [])).returncode != 0
    assert (tmp_path / "kept").read_text() == "kept" and sleeper.status() == "running"
    os.remove(path)


@pytest.mark.parametrize("owner, mode", [(0, 0o777), (0, 0o1777), (0, 0o770), (4711, 0o700)])
def test_a_state_root_that_others_can_change(container, owner, mode):
    os.makedirs(container.state_root)
    os.chown(container.state_root, owner, owner)
    os.chmod(container.state_root, mode)
    assert "can be changed by other users" in container.error()
    os.mkdir(os.path.join(container.state_root, container.id))
    for words in (("state", container.id), ("kill", container.id, "KILL"), ("delete", "--force", container.id)):
        done = container.call(*words)
        assert done.returncode == 1 and "can be changed by other users" in done.stderr, words
    os.rmdir(os.path.join(container.state_root, container.id))
    os.chown(container.state_root, 0, 0)
    os.chmod(container.state_root, 0o711)
    assert container.run().returncode == 0


def test_a_state_root_behind_a_link(container, scratch):
    """The administrator's business, as long as it leads to a directory of his."""
    os.mkdir(os.path.join(scratch, "real"), 0o700)
    os.symlink("real", container.state_root)
    assert container.run().returncode == 0


# ---- signals, pids, sockets ----

def somebody_else(ticks):
    """A process that did not start in the clock tick TICKS (a hundredth of a second)."""
    while True:
        process = subprocess.Popen(["sleep", "100"])
        with open(f"/proc/{process.pid}/stat") as file:
            if int(file.read().rpartition(")")[2].split()[19]) != ticks:
                return process
        process.kill()
        process.wait()


def test_a_pid_of_somebody_else_is_not_signalled(container):
    """A state whose process is gone, and whose pid belongs to somebody else by now."""
    container.shell("sleep 100").created().start()
    path = os.path.join(container.state_root, container.id, "state.json")
    with open(path) as file:
        note, claim, text, config = file.read().split("\n", 3)
    state = json.loads(text)
    with somebody_else(state["startTicks"]) as bystander:
        real = state["pid"]
        state["pid"] = bystander.pid
        with open(path, "w") as file:
            file.write("\n".join((note, claim, json.dumps(state), config)))
        assert container.kill("KILL").returncode == 1 and container.exec("true").returncode != 0
        assert bystander.poll() is None
        assert container.status() == "stopped"
        assert container.delete("--force").returncode == 0
        assert bystander.poll() is None
        bystander.kill()
    assert not os.path.exists(f"/proc/{real}/root")


def test_a_stopped_process_is_killed(sleeper):
    assert sleeper.kill("STOP").returncode == 0
    assert sleeper.delete("--force").returncode == 0 and sleeper.cgroup_dirs() == []


@pytest.mark.parametrize("kind", ["file", "closing", "datagram", "missing", "directory", "link to nothing"])
def test_a_console_socket_that_plays_games(either, kind):
    path = os.path.join(either.bundle, "console.sock")
    either.config["process"]["terminal"] = True
    server = None
    if kind == "file":
        open(path, "w").close()
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "link to nothing":
        os.symlink("nothing", path)
    elif kind != "missing":
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
        server.bind(path)
        if kind == "closing":
            server.listen(1)
            threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
    done = either.create("--console-socket", path)
    assert done.returncode in ((0, 1) if kind == "closing" else (1,)), done.stderr
    either.delete("--force")
    assert either.cgroup_dirs() == [] and either.states() == []
    if server:
        server.close()


@pytest.mark.parametrize("target", ["tmpfs", "nothing"])
def test_exec_into_a_container_that_covered_its_proc(container, wait_for, target):
    """Its init mounts over /proc, and makes links of what the runtime could look at."""
    container.config["process"]["capabilities"] = {kind: ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_SYS_CHROOT"]
                                                   for kind in ("bounding", "effective", "permitted")}
    cover = "mount -t tmpfs none /proc; mkdir -p /proc/self/fd /proc/self/ns; ln -s /etc/passwd /proc/self/exe" if target == "tmpfs" \
        else "umount -l /proc"
    container.shell(f"{cover}; echo covered; sleep 100").created().start()
    wait_for(lambda: "covered" in container.log(), what="the cover")
    assert container.exec("echo", "inside", options=("--user", "nobody")).stdout == "inside\n"
    assert container.exec("no-such").returncode == 127
    assert container.delete("--force").returncode == 0


def test_hooks_get_no_environment_but_theirs(container, scratch):
    script = os.path.join(scratch, "hook")
    with open(script, "w") as file:
        file.write(f"#!/bin/sh\nenv > {scratch}/env\nls /proc/self/fd > {scratch}/fds\n")
    os.chmod(script, 0o755)
    container.config["hooks"] = {"createRuntime": [{"path": script, "env": ["ONLY=this"]}]}
    container.output()
    with open(os.path.join(scratch, "env")) as file:
        assert {line.split("=")[0] for line in file} <= {"ONLY", "PWD", "SHLVL", "_", "OLDPWD"}
    with open(os.path.join(scratch, "fds")) as file:
        assert len(file.read().split()) <= 4


def test_pid_file_and_log_do_not_follow_what_they_find(container, tmp_path):
    """The pid file replaces a link, and does not write to what it leads to."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    os.symlink(victim, os.path.join(container.bundle, "pid"))
    assert container.shell("true").run("--pid-file", os.path.join(container.bundle, "pid")).returncode == 0
    assert victim.read_text() == "kept"
    assert stat.S_ISREG(os.lstat(os.path.join(container.bundle, "pid")).st_mode)


def test_signals_by_number_are_checked(sleeper):
    for bad in ("65", "-9", "9x", "SIG", "999999999999"):
        assert sleeper.kill("--", bad).returncode == 1
    assert sleeper.status() == "running" and sleeper.kill(str(int(signal.SIGKILL))).returncode == 0
