"""Files from a directory that was handed to the proxy as a descriptor."""
import os
import socket

import pytest


@pytest.fixture
def files(proxy, scratch):
    root = os.path.join(scratch, "www")
    os.makedirs(os.path.join(root, "sub"))
    os.makedirs(os.path.join(root, ".git"))

    def write(name, data):
        with open(os.path.join(root, name), "wb") as file:
            file.write(data)
        os.chmod(os.path.join(root, name), 0o644)
    write("a.txt", b"0123456789")
    write("index.html", b"<h1>home</h1>")
    write("sub/index.html", b"<h1>sub</h1>")
    write("sub/ä ö.css", b"body{}")
    write("empty", b"")
    write("secret", b"no")
    os.chmod(os.path.join(root, "secret"), 0o600)
    write(".env", b"no")
    write(".git/config", b"no")
    write("big.bin", os.urandom(5_000_000))
    os.symlink("/etc/passwd", os.path.join(root, "outside"))
    os.symlink("../www/a.txt", os.path.join(root, "around"))
    os.symlink("a.txt", os.path.join(root, "inside"))
    os.mkfifo(os.path.join(root, "fifo"))
    proxy.command(f"dir 7 {root}")
    proxy.table([], ["kind=files dir=7 path=/static/ max_age=60", "kind=files dir=7 path=/plain/ index=",
                     "kind=files dir=9 path=/unknown/"])
    return root


def test_type_dates_and_caching(proxy, files):
    got = proxy.get("/static/a.txt")
    assert got.status == 200 and got.body == b"0123456789"
    assert got["content-type"] == "text/plain; charset=utf-8" and got["cache-control"] == "public, max-age=60"
    assert got["etag"] and got["last-modified"].endswith(" GMT") and got["accept-ranges"] == "bytes"
    same = proxy.get("/static/a.txt", If_None_Match=got["etag"])
    assert same.status == 304 and same.body == b"" and same["etag"] == got["etag"]
    assert proxy.get("/static/a.txt", If_None_Match='"x", W/' + got["etag"]).status == 304
    assert proxy.get("/static/a.txt", If_None_Match='"x"').status == 200
    assert proxy.get("/static/a.txt", If_Modified_Since=got["last-modified"]).status == 304
    assert proxy.get("/static/a.txt", If_Modified_Since="Sun, 06 Nov 1994 08:49:37 GMT").status == 200
    assert proxy.get("/static/a.txt", If_Match='"x"').status == 412


def test_index_and_redirect(proxy, files):
    assert proxy.get("/static/").body == b"<h1>home</h1>"
    assert proxy.get("/static/sub/").body == b"<h1>sub</h1>"
    for path, to in (("/static", "/static/"), ("/static/sub?x=1", "/static/sub/?x=1")):
        got = proxy.get(path)
        assert got.status == 301 and got["location"] == to
    assert proxy.get("/plain/").status == 404


@pytest.mark.parametrize("field, status, body, range_", [
    ("bytes=0-3", 206, b"0123", "bytes 0-3/10"), ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
    ("bytes=-3", 206, b"789", "bytes 7-9/10"), ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
    ("bytes=8-100", 206, b"89", "bytes 8-9/10"), ("bytes=10-", 416, b"", "bytes */10"),
    ("bytes=-0", 416, b"", "bytes */10"), ("bytes=3-2", 200, b"0123456789", None),
    ("bytes=0-1,3-4", 200, b"0123456789", None), ("lines=1-2", 200, b"0123456789", None),
])
def test_range(proxy, files, field, status, body, range_):
    got = proxy.get("/static/a.txt", Range=field)
    assert (got.status, got.body, got["content-range"]) == (status, body, range_)


def test_if_range(proxy, files):
    whole = proxy.get("/static/a.txt")
    assert proxy.get("/static/a.txt", Range="bytes=0-3", If_Range=whole["etag"]).status == 206
    assert proxy.get("/static/a.txt", Range="bytes=0-3", If_Range=whole["last-modified"]).status == 206
    assert proxy.get("/static/a.txt", Range="bytes=0-3", If_Range='"other"').status == 200


def test_head_and_methods(proxy, files):
    with proxy.connect() as c:
        got = c.request("HEAD", "/static/big.bin")
        assert got.status == 200 and got["content-length"] == "5000000" and got.body == b""
        assert c.request("GET", "/static/empty").body == b""
        refused = c.request("POST", "/static/a.txt", body=b"x")
        assert refused.status == 405 and refused["allow"] == "GET, HEAD"


def test_large_file_whole_and_in_part(proxy, files):
    with open(os.path.join(files, "big.bin"), "rb") as file:
        data = file.read()
    with proxy.connect() as c:
        for _ in range(2):
            assert c.request("GET", "/static/big.bin").body == data
        assert c.request("GET", "/static/big.bin", {"Range": "bytes=1000000-3999999"}).body == data[1000000:4000000]
        c.send("GET /static/big.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.read_response().body == data
        assert c.read_response().body == b"0123456789"


def test_escaped_names(proxy, files):
    got = proxy.get("/static/sub/%C3%A4%20%C3%B6.css")
    assert got.body == b"body{}" and got["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("path, status", [
    ("/static/nope", 404), ("/static/.env", 404), ("/static/.git/config", 404), ("/static/outside", 404),
    ("/static/around", 404), ("/static/secret", 403), ("/static/fifo", 404), ("/static/a.txt/", 404),
    ("/static/%2e%2e/%2e%2e/etc/passwd", 400), ("/static/..%2f..%2fetc/passwd", 400),
    ("/static/sub/..%5c..%5ca.txt", 404), ("/unknown/a.txt", 404), ("/static/" + "a" * 300, 404),
])
def test_not_served(proxy, files, path, status):
    got = proxy.get(path)
    assert got.status == status and b"root:" not in got.body and got.body != b"no"


def test_link_inside_is_followed(proxy, files):
    assert proxy.get("/static/inside").body == b"0123456789"
