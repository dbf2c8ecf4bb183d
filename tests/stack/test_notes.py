"""examples/notes as the README has it: what the first user sees, and what happens when parts of it die."""
import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time

import pytest
from host_state import HostState
from stacks import get_json, is_alive, request
from waiting import wait_for

pytestmark = pytest.mark.alone
HOST_UID_MIN = 100000


@pytest.fixture
def notes(make_example):
    stack = make_example("notes")
    stack.up("--wait")
    return stack


def add(stack, text):
    status, _, body = request(stack.port, "POST", "/api/notes", {"text": text})
    assert status == 201, body
    return json.loads(body)["id"]


def texts(stack):
    return [note["text"] for note in get_json(stack.port, "/api/notes")]


def replicas_that_answer(stack, requests=8):
    return {request(stack.port, "GET", "/api/notes")[1]["X-Replica"] for _ in range(requests)}


class Load:
    """Clients that add and list notes through the proxy until told to stop; every failure is kept."""

    def __init__(self, port, clients=4):
        self.port, self.stop, self.done, self.failures = port, threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.client, args=(n,)) for n in range(clients)]

    def client(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stop.is_set():
            try:
                if self.done % 10 == 0:
                    connection.request("POST", "/api/notes", json.dumps({"text": f"load {number}"}),
                                       {"Content-Type": "application/json"})
                else:
                    connection.request("GET", "/api/notes")
                answer = connection.getresponse()
                body = answer.read()
                if answer.status not in (200, 201):
                    self.failures.append((answer.status, body[:200]))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            self.done += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def run_for(self, more, deadline=20):
        goal = self.done + more
        wait_for(lambda: self.done >= goal, deadline, f"{more} more requests")


def test_a_user_adds_and_lists_notes(notes):
    add(notes, "first")
    add(notes, "second <b>")
    assert texts(notes) == ["second <b>", "first"]
    status, headers, page = request(notes.port, "GET", "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert b"second &lt;b&gt;" in page
    status, headers, _ = request(notes.port, "POST", "/", "text=from+the+form",
                                 {"Content-Type": "application/x-www-form-urlencoded"})
    assert (status, headers["Location"]) == (303, "/")
    wait_for(lambda: [n.get("words") for n in get_json(notes.port, "/api/notes")] == ["3", "2", "1"], 10,
             "the worker counted all words")


def test_static_files_come_from_the_proxy(notes, top):
    status, headers, body = request(notes.port, "GET", "/static/style.css")
    with open(os.path.join(top, "examples/notes/static/style.css"), "rb") as file:
        assert (status, body) == (200, file.read())
    assert headers["Content-Type"].startswith("text/css") and "X-Replica" not in headers
    assert request(notes.port, "GET", "/static/style.css", headers={"If-None-Match": headers["ETag"]})[0] == 304
    status, headers, part = request(notes.port, "GET", "/static/style.css", headers={"Range": "bytes=0-4"})
    assert (status, part) == (206, body[:5]) and headers["Content-Range"] == f"bytes 0-4/{len(body)}"
    assert request(notes.port, "GET", "/static/nothing.css")[0] == 404
    assert request(notes.port, "GET", "/static/../stack.json")[0] in (400, 404)


def test_both_replicas_answer_and_nothing_else_listens(make_example):
    def listening():
        lines = subprocess.run(["ss", "-Hltn"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        return {line.split()[3] for line in lines}

    before = listening()
    notes = make_example("notes")
    notes.up("--wait")
    assert replicas_that_answer(notes) == {f"{notes.project}-web-1", f"{notes.project}-web-2"}
    assert listening() - before == {f"127.0.0.1:{notes.port}"}


def test_no_service_is_root_on_the_host(notes):
    seen = 0
    for service in notes.ps()["services"]:
        for replica in service["replicas"]:
            assert replica["host_uid"] >= HOST_UID_MIN, service["name"]
            line = subprocess.run(["ps", "-o", "uid=", "-p", str(replica["pid"])], stdout=subprocess.PIPE, text=True, check=True)
            assert int(line.stdout) >= HOST_UID_MIN
            with open(f"/proc/{replica['pid']}/status") as status:
                ids = [line.split()[1:] for line in status if line.startswith(("Uid:", "Gid:"))]
            assert all(int(number) >= HOST_UID_MIN for line in ids for number in line)
            seen += 1
    assert seen == 4


def test_containers_share_no_ids(notes):
    bases = []
    for service in notes.ps()["services"]:
        for replica in service["replicas"]:
            with open(f"/proc/{replica['pid']}/uid_map") as mapping:
                inside, outside, count = map(int, mapping.readline().split())
            assert inside == 0
            bases.append((outside, outside + count))
    bases.sort()
    assert all(end <= begin for (_, end), (begin, _) in zip(bases, bases[1:]))


def test_a_killed_replica_is_back_within_two_seconds(notes):
    old = notes.replica("web", 1)
    other = notes.replica("web", 2)
    killed_at = time.monotonic()
    os.kill(old["pid"], signal.SIGKILL)
    served = [request(notes.port, "GET", "/api/notes")[:2] for _ in range(10)]
    assert {status for status, _ in served} == {200}
    assert {headers["X-Replica"] for _, headers in served} >= {other["id"]}

    def back():
        now = notes.replica("web", 1)
        return now if now["pid"] not in (None, 0, old["pid"]) and now["state"] == "running" else None

    now = wait_for(back, 5, "web 1 is back")
    assert time.monotonic() - killed_at < 2
    assert now["restarts"] == old["restarts"] + 1
    assert notes.replica("web", 2)["pid"] == other["pid"]
    notes.wait_healthy("web", 2)
    wait_for(lambda: len(replicas_that_answer(notes)) == 2, 5, "both replicas answer again")


def test_an_unwell_replica_is_taken_out_then_restarted(notes):
    old = notes.replica("web", 1)
    with Load(notes.port, clients=2) as load:
        notes.call("exec", "--index", "1", "web", "touch", "/tmp/unwell")
        wait_for(lambda: old["id"] not in replicas_that_answer(notes), 10, "the unwell replica gets no requests")
        now = wait_for(lambda: next((r for r in [notes.replica("web", 1)] if r["pid"] not in (None, 0, old["pid"])), None),
                       20, "the unwell replica was restarted")
        assert now["restarts"] == old["restarts"] + 1
        notes.wait_healthy("web", 2)
        wait_for(lambda: len(replicas_that_answer(notes)) == 2, 5, "both replicas answer again")
    assert load.failures == []


def test_the_engine_killed_under_load_fails_no_request(notes):
    pids = {r["id"]: r["pid"] for s in notes.ps()["services"] for r in s["replicas"]}
    with Load(notes.port) as load:
        load.run_for(50)
        for _ in range(2):
            engine = wait_for(lambda: notes.process("engine"), 5, "an engine")
            killed_at = time.monotonic()
            os.kill(engine, signal.SIGKILL)
            notes.call("ps", "--json", timeout=5)
            assert time.monotonic() - killed_at < 1
            assert notes.process("engine") not in (None, engine)
            load.run_for(100)
    assert load.failures == []
    assert {r["id"]: r["pid"] for s in notes.ps()["services"] for r in s["replicas"]} == pids
    notes.wait_healthy("web", 2)
    # the new engine supervises: it sees a death and restarts
    os.kill(pids[f"{notes.project}-worker-1"], signal.SIGKILL)
    wait_for(lambda: notes.replica("worker")["pid"] not in (None, 0, pids[f"{notes.project}-worker-1"]), 10, "worker is back")


def test_an_exit_while_no_engine_runs_is_not_lost(notes):
    engine = notes.process("engine")
    victim = notes.replica("worker")["pid"]
    os.kill(engine, signal.SIGSTOP)  # it cannot see the exit any more
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: not is_alive(victim))
    os.kill(engine, signal.SIGKILL)
    wait_for(lambda: notes.replica("worker")["pid"] not in (None, 0, victim), 10, "worker is back")
    assert notes.replica("worker")["restarts"] == 1


def test_a_killed_proxy_leaves_the_door_open(notes):
    proxy = notes.process("proxy")
    killed_at = time.monotonic()
    os.kill(proxy, signal.SIGKILL)
    assert request(notes.port, "GET", "/api/notes")[0] == 200
    assert time.monotonic() - killed_at < 1
    assert notes.process("proxy") not in (None, proxy)


def test_proxy_is_nobody_in_an_empty_place(notes):
    proxy = notes.process("proxy")
    with open(f"/proc/{proxy}/status") as file:
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    assert all(int(uid) != 0 for uid in status["Uid"].split())
    assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert os.listdir(f"/proc/{proxy}/root") == []
    assert os.readlink(f"/proc/{proxy}/ns/net") != os.readlink("/proc/self/ns/net")


def test_notes_survive_down_and_up_until_the_volume_is_removed(notes):
    add(notes, "kept")
    notes.down()
    notes.up("--wait")
    assert texts(notes) == ["kept"]
    notes.down("-v")
    notes.up("--wait")
    assert texts(notes) == []


def test_two_of_the_same_do_not_meet(make_example):
    one, two = make_example("notes", "a"), make_example("notes", "b")
    one.up("--wait")
    two.up("--wait")
    add(one, "of one")
    add(two, "of two")
    assert (texts(one), texts(two)) == (["of one"], ["of two"])
    one.down()
    assert texts(two) == ["of two"]


def test_down_leaves_the_machine_as_it_was(make_example):
    before = HostState()
    notes = make_example("notes")
    notes.up("--wait")
    add(notes, "soon gone")
    os.kill(notes.process("engine"), signal.SIGKILL)
    wait_for(lambda: notes.call("ps", check=False).returncode == 0, 5, "svc ps works")
    assert before.difference()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", notes.port)) as open_connection:
        open_connection.connect()
        notes.down("-v")
    before.check()


def test_hello_answers(make_example):
    hello = make_example("hello")
    hello.up("--wait")
    status, _, body = wait_for(lambda: (a := request(hello.port, "GET", "/"))[0] == 200 and a, 10, "hello answers")
    assert b"Hello from a container." in body
    began = time.monotonic()
    hello.down()
    assert time.monotonic() - began < 5  # its stop signal is one that it knows
