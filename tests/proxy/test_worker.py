"""The worker as a process: confinement, replacement, drain, broken commands."""
import os
import socket
import subprocess
import threading

from backends import answer


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def test_worker_is_confined(proxy, web):
    assert proxy.get("/").status == 200
    status = status_of(proxy.pid)
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65534"} and not status["Groups"].strip()
    assert all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and status["Threads"] == "1"
    assert os.listdir(f"/proc/{proxy.pid}/root") == []
    assert os.readlink(f"/proc/{proxy.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    with open(f"/proc/{proxy.pid}/mountinfo") as mounts:
        lines = mounts.read().splitlines()
    assert len(lines) == 1 and " ro," in lines[0]
    with open(f"/proc/{proxy.pid}/limits") as limits:
        assert any(line.startswith("Max core file size") and line.split()[4:6] == ["0", "0"] for line in limits)


def test_killed_worker_is_replaced_without_a_refused_connection(proxy, web):
    refused, stop = [], threading.Event()

    def connect():
        while not stop.is_set():
            try:
                socket.create_connection(("127.0.0.1", proxy.port), timeout=10).close()
            except OSError as error:
                refused.append(error)
    client = threading.Thread(target=connect)
    client.start()
    for _ in range(5):
        old = proxy.pid
        proxy.kill()
        with proxy.connect() as waiting:  # in the backlog while there is no worker
            waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            proxy.spawn()
            assert waiting.read_response().status == 200
        assert proxy.pid != old
    stop.set()
    client.join()
    assert not refused


def test_drain_finishes_what_is_in_flight(proxy, backend):
    go, arrived = threading.Event(), threading.Event()

    def handler(request, connection):
        arrived.set()
        go.wait(10)
        connection.sendall(answer("done"))
    proxy.table([("web:8000", "web", "-", [backend(handler=handler)])], ["upstream=web:8000 path=/"])
    with proxy.connect() as busy, proxy.connect() as idle:
        busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        arrived.wait(10)
        result = []
        quitter = threading.Thread(target=lambda: result.append(proxy.quit(10000)))
        quitter.start()
        assert idle.is_closed()
        go.set()
        got = busy.read_response()
        assert got.body == b"done" and got["connection"] == "close" and busy.is_closed()
        quitter.join(10)
        assert result == [0]


def test_drain_has_a_deadline(proxy, backend):
    go = threading.Event()
    proxy.table([("web:8000", "web", "-", [backend(handler=lambda r, c: go.wait(20))])], ["upstream=web:8000 path=/"])
    with proxy.connect() as busy:
        busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert proxy.counters()["requests"] == 1
        assert proxy.quit(200) == 0
    go.set()


def test_nothing_is_accepted_before_the_first_table(proxy, backend):
    with proxy.connect() as early:
        early.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        proxy.table([("web:8000", "web", "-", [backend()])], ["upstream=web:8000 path=/"])
        assert early.read_response().status == 200


def limit_files(pid, limit):
    """As the worker's own user: root may lack CAP_SYS_RESOURCE."""
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={limit}:"], check=True, user=65534, group=65534,
                   extra_groups=[])


def test_accepting_goes_on_when_descriptors_come_back_from_elsewhere(proxy, web, wait_for):
    with open(f"/proc/{proxy.pid}/limits") as limits:
        before = next(line.split()[3] for line in limits if line.startswith("Max open files"))
    slept = int(status_of(proxy.pid)["voluntary_ctxt_switches"])
    limit_files(proxy.pid, 3)
    with proxy.connect() as c:
        c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: int(status_of(proxy.pid)["voluntary_ctxt_switches"]) >= slept + 2)  # it tried, and again
        limit_files(proxy.pid, before)
        assert c.read_response().status == 200


def test_many_connections_at_once(proxy, web):
    made = [proxy.connect() for _ in range(500)]
    for n, c in enumerate(made):
        c.send(f"GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")
    for n, c in enumerate(made):
        assert c.read_response().body.startswith(f"GET /{n} ".encode())
    rss = int(status_of(proxy.pid)["VmRSS"].split()[0])
    for c in made:
        c.socket.close()
    assert rss < 8192, f"{rss} KB for 500 idle connections"


def test_counters(proxy, web):
    for _ in range(3):
        assert proxy.get("/").status == 200
    counters = proxy.counters()
    assert counters["requests"] == 3 and counters["connects"] == 1 and counters["reuses"] == 2
