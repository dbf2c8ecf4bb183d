"""The probes of other proxies' weak points, sent raw: what is refused, and what reaches the backend."""
import pytest

CHUNKED = "Transfer-Encoding: chunked\r\n"

REFUSED = {
    "bare LF ends a line": ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    "bare LF only": ("GET / HTTP/1.1\nHost: a\n\n", 400),
    "length and chunked": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" + CHUNKED + "\r\n0\r\n\r\n", 400),
    "two lengths": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "two equal lengths": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "length list": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3,3\r\n\r\nabc", 400),
    "length with sign": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
    "length overflow": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n", 400),
    "xchunked": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
    "identity, chunked": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n", 501),
    "chunked twice": ("POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + CHUNKED + "\r\n0\r\n\r\n", 400),
    "chunked in 1.0": ("POST / HTTP/1.0\r\nHost: a\r\n" + CHUNKED + "\r\n0\r\n\r\n", 400),
    "space before colon": ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "folded line": ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
    "NUL in value": ("GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n", 400),
    "bare CR in value": ("GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", 400),
    "no host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "host with slash": ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host with user": ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    "bad authority": ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT": ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
    "TRACE": ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "chunk ext ended by LF": ("POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + "\r\n3;x\nabc\r\n0\r\n\r\n", 400),
    "chunk size ended by LF": ("POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + "\r\n3\nabc\r\n0\r\n\r\n", 400),
    "chunk size 0x3": ("POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + "\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size overflow": ("POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + "\r\n10000000000000003\r\nabc\r\n", 400),
    "chunk without end": ("POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + "\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
    "encoded dot-dot": ("GET /x/%2e%2e%2fa HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "above the root": ("GET /../a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "encoded NUL": ("GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "broken escape": ("GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space in target": ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "fragment": ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "HTTP/2.0": ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "HTTP/0.9": ("GET /\r\n", 400),
    "Expect: foo": ("GET / HTTP/1.1\r\nHost: a\r\nExpect: foo\r\n\r\n", 417),
    "TLS hello": ("\x16\x03\x01\x02\x00\x01", 400),
    "head of 32 KB": ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "y" * 32768 + "\r\n\r\n", 431),
    "300 fields": ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 300 + "\r\n", 431),
    "target of 12 KB": ("GET /" + "a" * 12000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_closed(proxy, web, name):
    raw, status = REFUSED[name]
    with proxy.connect() as c:
        c.send(raw)
        answer = c.read_response()
        assert answer.status == status, answer.text
        assert answer["connection"] == "close" or name in ("TRACE", "encoded dot-dot", "above the root",
                                                          "encoded NUL", "broken escape")
        if answer["connection"] == "close":
            assert c.is_closed()
    assert all(r.body != b"abc" for r in web.requests)


FORWARDED = {
    "HTTP/1.2": ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "GET / HTTP/1.1"),
    "method in lower case": ("get / HTTP/1.1\r\nHost: a\r\n\r\n", "get / HTTP/1.1"),
    "absolute form": ("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1\r\nHost: b\r\n"),
    "dot segments": ("GET /x/../a?q=%2e HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a?q=%2e HTTP/1.1"),
    "empty lines first": ("\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /y HTTP/1.1"),
    "doubled slash stays": ("GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a//b HTTP/1.1"),
    "encoded slash stays": ("GET /q/%2F/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /q/%2F/x HTTP/1.1"),
    "HTTP/1.0 without host": ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: web\r\n"),
}


@pytest.mark.parametrize("name", FORWARDED)
def test_forwarded_as(proxy, web, name):
    raw, begin = FORWARDED[name]
    with proxy.connect() as c:
        c.send(raw)
        assert c.read_response().status == 200
    assert web.last.head.decode().startswith(begin)


def test_fields_that_do_not_pass(proxy, web):
    answer = proxy.get("/", **{
        "Connection": "X-Hop, Host, Authorization, keep-alive", "X-Hop": "1", "Authorization": "kept",
        "Keep-Alive": "timeout=5", "Proxy-Connection": "keep-alive", "TE": "trailers", "Via": "1.0 x",
        "X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6", "X-Forwarded-Proto": "https", "Forwarded": "for=6.6.6.6",
        "X-Request-Id": "forged", "Expect": "100-continue"})
    assert answer.status == 200
    got = web.last.fields
    assert not {"x-hop", "keep-alive", "proxy-connection", "te", "via", "forwarded", "connection", "expect"} & set(got)
    assert got["host"] == "shop.example" and got["authorization"] == "kept"
    assert got["x-forwarded-for"] == got["x-real-ip"] == "127.0.0.1"
    assert got["x-forwarded-proto"] == "http" and got["x-forwarded-host"] == "shop.example"
    assert len(got["x-request-id"]) == 16 and got["x-request-id"] != "forged"
    assert len([n for n, _ in web.last.pairs if n.lower() == "x-forwarded-for"]) == 1


def test_underscore_fields_are_dropped_and_counted(proxy, web):
    with proxy.connect() as c:
        c.send("GET / HTTP/1.1\r\nHost: a\r\nX_Real_IP: 6.6.6.6\r\n\r\n")
        assert c.read_response().status == 200
    assert "x_real_ip" not in web.last.fields
    assert proxy.counters()["underscore"] == 1


def test_trailers_and_extensions_are_dropped(proxy, web):
    with proxy.connect() as c:
        c.send("POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + "\r\n3;ext=1\r\nabc\r\n0\r\nX-Trailer: evil\r\n\r\n"
               "GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.read_response().status == 200
        assert b"/next" in c.read_response().body
    assert web.requests[0].body == b"abc" and "x-trailer" not in web.requests[1].fields


def test_get_with_a_body_keeps_it(proxy, web):
    with proxy.connect() as c:
        assert c.request("GET", "/", body=b"query").status == 200
    assert web.last.body == b"query"


def test_options_star_is_answered_here(proxy, web):
    with proxy.connect() as c:
        assert c.request("OPTIONS", "*").status == 204
    assert not web.requests


def test_h2c_upgrade_is_not_passed_on(proxy, web):
    proxy.get("/", **{"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"})
    assert not {"upgrade", "connection", "http2-settings"} & set(web.last.fields)


@pytest.mark.parametrize("raw, cause", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "more than one Content-Length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab", "Content-Length is not a number"),
    (b"HTTP/1.1 999 Odd\r\n\r\n", "status"),
    (b"garbage\r\n\r\n", "first line"),
    (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "CR LF"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "without being asked"),
])
def test_malformed_answers_of_a_backend(proxy, backend, raw, cause):
    bad = backend(handler=lambda request, connection: connection.sendall(raw))
    proxy.table([("web:8000", "web", "-", [bad])], ["upstream=web:8000 path=/"])
    answer = proxy.get("/")
    assert answer.status == 502 and 'The service "web"' in answer.text and cause in answer.text


def test_bytes_after_an_answer_are_no_answer(proxy, backend):
    """A backend that sends more than it announced: its connection is not used again."""
    def handler(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    bad = backend(handler=handler)
    proxy.table([("web:8000", "web", "-", [bad])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        assert [c.request("GET", f"/{n}").body for n in range(3)] == [b"ok"] * 3
    assert bad.connections == 3


def test_answer_with_chunked_and_length_uses_chunked(proxy, backend):
    one = backend(handler=lambda r, c: c.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    answer = proxy.get("/")
    assert answer.body == b"ok" and answer["content-length"] is None
