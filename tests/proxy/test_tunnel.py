"""Upgraded connections and TCP listeners: bytes both ways, half-close, order."""
import base64
import hashlib
import os
import socket
import threading

from backends import Backend


def websocket_echo(request, connection):
    """Accepts the handshake and sends every frame back, unmasked; a close frame ends it."""
    key = request.fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    connection.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode() + b"\x81\x05hello")
    while True:
        head = request.reader.read(2)
        if len(head) < 2:
            return False
        size = head[1] & 127
        if size == 126:
            size = int.from_bytes(request.reader.read(2), "big")
        mask = request.reader.read(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(request.reader.read(size)))
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        connection.sendall(head[:1] + length + data)
        if head[0] & 15 == 8:
            return False


def frame(opcode, data):
    mask = b"\x11\x22\x33\x44"
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


HANDSHAKE = ("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def test_websocket_echo(proxy, backend, wait_for):
    one = backend(handler=websocket_echo)
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    with proxy.connect() as c:
        c.send(HANDSHAKE.encode() + frame(1, b"early"))
        status, fields = c.read_head()
        assert status == 101 and fields["upgrade"] == "websocket" and fields["connection"] == "Upgrade"
        assert fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert c.read_exactly(7) == b"\x81\x05hello" and c.read_exactly(7) == b"\x81\x05early"
        for size in (0, 1, 125, 126, 60000):
            data = os.urandom(size)
            c.send(frame(2, data))
            head = 2 if size < 126 else 4
            assert c.read_exactly(head + size)[head:] == data
        # the table changes, the connection stays
        proxy.table([("web:8000", "web", "stopped", [])], ["upstream=web:8000 path=/"])
        c.send(frame(1, b"still"))
        assert c.read_exactly(7) == b"\x81\x05still"
        c.send(frame(8, b""))
        assert c.read_exactly(2) == b"\x88\x00" and c.is_closed()
    wait_for(lambda: any('"GET /ws HTTP/1.1" 101' in line for line in proxy.lines))
    assert one.last.fields["upgrade"] == "websocket" and one.last.fields["connection"] == "Upgrade"


def test_refused_upgrade_is_an_ordinary_answer(proxy, web):
    with proxy.connect() as c:
        c.send(HANDSHAKE)
        assert c.read_response().status == 200
        assert c.request("GET", "/after").status == 200


def test_idle_tunnel_ends(proxy, backend):
    proxy.table([("web:8000", "web", "-", [backend(handler=websocket_echo)])], ["upstream=web:8000 path=/ tunnel=300"])
    with proxy.connect() as c:
        c.send(HANDSHAKE)
        assert c.read_head()[0] == 101
        assert c.read_to_end() == b"\x81\x05hello"


def tcp_echo(connection):
    """Sends back what comes; after the end of input says goodbye, then closes."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.sendall(b"goodbye")


def test_tcp_listener_half_close(proxy, backend):
    one = backend(raw=tcp_echo)
    port = proxy.listen(2, "tcp", "db:5432")
    proxy.table([("db:5432", "db", "-", [one])], [])
    data = os.urandom(3_000_000)
    with proxy.connect(port) as c:
        threading.Thread(target=lambda: c.send(data) or c.socket.shutdown(socket.SHUT_WR), daemon=True).start()
        assert c.read_to_end() == data + b"goodbye"


def test_tcp_listener_server_speaks_first_and_round_robin(proxy, backend):
    two = [backend(raw=lambda c, name=name: c.sendall(name)) for name in (b"one", b"two")]
    port = proxy.listen(2, "tcp", "db:5432")
    proxy.table([("db:5432", "db", "-", two)], [])
    got = []
    for _ in range(4):
        with proxy.connect(port) as c:
            got.append(c.read_to_end())
    assert sorted(got) == [b"one", b"one", b"two", b"two"]


def test_tcp_listener_without_endpoints(proxy, backend, wait_for):
    port = proxy.listen(2, "tcp", "db:5432")
    proxy.table([("db:5432", "db", "starting", [])], [])
    with proxy.connect(port) as c:
        assert c.read_to_end() == b""
    wait_for(lambda: any('"TCP db:5432"' in line and "no endpoint" in line for line in proxy.lines))
    gone, alive = backend(), backend(raw=tcp_echo)
    gone.stop_listening()
    proxy.table([("db:5432", "db", "-", [gone, alive])], [])
    for _ in range(4):
        with proxy.connect(port) as c:
            c.send(b"ping")
            assert c.read_exactly(4) == b"ping"


def test_slow_side_of_a_tunnel_holds_back_the_other(proxy):
    sent = threading.Event()

    def source(connection):
        connection.sendall(b"x" * 30_000_000)
        sent.set()
    one = Backend(raw=source)
    port = proxy.listen(2, "tcp", "db:5432")
    proxy.table([("db:5432", "db", "-", [one])], [])
    with proxy.connect(port) as c:
        assert c.read_exactly(1) == b"x"
        with open(f"/proc/{proxy.pid}/status") as status:
            assert next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) < 8192
        assert len(c.read_to_end()) == 30_000_000 - 1
    assert sent.is_set()
    one.close()
