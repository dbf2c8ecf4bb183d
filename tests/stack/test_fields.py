"""Keys of services that change what a container sees: each shown from inside a real one."""
import contextlib
import json
import os
import signal
import stat

import pytest
from stacks import free_port, request
from waiting import wait_for

IDLE = {"rootfs": "host", "command": ["sleep", "1000"], "stop_signal": "SIGKILL"}


def inside(stack, service, *argv, check=True):
    return stack.call("exec", "-T", service, *argv, check=check)


def file_inside(stack, service, path):
    """(owner, group, mode, content) as the container sees them."""
    owner = inside(stack, service, "stat", "-c", "%u %g %a", path).stdout.split()
    return (*owner, inside(stack, service, "cat", path, check=False).stdout)


# --- secrets and configs ---


def test_secrets_have_their_owner_and_mode(make_stack, scratch):
    secret = os.path.join(scratch, "password")
    with open(secret, "w") as out:
        out.write("from a file\n")
    os.chmod(secret, 0o600)
    stack = make_stack({
        "services": {"web": {**IDLE, "user": "1000:1001",
                             "secrets": ["file", {"source": "variable", "target": "token", "uid": "1000", "gid": "7", "mode": "0640"},
                                         {"source": "file", "target": "/etc/private", "uid": 0, "gid": 0, "mode": "0400"}],
                             "configs": [{"source": "text", "target": "/etc/app.conf"}]}},
        "secrets": {"file": {"file": "./password"}, "variable": {"environment": "TOKEN_OF_TEST"}},
        "configs": {"text": {"content": "port = $${PORT}\n"}}}, env={"TOKEN_OF_TEST": "a$b"})
    stack.up()
    assert file_inside(stack, "web", "/run/secrets/file") == ("1000", "1001", "444", "from a file\n")
    assert file_inside(stack, "web", "/run/secrets/token") == ("1000", "7", "440", "a$b")
    assert file_inside(stack, "web", "/etc/private") == ("0", "0", "400", "")  # another's
    assert file_inside(stack, "web", "/etc/app.conf")[2:] == ("444", "port = ${PORT}\n")
    written = inside(stack, "web", "sh", "-c", "echo x >/run/secrets/file", check=False)
    assert written.returncode != 0


def test_secrets_are_kept_from_others(make_stack, scratch):
    with open(os.path.join(scratch, "password"), "w") as out:
        out.write("hunter2")
    stack = make_stack({"services": {"web": {**IDLE, "secrets": ["file", "variable"]}},
                        "secrets": {"file": {"file": "./password"}, "variable": {"environment": "TOKEN_OF_TEST"}}},
                       env={"TOKEN_OF_TEST": "correct horse"})
    stack.up()
    run_dir = os.path.join(os.environ.get("SVC_RUN_ROOT", "/run/svc"), stack.project)
    found = set()
    for base, _, files in os.walk(run_dir):
        for path in (os.path.join(base, name) for name in files):
            with contextlib.suppress(OSError), open(path, "rb") as file:  # sockets, namespaces
                text = file.read()
                found |= {(word, path) for word in (b"hunter2", b"correct horse") if word in text}
    copies = {word: [path for w, path in found if w == word] for word, _ in found}
    assert len(copies[b"hunter2"]) == 1  # the replica's own
    assert len(copies[b"correct horse"]) == 2  # and the engine's copy of the stack
    for _, path in found:
        dirs = [path]
        while dirs[-1] != run_dir:
            dirs.append(os.path.dirname(dirs[-1]))
        assert any(not os.stat(d).st_mode & 0o077 for d in dirs), f"others can read {path}"


def test_a_secret_file_is_read_anew(make_stack, scratch):
    path = os.path.join(scratch, "password")
    with open(path, "w") as out:
        out.write("old")
    stack = make_stack({"services": {"web": {**IDLE, "secrets": ["password"]}}, "secrets": {"password": {"file": path}}})
    stack.up()
    with open(path, "w") as out:
        out.write("new")
    assert inside(stack, "web", "cat", "/run/secrets/password").stdout == "old"
    stack.call("restart", "web")
    wait_for(lambda: inside(stack, "web", "cat", "/run/secrets/password", check=False).stdout == "new", 10, "the new secret")
    os.unlink(path)
    stack.call("restart", "web", check=False)
    why = wait_for(lambda: stack.replica("web")["why"], 10, "a reason")
    assert 'secret "password"' in why and path in why


def test_a_secret_outlives_the_engine(make_stack):
    """A variable is not there any more when a new engine makes the container again."""
    stack = make_stack({"services": {"web": {**IDLE, "secrets": ["token"]}}, "secrets": {"token": {"environment": "TOKEN_OF_TEST"}}},
                       env={"TOKEN_OF_TEST": "abc"})
    stack.up()
    old = stack.process("engine")
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: stack.process("engine") not in (None, old), 10, "a new engine")
    before = stack.wait_state("web", "running")["pid"]
    stack.call("restart", "web")
    wait_for(lambda: stack.replica("web")["pid"] not in (0, before), 10, "a new container")
    assert inside(stack, "web", "cat", "/run/secrets/token").stdout == "abc"


# --- names ---


def test_names_and_resolver(make_stack):
    stack = make_stack({"services": {
        "web": {**IDLE, "extra_hosts": ["a.test=192.0.2.7", "b.test:192.0.2.8", "six.test=[2001:db8::1]", "me.test=host-gateway"],
                "dns": ["192.0.2.53", "192.0.2.54"], "dns_search": "corp.test", "dns_opt": ["ndots:3"],
                "hostname": "front", "domainname": "corp.test", "links": ["db:store"]},
        "db": IDLE}})
    stack.up()
    hosts = [line.split() for line in inside(stack, "web", "cat", "/etc/hosts").stdout.splitlines()]
    names = {name: line[0] for line in hosts for name in line[1:]}
    assert (names["a.test"], names["b.test"], names["six.test"]) == ("192.0.2.7", "192.0.2.8", "2001:db8::1")
    assert names["me.test"] == names["host.docker.internal"]
    assert names["store"] == names["db"]
    assert names["front.corp.test"] == names["front"]
    assert inside(stack, "web", "cat", "/proc/sys/kernel/domainname").stdout == "corp.test\n"
    resolv = inside(stack, "web", "cat", "/etc/resolv.conf").stdout.splitlines()
    assert [line for line in resolv if line.startswith("nameserver")] == ["nameserver 192.0.2.53", "nameserver 192.0.2.54"]
    assert "search corp.test" in resolv and "options ndots:3" in resolv
    others = inside(stack, "db", "cat", "/etc/hosts").stdout
    assert "store" not in others and "a.test" not in others


# --- the machine ---


def test_kernel_settings(make_stack):
    stack = make_stack({"services": {"web": {
        **IDLE, "shm_size": "8m", "oom_score_adj": 321, "sysctls": {"net.core.somaxconn": 777, "kernel.shmmni": "100"},
        "annotations": {"org.example.note": "x"}}}})
    stack.up()
    assert inside(stack, "web", "sh", "-c", "df -k /dev/shm | tail -1").stdout.split()[1] == "8192"
    assert inside(stack, "web", "cat", "/proc/1/oom_score_adj").stdout == "321\n"
    assert inside(stack, "web", "cat", "/proc/sys/net/core/somaxconn", "/proc/sys/kernel/shmmni").stdout == "777\n100\n"
    bundle = os.path.join(os.environ.get("SVC_RUN_ROOT", "/run/svc"), stack.project, "c", f"{stack.project}-web-1")
    with open(f"{bundle}/config.json") as config:
        assert json.load(config)["annotations"]["org.example.note"] == "x"


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_devices(make_stack, userns):
    """A device under another name, readable only; its neighbour is not there."""
    stack = make_stack({"services": {"web": {
        **IDLE, "userns_mode": userns, "devices": ["/dev/kmsg:/dev/log-of-kernel:r"], "device_cgroup_rules": ["c 10:200 r"]}}})
    stack.up()
    st = os.stat("/dev/kmsg")
    shown = inside(stack, "web", "stat", "-c", "%t:%T %a", "/dev/log-of-kernel").stdout.split()
    assert shown == [f"{os.major(st.st_rdev):x}:{os.minor(st.st_rdev):x}", f"{stat.S_IMODE(st.st_mode):o}"]
    assert inside(stack, "web", "sh", "-c", ": >/dev/log-of-kernel", check=False).returncode != 0
    assert inside(stack, "web", "test", "-e", "/dev/kmsg", check=False).returncode != 0


# --- logging ---


def log_files(stack, service):
    logs = os.path.join(os.environ.get("SVC_STATE_ROOT", "/var/lib/svc"), stack.project, "logs")
    return {name: os.stat(f"{logs}/{name}").st_size for name in os.listdir(logs) if name.startswith(service)}


def test_log_files_have_their_size_and_number(make_stack):
    line = "x" * 98
    stack = make_stack({
        "services": {"loud": {"rootfs": "host", "restart": "no", "command": ["sh", "-c", f"for i in $(seq 5000); do echo $$i {line}; done"
                                                                             .replace("$(", "$$(")]},
                     "other": {"rootfs": "host", "restart": "no", "command": ["echo", "kept"], "logging": {"driver": "json-file"}},
                     "mute": {"rootfs": "host", "restart": "no", "command": ["echo", "lost"], "logging": {"driver": "none"}}},
        "logging": {"driver": "local", "options": {"max-size": "64k", "max-file": "5"}}})
    stack.up()
    for service in ("loud", "other", "mute"):
        stack.wait_state(service, "exited")
    files = wait_for(lambda: log_files(stack, "loud") if "5000 x" in stack.logs("loud") else None, 10, "the last line")
    assert len(files) == 5
    assert all(size <= 64 * 1024 for size in files.values())
    assert "kept" in stack.logs("other")
    assert "lost" not in stack.logs() and not log_files(stack, "mute")


# --- network_mode ---


def test_no_network(make_stack):
    stack = make_stack({"services": {"alone": {**IDLE, "network_mode": "none"}}})
    stack.up()
    devices = inside(stack, "alone", "cat", "/proc/net/dev").stdout.splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]


def test_the_network_of_the_machine(make_stack):
    stack = make_stack({"services": {"web": {**IDLE, "network_mode": "host"}}})
    stack.up()
    pid = stack.replica("web")["pid"]
    assert os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino
    with open("/etc/hosts") as hosts:
        assert inside(stack, "web", "cat", "/etc/hosts").stdout.startswith(hosts.read())


def test_a_probe_and_the_proxy_reach_the_machines_network(make_stack):
    port, front = free_port(), free_port()
    stack = make_stack({"services": {
        "web": {"rootfs": "host", "command": f"python3 -m http.server {port} --directory /tmp", "stop_signal": "SIGKILL",
                "network_mode": "host", "healthcheck": {"http": f"{port}/", "interval": "300ms", "retries": 30}}},
        "proxy": {"listen": f"127.0.0.1:{front}", "routes": {"/": f"web:{port}"}}})
    stack.up("--wait")
    assert request(front, "GET", "/")[0] == 200


def test_the_network_of_another_service(make_stack):
    """The side car is in the same network namespace, is reached by its address, and follows it through a restart."""
    stack = make_stack({"services": {
        "side": {"rootfs": "host", "command": "python3 -m http.server 8000 --bind 127.0.0.1 --directory /tmp",
                 "stop_signal": "SIGKILL", "network_mode": "service:web", "depends_on": {"web": {"condition": "service_healthy"}}},
        "web": {**IDLE, "healthcheck": {"test": ["CMD", "true"], "interval": "200ms"}}}})
    stack.up()

    def together():
        web, side = stack.replica("web"), stack.replica("side")
        if web["state"] != "running" or side["state"] != "running":
            return None
        same = os.stat(f"/proc/{web['pid']}/ns/net").st_ino == os.stat(f"/proc/{side['pid']}/ns/net").st_ino
        return (web, side) if same else None

    web, side = wait_for(together, 20, "one network namespace")
    wait_for(lambda: inside(stack, "web", "python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/')",
                            check=False).returncode == 0, 10, "an answer of the side car")
    assert inside(stack, "side", "cat", "/etc/hosts").stdout.count(web["ip"]) >= 1
    stack.call("restart", "web")

    def both_new():
        now = together()
        return now if now and now[0]["pid"] != web["pid"] and now[1]["pid"] != side["pid"] else None

    wait_for(both_new, 20, "the side car in the new network")


def test_links_wait(make_stack):
    stack = make_stack({"services": {"web": {**IDLE, "links": ["db"]}, "db": IDLE}})
    order = json.loads(stack.call("config", "--json", stack.file, check=False).stdout or "{}")
    stack.up()
    assert stack.wait_state("web", "running")["started_ms"] >= stack.replica("db")["started_ms"]
    assert not order or order["services"]["web"]["depends_on"]["db"]["condition"] == "service_started"
