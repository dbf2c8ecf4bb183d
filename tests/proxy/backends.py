"""Backends: a small HTTP/1.1 server of threads whose behaviour a test decides."""
import itertools
import socket
import threading

instances = itertools.count(1)


class Request:
    def __init__(self, head, reader):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.pairs = [tuple(line.split(": ", 1)) for line in lines[1:-2]]
        self.fields = {name.lower(): value for name, value in self.pairs}
        self.head, self.reader, self.body = head, reader, b""

    def read_body(self):
        if self.fields.get("transfer-encoding") == "chunked":
            while True:
                size = int(self.reader.readline(), 16)
                self.body += self.reader.read(size)
                self.reader.readline()
                if not size:
                    break
        else:
            self.body = self.reader.read(int(self.fields.get("content-length", 0)))
        return self.body


def answer(body=b"", status="200 OK", fields=()):
    body = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n" + "".join(f"{f}\r\n" for f in fields)
    return head.encode("latin-1") + b"\r\n" + body


def echo(request, connection):
    """The default: the request's head and body, as it came."""
    connection.sendall(answer(request.head + request.body, fields=["Content-Type: text/plain"]))


class Backend:
    """handler(request, socket) answers; returning False closes the connection."""

    def __init__(self, handler=echo, reads_body=True, raw=None):
        self.handler, self.reads_body, self.raw = handler, reads_body, raw
        self.instance = next(instances)
        self.requests, self.connections, self.open = [], 0, set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.raw:
                self.raw(connection)
                return
            reader = connection.makefile("rb")
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = reader.readline()
                    if not line:
                        return
                    head += line
                request = Request(head, reader)
                if self.reads_body:
                    request.read_body()
                self.requests.append(request)
                if self.handler(request, connection) is False:
                    return
        except (OSError, ValueError):  # the proxy hung up, in the middle of a body perhaps
            pass
        finally:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
            self.open.discard(connection)

    @property
    def last(self):
        return self.requests[-1]

    def stop_listening(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self):
        for one in [self.listener, *list(self.open)]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
