"""The line that a user sees for each mistake he can make: a change of the configuration (or of the command line), and the line.

Clients look at the words: podman takes "executable file not found in", "no such file or directory" for 127, "permission denied",
"operation not permitted" for 126, wherever they stand; containerd and podman look for "container does not exist" and
"container not running". In a line, BUNDLE, ROOT, ID stand for what changes from run to run, LINE:COL for a place in config.json."""
import json
import os
import re

import pytest


def process(**values):
    return lambda c: c["process"].update(values)


def linux(**values):
    return lambda c: c["linux"].update(values)


def mount(**values):
    return lambda c: c["mounts"].append(values)


def namespace(**values):
    return lambda c: c["linux"]["namespaces"].append(values)


def drop_namespace(name):
    return lambda c: c["linux"].update(namespaces=[n for n in c["linux"]["namespaces"] if n["type"] != name])


def hook(kind, **values):
    return lambda c: c.update(hooks={kind: [values]})


def resources(**values):
    return linux(resources=values)


MAP = [{"containerID": 0, "hostID": 1000, "size": 10}]


def user_namespace(uids=MAP, gids=MAP):
    return lambda c: (namespace(type="user")(c), linux(uidMappings=uids, gidMappings=gids)(c))


LINES = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "errors.json")))
CHANGES = {
    "process: missing": lambda c: c.pop("process"),
    "process: no arguments": process(args=[]),
    "process: arguments of the wrong type": process(args="sh"),
    "process: a relative directory": process(cwd="relative"),
    "process: a directory that is a file": process(cwd="/etc/passwd"),
    "process: a program that is missing": process(args=["no-such-program"]),
    "process: a path that is missing": process(args=["/no/such/program"]),
    "process: a program that is a directory": process(args=["/etc"]),
    "process: a program without the right": process(args=["/etc/passwd"]),
    "process: a newline in its name": process(args=["no\nsuch\x1b[31m"]),
    "process: no variable": process(env=["NOVALUE"]),
    "process: uid below 0": process(user={"uid": -1, "gid": 0}),
    "process: uid above all": process(user={"uid": 4294967296, "gid": 0}),
    "process: uid -1 of the kernel": process(user={"uid": 4294967295, "gid": 0}),
    "process: gid -1 of the kernel": process(user={"uid": 0, "gid": 4294967295}),
    "process: uid as text": process(user={"uid": "0", "gid": 0}),
    "process: gid as a fraction": process(user={"uid": 0, "gid": 0.5}),
    "process: groups": process(user={"uid": 0, "gid": 0, "additionalGids": [-5]}),
    "process: umask": process(user={"uid": 0, "gid": 0, "umask": 512}),
    "process: terminal": process(terminal="yes"),
    "process: console size": process(consoleSize={"height": 70000, "width": 1}),
    "process: oomScoreAdj": process(oomScoreAdj=5000),
    "rlimits: unknown": process(rlimits=[{"type": "RLIMIT_NOFLIE", "soft": 1, "hard": 1}]),
    "rlimits: soft above hard": process(rlimits=[{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
    "rlimits: twice": process(rlimits=[{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2),
    "rlimits: overflow": process(rlimits=[{"type": "RLIMIT_CORE", "soft": 18446744073709551616, "hard": 1}]),
    "capabilities: effective above permitted": lambda c: c["process"]["capabilities"].update(permitted=[], effective=["CAP_KILL"]),
    "root: missing": lambda c: c.pop("root"),
    "root: no such directory": lambda c: c["root"].update(path="/no/such/root"),
    "root: a file": lambda c: c["root"].update(path="/etc/hostname"),
    "mounts: no destination": mount(type="tmpfs", source="tmpfs"),
    "mounts: no type": mount(destination="/data", source="x"),
    "mounts: an unknown type": mount(destination="/data", type="nonsensefs", source="x"),
    "mounts: no source": mount(destination="/data", type="bind", options=["rbind"]),
    "mounts: a source that is missing": mount(destination="/data", type="bind", source="/no/such/source", options=["rbind"]),
    "mounts: an option of a file system": mount(destination="/data", type="tmpfs", source="tmpfs", options=["size=many"]),
    "mounts: an unknown option": mount(destination="/data", type="tmpfs", source="tmpfs", options=["nonsense"]),
    "mounts: a directory on a file": mount(destination="/etc/passwd", type="bind", source="/etc", options=["rbind"]),
    "mounts: idmap without mappings": mount(destination="/data", type="bind", source="/etc", options=["rbind", "idmap"]),
    "devices: unknown type": linux(devices=[{"path": "/dev/x", "type": "z", "major": 1, "minor": 1}]),
    "devices: no number": linux(devices=[{"path": "/dev/x", "type": "c"}]),
    "devices: a relative path": linux(devices=[{"path": "dev/x", "type": "c", "major": 1, "minor": 1}]),
    "devices: overflow": linux(devices=[{"path": "/dev/x", "type": "c", "major": 4294967296, "minor": 1}]),
    "namespaces: unknown": namespace(type="nonsense"),
    "namespaces: twice": namespace(type="pid"),
    "namespaces: no mount namespace": drop_namespace("mount"),
    "namespaces: of another kind": lambda c: (drop_namespace("network")(c), namespace(type="network", path="/proc/self/ns/pid")(c)),
    "namespaces: a path that is missing": lambda c: (drop_namespace("network")(c), namespace(type="network", path="/no/such/ns")(c)),
    "namespaces: a hostname without its own": drop_namespace("uts"),
    "namespaces: a hostname for the machine's": lambda c: (drop_namespace("uts")(c), namespace(type="uts", path="/proc/self/ns/uts")(c)),
    "mappings: one kind": user_namespace(MAP, []),
    "mappings: no range": user_namespace([{"containerID": 0, "hostID": 1, "size": 0}]),
    "mappings: overflow": user_namespace([{"containerID": 0, "hostID": 4294967295, "size": 2}]),
    "mappings: overlapping": user_namespace(MAP + MAP),
    "cgroups: dots": linux(cgroupsPath="/../escape"),
    "cgroups: the root": linux(cgroupsPath="/"),
    "cgroups: too long": linux(cgroupsPath="/" + "x" * 300),
    "cgroups: memory as text": resources(memory={"limit": "64m"}),
    "cgroups: memory above all": resources(memory={"limit": 1 << 63}),
    "cgroups: no such device type": resources(devices=[{"allow": True, "type": "z"}]),
    "seccomp: unknown action": linux(seccomp={"defaultAction": "SCMP_ACT_NONSENSE"}),
    "seccomp: no action": linux(seccomp={"syscalls": []}),
    "sysctl: of the machine": linux(sysctl={"kernel.panic": "0"}),
    "sysctl: dots": linux(sysctl={"net/../kernel/panic": "0"}),
    "sysctl: without its namespace": lambda c: (drop_namespace("network")(c), linux(sysctl={"net.ipv4.ip_forward": "1"})(c)),
    "sysctl: for the machine's namespace": lambda c: (drop_namespace("network")(c), namespace(type="network", path="/proc/self/ns/net")(c),
                                                      linux(sysctl={"net.ipv4.ip_forward": "1"})(c)),
    "sysctl: that is missing": linux(sysctl={"net.no.such": "1"}),
    "propagation: unknown": linux(rootfsPropagation="nonsense"),
    "masks: of the wrong type": linux(maskedPaths="/proc/keys"),
    "hooks: a relative path": hook("prestart", path="relative"),
    "hooks: a program that is missing": hook("createRuntime", path="/no/such/hook"),
    "hooks: one that fails": hook("createRuntime", path="/bin/false"),
    "hooks: no time": hook("prestart", path="/bin/true", timeout=0),
    "version: of the future": lambda c: c.update(ociVersion="2.0.0"),
    "version: missing": lambda c: c.pop("ociVersion"),
    "text: NUL": lambda c: c.update(hostname="a\0b"),
}


def plain(container, line):
    for value, name in ((container.bundle, "BUNDLE"), (container.state_root, "ROOT"), (container.id, "ID")):
        line = line.replace(value, name)
    return re.sub(r"config\.json:\d+:\d+:", "config.json:LINE:COL:", line)


@pytest.mark.parametrize("change", CHANGES)
def test_the_line_of_a_wrong_configuration(container, change):
    CHANGES[change](container.config)
    line = plain(container, container.error())
    assert line == "svc-runtime: " + LINES[change]
    assert container.states() == [] and container.cgroup_dirs() == []


def test_what_is_only_warned_of(container):
    """config.md §Linux Process: a capability that the runtime does not know is a warning."""
    container.capabilities("CAP_NET_ADMN")
    done = container.run()
    assert done.returncode == 0 and re.fullmatch(r'\S+Z warn capabilities\.unknown name="CAP_NET_ADMN"\n', done.stderr), done


@pytest.mark.parametrize("change, place", [
    ("process: a relative directory", '"relative"'), ("process: umask", "512"), ("mounts: no destination", "{"),
    ("namespaces: twice", '"pid"'), ("version: of the future", '"2.0.0"'), ("masks: of the wrong type", '"/proc/keys"'),
])
def test_the_place_is_that_of_the_value(container, change, place):
    CHANGES[change](container.config)
    line, column = map(int, re.match(r"svc-runtime: config\.json:(\d+):(\d+): ", container.error()).groups())
    with open(os.path.join(container.bundle, "config.json")) as file:
        assert file.read().splitlines()[line - 1][column - 1:].startswith(place)


def test_words_for_missing_programs_are_said_of_programs_only():
    for change, line in LINES.items():
        is_missing = change in ("process: a program that is missing", "process: a path that is missing", "process: a newline in its name")
        assert bool(re.search("executable file not found in|no such file or directory|open executable", line)) == is_missing, change
        is_denied = change in ("process: a program that is a directory", "process: a program without the right")
        assert not re.search("permission denied|operation not permitted", line) or is_denied, change


@pytest.mark.parametrize("text, line", [
    ("", "config.json:1:1: unexpected end of file"), ("{", ""), ('{"a": 1,}', ""), ("[]", ""), ("null", ""), ('{"a": 1, "a": 2}', ""),
    ('{\n  "ociVersion": "1.0.0",\n  "root": {"path" "x"}\n}', ""), ("\0", ""), ('{"ociVersion": "1.0.0\\u0000"}', ""),
    ("{" * 5000, ""), ('{"a": 1e999}', ""), ('{"a": "\xff"}', ""), ('{"a": 1} x', ""),
])
def test_what_is_no_json_has_a_place(container, text, line):
    container.write = lambda: open(os.path.join(container.bundle, "config.json"), "wb").write(text.encode("latin-1")) and None
    found = container.error()
    assert re.fullmatch(r"svc-runtime: config\.json(:\d+:\d+)?: .+", found), found
    if text.strip().startswith("{") or not text:
        assert re.match(r"svc-runtime: config\.json:\d+:\d+: ", found), found


def test_the_lines_of_the_command_line(new_container, sleeper, scratch):
    other = new_container()
    other.write()
    lines = {
        ("run", "--bundle", "/no/such/bundle", "x"): (1, "bundle /no/such/bundle: not found"),
        ("run", "--bundle", scratch, "x"): (1, f"open {scratch}/config.json: not found"),
        ("create", "--bundle", other.bundle, sleeper.id): (1, f'container "{sleeper.id}" already exists'),
        ("run", "--bundle", other.bundle, "../x"): (1, 'invalid container id "../x": invalid character `/` in the container ID — '
                                                       'letters, digits and _+.-, not beginning with a dot, at most 127'),
        ("state", "unknown"): (1, 'container does not exist: "unknown"'),
        ("start", "unknown"): (1, 'container does not exist: "unknown"'),
        ("kill", "unknown", "KILL"): (1, 'container does not exist: "unknown"'),
        ("delete", "unknown"): (1, 'container does not exist: "unknown"'),
        ("exec", "unknown", "true"): (255, 'container does not exist: "unknown"'),
        ("start", sleeper.id): (1, f'container "{sleeper.id}" is running, not created'),
        ("delete", sleeper.id): (1, f'container "{sleeper.id}" is running, not stopped — kill it, or use delete --force'),
        ("resume", sleeper.id): (1, f'container "{sleeper.id}" is running, not paused'),
        ("kill", sleeper.id, "NONSENSE"): (1, 'unknown signal "NONSENSE"'),
        ("exec", sleeper.id, "no-such"): (127, 'exec: "no-such": executable file not found in $PATH'),
        ("exec", sleeper.id, "/no/such"): (127, 'exec: "/no/such": no such file or directory'),
        ("exec", sleeper.id, "/etc/passwd"): (126, 'exec: "/etc/passwd": permission denied'),
        ("exec", "--cwd", "/etc/passwd", sleeper.id, "true"): (255, "process.cwd: enter /etc/passwd: not a directory"),
        ("exec", "--process", "/no/such.json", sleeper.id): (255, "open /no/such.json: not found"),
    }
    for args, (code, line) in lines.items():
        done = sleeper.call(*args)
        assert (done.returncode, done.stderr) == (code, f"svc-runtime: {line}\n"), args


def test_the_lines_of_a_stopped_container(container, wait_for):
    container.shell("true").created().start()
    wait_for(lambda: container.status() == "stopped", what="its end")
    lines = {
        ("kill", container.id, "TERM"): (1, f'container not running: "{container.id}" is stopped'),
        ("start", container.id): (1, f'container "{container.id}" is stopped, not created'),
        ("exec", container.id, "true"): (255, f'container "{container.id}" is stopped, not running'),
        ("pause", container.id): (1, f'container "{container.id}" is stopped, not running'),
    }
    for args, (code, line) in lines.items():
        done = container.call(*args)
        assert (done.returncode, done.stderr) == (code, f"svc-runtime: {line}\n"), args


def test_a_script_whose_interpreter_is_missing(sleeper):
    path = os.path.join(sleeper.rootfs, "bin/script")
    with open(path, "w") as file:
        file.write("#!/no/such/interpreter\n")
    os.chmod(path, 0o755)
    done = sleeper.exec("script")
    assert (done.returncode, done.stderr) == (
        127, 'svc-runtime: exec: "/bin/script": no such file or directory — it is there: is the interpreter that it names?\n')


# ---- the log of the client ----

def logged(container, form, *args):
    path = os.path.join(container.bundle, "log")
    container.write()
    done = container.call(*args, before=["--log", path] + (["--log-format", form] if form else []))
    with open(path) as file:
        return done, file.read()


def test_the_json_log_ends_with_the_error(container):
    container.config["process"]["args"] = ["no\nsuch \"one\""]
    done, text = logged(container, "json", "run", "--bundle", container.bundle, container.id)
    lines = [json.loads(line) for line in text.splitlines()]
    assert done.returncode == 1 and [sorted(line) for line in lines] == [["level", "msg", "time"]]
    assert lines[-1]["level"] == "error"
    assert lines[-1]["msg"] == 'exec: "no?such "one"": executable file not found in $PATH'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines[-1]["time"])
    assert done.stderr == f"svc-runtime: {lines[-1]['msg']}\n"


@pytest.mark.parametrize("form", [None, "text"])
def test_the_text_log_is_one_line(container, form):
    container.config["process"]["args"] = ["no\nsuch\nlevel=error"]
    _, text = logged(container, form, "run", "--bundle", container.bundle, container.id)
    assert re.fullmatch(r'\S+Z error: exec: "no\?such\?level=error": executable file not found in \$PATH\n', text), text


def test_warnings_are_logged_as_warnings(container):
    hook("poststop", path="/bin/false")(container.config)
    done, text = logged(container, "json", "run", "--bundle", container.bundle, container.id)
    lines = [json.loads(line) for line in text.splitlines()]
    assert done.returncode == 0 and [line["level"] for line in lines] == ["warning"]
    assert "poststop" in lines[0]["msg"] and "/bin/false exited with 1" in lines[0]["msg"]


def test_the_log_is_appended_to(container):
    for count in (1, 2):
        _, text = logged(container, "json", "state", "nobody")
        assert len(text.splitlines()) == count
