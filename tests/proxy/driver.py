"""The engine's part, by lines to proxy_driver, and raw HTTP by sockets."""
import os
import socket
import subprocess
import threading
import time


class Proxy:
    def __init__(self, binary, scratch):
        self.lines = []
        self.fifo = os.path.join(scratch, "access")
        os.mkfifo(self.fifo)
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        self.driver = subprocess.Popen([binary, self.fifo], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        self.spawn()
        self.port = self.listen(1, "http")

    def _read_log(self):
        with open(self.fifo, encoding="latin-1") as log:
            for line in log:
                self.lines.append(line.rstrip("\n"))

    def command(self, line):
        self.driver.stdin.write(line + "\n")
        self.driver.stdin.flush()
        answer = self.driver.stdout.readline().split()
        assert answer and answer[0] == "ok", f"{line}: {' '.join(answer)}"
        return answer[1:]

    def spawn(self):
        self.pid = int(self.command("spawn")[0])

    def kill(self):
        self.command("kill")

    def listen(self, number, kind, upstream=""):
        return int(self.command(f"listen {number} {kind} {upstream}")[0])

    def table(self, upstreams, routes):
        """upstreams: (name, service, why, [backend…]); routes: "key=value …"."""
        for name, service, why, backends in upstreams:
            ends = " ".join(b if isinstance(b, str) else f"127.0.0.1:{b.port}:{b.instance}" for b in backends)
            self.command(f"upstream {name} {service} {why.replace(' ', '_')} {ends}")
        for route in routes:
            self.command("route " + route)
        return int(self.command("table")[0])

    def counters(self):
        return {key: int(value) for key, value in (pair.split("=") for pair in self.command("counters"))}

    def quit(self, milliseconds):
        return int(self.command(f"quit {milliseconds}")[0])

    def connect(self, port=None):
        return Connection(port or self.port)

    def get(self, path="/", **fields):
        """One request on a connection of its own."""
        with self.connect() as c:
            return c.request("GET", path, fields)

    def close(self):
        self.driver.stdin.close()
        self.driver.wait(timeout=10)
        self.stderr = self.driver.stderr.read()
        self.driver.stdout.close()
        self.driver.stderr.close()


class Response:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    @property
    def text(self):
        return self.body.decode("latin-1")

    def __getitem__(self, name):
        return self.fields.get(name.lower())


class Connection:
    """A client that sends exactly what it is told."""

    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def read_some(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return data

    def read_until(self, mark):
        while mark not in self.buffer:
            if not self.read_some():
                raise EOFError(f"the connection ended after {bytes(self.buffer)!r}")
        end = self.buffer.index(mark) + len(mark)
        found = bytes(self.buffer[:end])
        del self.buffer[:end]
        return found

    def read_exactly(self, count):
        while len(self.buffer) < count:
            if not self.read_some():
                raise EOFError(f"the connection ended {count - len(self.buffer)} bytes early")
        found = bytes(self.buffer[:count])
        del self.buffer[:count]
        return found

    def read_to_end(self):
        try:
            while self.read_some():
                pass
        except ConnectionResetError:
            pass
        found = bytes(self.buffer)
        self.buffer.clear()
        return found

    def is_closed(self):
        return not self.buffer and self.socket.recv(1) == b""

    def read_head(self):
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:-2]:
            name, value = line.split(": ", 1)
            fields[name.lower()] = f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
        return int(lines[0].split()[1]), fields

    def read_chunked(self):
        body = bytearray()
        while True:
            size = int(self.read_until(b"\r\n"), 16)
            piece = self.read_exactly(size + 2)
            assert piece[-2:] == b"\r\n"
            if not size:
                return bytes(body)
            body += piece[:-2]

    def read_response(self, head_only=False):
        status, fields = self.read_head()
        if head_only or status in (204, 304) or status < 200:
            body = b""
        elif fields.get("transfer-encoding") == "chunked":
            body = self.read_chunked()
        elif "content-length" in fields:
            body = self.read_exactly(int(fields["content-length"]))
        else:
            body = self.read_to_end()
        return Response(status, fields, body)

    def request(self, method, path, fields=None, body=None):
        fields = {"Host": "shop.example", **(fields or {})}
        if body is not None and "Transfer-Encoding" not in fields:
            fields["Content-Length"] = str(len(body))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in fields.items())
        self.send(head.encode("latin-1") + b"\r\n" + (body or b""))
        return self.read_response(head_only=method == "HEAD")


def elapsed(function):
    start = time.monotonic()
    function()
    return time.monotonic() - start
