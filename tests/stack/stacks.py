"""A stack under test: the svc command line around one project, the way a user types it."""
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess

from waiting import wait_for

COMMAND_SECONDS = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_ticks(pid):
    """When a process started, to tell a pid from its reuse; None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def is_alive(pid):
    return start_ticks(pid) is not None


class Stack:
    def __init__(self, svc, file, project, env=None):
        self.svc, self.file, self.project = svc, str(file), project
        self.env = {**os.environ, **(env or {})}
        self.env.pop("COMPOSE_PROJECT_NAME", None)

    def command(self, verb, *args):
        return [self.svc, verb, "-p", self.project, *map(str, args)]

    def call(self, verb, *args, check=True, timeout=COMMAND_SECONDS, stdin=subprocess.DEVNULL):
        done = subprocess.run(self.command(verb, *args), env=self.env, stdin=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, check=False)
        if check:
            assert done.returncode == 0, f"svc {verb} {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def up(self, *options, **how):
        return self.call("up", "-d", *options, self.file, **how)

    def down(self, *options, **how):
        return self.call("down", *options, **how)

    def ps(self):
        return json.loads(self.call("ps", "--json").stdout)

    def replicas(self, service):
        return next(s["replicas"] for s in self.ps()["services"] if s["name"] == service)

    def replica(self, service, number=1):
        return next(r for r in self.replicas(service) if r["replica"] == number)

    def wait_healthy(self, service, count=1, deadline=20):
        def enough():
            healthy = [r for r in self.replicas(service) if r["health"] == "healthy"]
            return healthy if len(healthy) == count else None

        return wait_for(enough, deadline, f"{count} healthy replicas of {service}")

    def wait_state(self, service, state, number=1, deadline=20):
        def reached():
            replica = self.replica(service, number)
            return replica if replica["state"] == state else None

        return wait_for(reached, deadline, f"{service} {state}")

    def logs(self, *args):
        return self.call("logs", *args).stdout

    def process(self, role):
        """The pid of our own process of this stack: "engine", "proxy", "keeper"."""
        run_dir = os.path.join(os.environ.get("SVC_RUN_ROOT", "/run/svc"), self.project)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline") as file:
                    words = file.read().split("\0")
                if len(words) > 1 and words[1] == f"@{role}" and is_alive(pid) and (run_dir in words or in_stack(pid, run_dir)):
                    return int(pid)
        return None

    def remove(self):
        """Down, and the logs of a project that nobody will look at again."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.down("-v", check=False)
        shutil.rmtree(os.path.join(os.environ.get("SVC_STATE_ROOT", "/var/lib/svc"), self.project), ignore_errors=True)


def in_stack(pid, run_dir):
    """A child of the stack's keeper, for processes that do not name the stack on their command line."""
    with open(f"/proc/{pid}/stat") as stat:
        parent = stat.read().rsplit(")", 1)[1].split()[1]
    with open(f"/proc/{parent}/cmdline") as file:
        return run_dir in file.read().split("\0")


def request(port, method, path, body=None, headers=None, timeout=10):
    """(status, headers, body) of one request through the front door."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        headers = dict(headers or {})
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def get_json(port, path):
    status, _, body = request(port, "GET", path)
    assert status == 200, (status, body)
    return json.loads(body)
