"""Requests through the proxy to real backends: connections, bodies, failures, changes of the table."""
import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from backends import answer
from driver import elapsed


def named(name):
    return lambda request, connection: connection.sendall(answer(name))


def test_connections_are_kept_on_both_sides(proxy, web):
    with proxy.connect() as c:
        for n in range(20):
            assert c.request("GET", f"/{n}").status == 200
    assert web.connections == 1 and len(web.requests) == 20


def test_pipelined_requests_are_answered_in_order(proxy, web):
    with proxy.connect() as c:
        c.send("".join(f"GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n" for n in range(50)))
        for n in range(50):
            assert c.read_response().body.startswith(f"GET /{n} ".encode())


def test_a_request_byte_by_byte(proxy, web):
    with proxy.connect() as c:
        c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            c.send(bytes([byte]))
        assert c.read_response().status == 200
    assert web.last.body == b"abc"


def test_connection_close_and_http10(proxy, web):
    with proxy.connect() as c:
        answer_ = c.request("GET", "/", {"Connection": "close"})
        assert answer_["connection"] == "close" and c.is_closed()
    with proxy.connect() as c:
        c.send("GET / HTTP/1.0\r\n\r\n")
        assert c.read_response()["connection"] == "close" and c.is_closed()
    with proxy.connect() as c:
        c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert c.read_response()["connection"] == "keep-alive"
        assert c.request("GET", "/").status == 200


def test_round_robin_and_position_over_tables(proxy, backend):
    three = [backend(handler=named(f"b{n}")) for n in range(3)]
    for _ in range(2):
        proxy.table([("web:8000", "web", "-", three)], ["upstream=web:8000 path=/"])
        with proxy.connect() as c:
            got = [c.request("GET", "/").text for _ in range(6)]
        assert sorted(got) == sorted(["b0", "b1", "b2"] * 2) and got[:3] == got[3:]


def test_routes_by_host_and_path(proxy, backend):
    names = ("any", "api", "exact", "shop", "wild")
    made = {name: backend(handler=lambda r, c, name=name: c.sendall(answer(f"{name} {r.target}"))) for name in names}
    proxy.table([(f"{name}:1", name, "-", [one]) for name, one in made.items()], [
        "upstream=any:1 path=/", "upstream=api:1 path=/api/ strip=1", "upstream=exact:1 path=/api/one exact=1",
        "upstream=shop:1 path=/ host=shop.example", "upstream=wild:1 path=/w host=*.example"])

    def ask(path, host="other.test"):
        return proxy.get(path, Host=host).text
    assert ask("/") == "any /"
    assert ask("/apix") == "any /apix"
    assert ask("/api") == "api /" and ask("/api/") == "api /" and ask("/api/a?b=/c") == "api /a?b=/c"
    assert ask("//api/%61") == "api /a" and ask("/%61pi/x") == "api /x"
    assert ask("/api/one") == "exact /api/one"
    assert ask("/", "SHOP.example:8080") == "shop /" and ask("/", "shop.example.") == "shop /"
    assert ask("/api", "shop.example") == "shop /api"
    assert ask("/w", "deep.sub.example") == "wild /w" and ask("/v", "sub.example") == "any /v"


def test_no_route(proxy, backend):
    proxy.table([("web:8000", "web", "-", [backend()])], ["upstream=web:8000 path=/only"])
    answer_ = proxy.get("/other")
    assert answer_.status == 404 and "No route" in answer_.text


def test_503_says_which_service_and_why(proxy):
    proxy.table([("web:8000", "web", "unhealthy: GET /health answered 500", [])], ["upstream=web:8000 path=/"])
    text = proxy.get("/")
    assert text.status == 503 and int(text["retry-after"]) > 0 and text["content-type"].startswith("text/plain")
    assert 'The service "web" is not available: unhealthy: GET /health answered 500.' in text.text
    assert text["x-request-id"] in text.text
    page = proxy.get("/", Accept="text/html,*/*;q=0.8")
    assert page["content-type"].startswith("text/html") and "unhealthy: GET /health answered 500" in page.text
    with proxy.connect() as c:
        assert c.request("HEAD", "/").status == 503
        assert c.request("GET", "/").status == 503


def test_502_says_where_and_why(proxy, backend):
    gone = backend()
    gone.stop_listening()
    proxy.table([("web:8000", "web", "-", [gone])], ["upstream=web:8000 path=/"])
    answer_ = proxy.get("/")
    assert answer_.status == 502
    assert f'The service "web" cannot be reached at 127.0.0.1:{gone.port}: Connection refused.' in answer_.text
    assert int(proxy.command("failures")[0]) >= 0


def test_502_when_the_backend_hangs_up(proxy, backend):
    proxy.table([("web:8000", "web", "-", [backend(handler=lambda r, c: False)])], ["upstream=web:8000 path=/"])
    answer_ = proxy.get("/")
    assert answer_.status == 502 and "without an answer" in answer_.text


def test_504_after_the_response_timeout(proxy, backend):
    blocked = threading.Event()
    slow = backend(handler=lambda r, c: blocked.wait(20))
    proxy.table([("web:8000", "web", "-", [slow])], ["upstream=web:8000 path=/ response=300"])
    with proxy.connect() as c:
        got = []
        took = elapsed(lambda: got.append(c.request("GET", "/")))
        assert 0.2 < took < 4 and got[0].status == 504
        assert 'The service "web" did not answer within 0.3 s.' in got[0].text
    blocked.set()


def test_a_dead_endpoint_costs_no_request(proxy, backend):
    alive, gone = backend(), backend()
    gone.stop_listening()
    proxy.table([("web:8000", "web", "-", [gone, alive])], ["upstream=web:8000 path=/"])
    for _ in range(10):
        assert proxy.get("/").status == 200
    assert proxy.counters()["failures"] >= 1


def test_reused_connection_that_died_is_tried_again(proxy, backend, wait_for):
    """The app answers, then closes while idle: the next GET goes over a new connection."""
    def handler(request, connection):
        connection.sendall(answer("ok"))
        return False
    one = backend(handler=handler)
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        assert [c.request("GET", "/").status for _ in range(30)] == [200] * 30
        for _ in range(30):  # a POST must not meet the end of the connection after it was written
            wait_for(lambda: not one.open)
            assert c.request("POST", "/", body=b"x").status == 200


def test_post_is_not_sent_twice(proxy, backend):
    """The second request on a connection kills it without an answer: a GET is retried, a POST is not."""
    def handler(request, connection):
        if connection in seen:
            return False
        seen.add(connection)
        connection.sendall(answer("ok"))
        return True
    seen = set()
    one = backend(handler=handler)
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        assert c.request("GET", "/1").status == 200
        assert c.request("GET", "/2").status == 200
        assert [r.target for r in one.requests] == ["/1", "/2", "/2"]
        assert c.request("POST", "/3", body=b"x").status == 502
    assert [r.target for r in one.requests] == ["/1", "/2", "/2", "/3"]


@pytest.mark.parametrize("size", [0, 1, 1000, 200_000, 30_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_large_answers(proxy, backend, size, framing):
    data = random.Random(size).randbytes(size)

    def handler(request, connection):
        if framing == "length":
            connection.sendall(answer(data))
        elif framing == "close":
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + data)
            return False
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, size, 70_001):
                piece = data[at:at + 70_001]
                connection.sendall(b"%X;ext=v\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\nX-Trailer: y\r\n\r\n")
        return True
    proxy.table([("web:8000", "web", "-", [backend(handler=handler)])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        for _ in range(2):
            got = c.request("GET", "/")
            assert got.status == 200 and len(got.body) == size and got.body == data
        c.send("GET / HTTP/1.0\r\n\r\n")
        assert c.read_response().body == data


@pytest.mark.parametrize("size", [1, 100_000, 30_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_uploads(proxy, backend, size, framing):
    data = random.Random(size).randbytes(size)
    one = backend(handler=lambda r, c: c.sendall(answer(hashlib.sha256(r.body).hexdigest())))
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        for _ in range(2):
            if framing == "length":
                got = c.request("POST", "/", body=data)
            else:
                c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                for at in range(0, size, 50_000):
                    piece = data[at:at + 50_000]
                    c.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                c.send("0\r\n\r\n")
                got = c.read_response()
            assert got.text == hashlib.sha256(data).hexdigest()
    assert one.connections == 1


def test_slow_reader_gets_everything_and_memory_stays(proxy, backend):
    data = os.urandom(40_000_000)
    proxy.table([("web:8000", "web", "-", [backend(handler=lambda r, c: c.sendall(answer(data)))])],
                ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.read_head()[0] == 200
        with open(f"/proc/{proxy.pid}/status") as status:
            rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        assert rss < 8192, f"{rss} KB resident"
        assert c.read_exactly(len(data)) == data


def test_body_limit(proxy, backend):
    one = backend()
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/ body=1000"])
    with proxy.connect() as c:
        c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" + "x" * 1001)
        assert c.read_response().status == 413 and c.is_closed()
    with proxy.connect() as c:
        c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + "1f4\r\n" + "x" * 500 + "\r\n")
        c.send("1f5\r\n" + "x" * 501 + "\r\n0\r\n\r\n")
        assert c.read_response().status == 413 and c.is_closed()
    with proxy.connect() as c:
        assert c.request("POST", "/", body=b"x" * 1000).status == 200


def test_continue_is_sent_when_the_backend_is_chosen(proxy, web):
    with proxy.connect() as c:
        c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert c.read_response().status == 100
        c.send("abc")
        assert c.read_response().status == 200
    assert web.last.body == b"abc" and "expect" not in web.last.fields
    proxy.table([("web:8000", "web", "starting", [])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert c.read_response().status == 503


def test_interim_answers(proxy, backend):
    one = backend(handler=lambda r, c: c.sendall(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + answer("ok")))
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        early = c.request("GET", "/")
        assert early.status == 103 and early["link"]
        assert c.read_response().body == b"ok"
        c.send("GET / HTTP/1.0\r\n\r\n")
        assert c.read_response().status == 200


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body(proxy, backend, status):
    one = backend(handler=lambda r, c: c.sendall(f"HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n".encode()))
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        for _ in range(3):
            got = c.request("GET", "/")
            assert got.status == int(status[:3]) and got["transfer-encoding"] is None
    assert one.connections == 1


def test_head_keeps_the_length(proxy, backend):
    one = backend(handler=lambda r, c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"))
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        for _ in range(3):
            assert c.request("HEAD", "/")["content-length"] == "12345"
    assert one.connections == 1


def test_answer_before_the_end_of_the_upload(proxy, backend):
    """The backend refuses after the head: the client sees that, and is not reset."""
    one = backend(handler=lambda r, c: c.sendall(answer("no", "401 Unauthorized", ["Connection: close"])) or False,
                  reads_body=False)
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + "x" * 10)
        got = c.read_response()
        assert got.status == 401 and got.body == b"no" and got["connection"] == "close"


def test_stream_arrives_piece_by_piece(proxy, backend):
    go = [threading.Event() for _ in range(3)]

    def handler(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for n, one in enumerate(go):
            one.wait(10)
            connection.sendall(b"data: %d\n\n" % n)
        return False
    proxy.table([("web:8000", "web", "-", [backend(handler=handler)])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.read_head()[0] == 200
        for n, one in enumerate(go):
            one.set()
            assert b"data: %d\n\n" % n in c.read_until(b"\n\n")
        assert c.read_until(b"0\r\n\r\n")


def test_cut_answer_is_visible(proxy, backend):
    one = backend(handler=lambda r, c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc") or False)
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        with pytest.raises(EOFError):
            c.request("GET", "/")
    two = backend(handler=lambda r, c: c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                  or False)
    proxy.table([("web:8000", "web", "-", [two])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        with pytest.raises(EOFError):
            c.request("GET", "/")


def test_half_close_after_the_request(proxy, web):
    with proxy.connect() as c:
        c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        c.socket.shutdown(socket.SHUT_WR)
        assert c.read_response().status == 200
        assert c.is_closed()


def test_client_that_leaves_frees_the_backend(proxy, backend, wait_for):
    gone = threading.Event()

    def handler(request, connection):
        try:
            while True:
                connection.sendall(b"x" * 65536) if started.is_set() else connection.sendall(
                    b"HTTP/1.1 200 OK\r\n\r\n") or started.set()
        except OSError:
            gone.set()
        return False
    started = threading.Event()
    proxy.table([("web:8000", "web", "-", [backend(handler=handler)])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        c.read_head()
    assert gone.wait(10)
    wait_for(lambda: any("client closed" in line for line in proxy.lines), what="log line")


def load(proxy, stop, failures, done, fresh=False):
    while not stop.is_set():
        try:
            with proxy.connect() as c:
                for _ in range(1 if fresh else 50):
                    got = c.request("GET", "/")
                    done.append(got.text)
                    if got.status != 200:
                        failures.append(got.text)
                    if stop.is_set():
                        break
        except (OSError, EOFError) as error:
            failures.append(repr(error))


def test_endpoints_come_and_go_under_load(proxy, backend, wait_for):
    """Every endpoint is replaced several times: withdrawn, drained, closed. No request fails."""
    current = [backend(handler=named("0")), backend(handler=named("0"))]

    def push():
        proxy.table([("web:8000", "web", "-", current)], ["upstream=web:8000 path=/"])
    push()
    stop, failures, done = threading.Event(), [], []
    clients = [threading.Thread(target=load, args=(proxy, stop, failures, done, n == 0)) for n in range(4)]
    for client in clients:
        client.start()
    for generation in range(1, 8):
        old, current = current, [backend(handler=named(str(generation))), backend(handler=named(str(generation)))]
        push()
        wait_for(lambda: str(generation) in done, what=f"an answer of generation {generation}")
        for one in old:  # idle connections were closed by the proxy, those in use have ended
            wait_for(lambda one=one: not one.open, what="the proxy to let go")
            one.close()
    stop.set()
    for client in clients:
        client.join()
    assert not failures and len(done) > 100


def test_another_container_at_the_same_address(proxy, backend):
    """Same address, other instance: no pooled connection is used for it."""
    one = backend()
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    proxy.get("/")
    one.instance += 1000
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    proxy.get("/")
    assert one.connections == 2


def test_slow_head_and_slow_body(proxy, web):
    """What comes too slowly is answered 408, not waited for (10 s each; both at once)."""
    with proxy.connect() as head, proxy.connect() as body:
        head.socket.settimeout(15)
        body.socket.settimeout(15)
        head.send("GET / HTTP/1.1\r\nHost: a\r\nX-")
        body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + "x" * 10)
        assert head.read_response().status == 408 and head.is_closed()
        assert body.read_response().status == 408 and body.is_closed()


def test_access_log_line(proxy, web, wait_for):
    proxy.get('/a?b="c"', **{"User-Agent": 'x" forged "y', "Referer": "http://r/"})
    line = wait_for(lambda: next((x for x in proxy.lines if "/a?b" in x), None))
    assert line.startswith("127.0.0.1 - - [") and '"GET /a?b=\\x22c\\x22 HTTP/1.1" 200 ' in line
    assert '"http://r/" "x\\x22 forged \\x22y" host=shop.example upstream=web:8000' in line
    assert f" endpoint=127.0.0.1:{web.port} time=0.0" in line and " id=" in line
    proxy.get("/once")
    wait_for(lambda: any("/once" in x for x in proxy.lines))
    assert len([x for x in proxy.lines if "/once" in x]) == 1


FLASK = """
from flask import Flask, Response, request
app = Flask(__name__)
@app.get("/")
def index():
    return {"address": request.remote_addr, "for": request.headers["X-Forwarded-For"]}
@app.post("/upload")
def upload():
    return str(len(request.get_data()))
@app.get("/stream")
def stream():
    return Response((f"line {n}\\n" for n in range(1000)), mimetype="text/plain")
"""


def test_gunicorn_and_flask_with_curl(proxy, scratch, wait_for):
    if not shutil.which("gunicorn") or not shutil.which("curl"):
        pytest.skip("needs the programs gunicorn and curl")
    pytest.importorskip("flask", reason="needs python3-flask")
    with open(os.path.join(scratch, "app.py"), "w") as file:
        file.write(FLASK)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, shutil.which("gunicorn"), "-b", f"127.0.0.1:{port}", "-k", "gthread",
                               "--threads", "2", "app:app"], cwd=scratch, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None, deadline=30)
        proxy.table([("web:8000", "web", "-", [f"127.0.0.1:{port}"])], ["upstream=web:8000 path=/"])

        def curl(*args):
            return subprocess.run(["curl", "-sS", "-m", "10", "--fail", *args], check=True, stdout=subprocess.PIPE).stdout
        url = f"http://127.0.0.1:{proxy.port}"
        assert b'"for":"127.0.0.1"' in curl(url + "/")
        assert curl(url + "/stream").count(b"\n") == 1000
        assert curl("-H", "Expect: 100-continue", "-T", sys.executable, "-X", "POST", url + "/upload") == \
            str(os.path.getsize(sys.executable)).encode()
        assert curl(url + "/", url + "/stream", url + "/").count(b"\n") >= 1000
    finally:
        server.terminate()
        server.wait(10)
