"""Namespaces for the tests of netns/: a "host" with an "outside" beyond its default route, both made
here, so that nothing of the real host is touched. Each is held by a process that waits for the end
of its input; when it goes, all of it goes."""
import subprocess

HOST_ADDR, OUTSIDE_ADDR = "192.0.2.1", "192.0.2.9"
METADATA_ADDR = "169.254.169.254"

# Answers each connection with the address it came from.
SERVER = """
import socket, sys
s = socket.create_server((sys.argv[1], int(sys.argv[2])))
print(s.getsockname()[1], flush=True)
while True:
    c, peer = s.accept()
    c.sendall(peer[0].encode())
    c.close()
"""
CLIENT = """
import socket, sys
try:
    c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
    print(c.recv(64).decode())
except OSError as e:
    print("unreachable", e)
"""


class Namespace:
    """A network namespace, and where a mount namespace is asked for also that, held by a process."""

    def __init__(self, parent=None, unshare=("-n",)):
        self.children = []
        command = [*(parent.prefix if parent else []), "unshare", *unshare, "sh", "-c", "echo $$; exec cat"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = int(self.process.stdout.readline())
        self.path = f"/proc/{self.pid}/ns/net"
        self.prefix = ["nsenter", "-t", str(self.pid), "-n", "-m"]

    def run(self, *command, check=True, input=None):
        return subprocess.run([*self.prefix, *command], check=check, text=True, capture_output=True,
                              input=input, timeout=60).stdout

    def start(self, *command, **options):
        process = subprocess.Popen([*self.prefix, *command], stdin=subprocess.PIPE, text=True,
                                   stdout=subprocess.PIPE, **options)
        self.children.append(process)
        return process

    def serve(self, addr="0.0.0.0", port=0):
        return int(self.start("python3", "-c", SERVER, addr, str(port)).stdout.readline())

    def ask(self, addr, port, timeout=5):
        """The address that the server at ADDR sees, or "unreachable …"."""
        return self.run("python3", "-c", CLIENT, addr, str(port), str(timeout)).strip()

    def close(self):
        for process in [*self.children, self.process]:
            process.kill()
            process.wait()


class Driver:
    """A process that plays the engine: tests/net/netns_driver.c."""

    def __init__(self, host, binary, wrap=()):
        self.process = host.start(*wrap, binary)

    def ask(self, *words):
        """The words of the answer; DriverError when it is an error; EOFError when it died."""
        try:
            self.process.stdin.write(" ".join(words) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise EOFError from None
        line = self.process.stdout.readline()
        if not line:
            raise EOFError
        kind, _, rest = line.rstrip("\n").partition(" ")
        if kind == "err":
            raise DriverError(rest)
        return rest.split()

    def kill(self):
        self.process.kill()
        self.process.wait()


class DriverError(Exception):
    pass


class Host(Namespace):
    def __init__(self, scratch):
        super().__init__(unshare=("-n", "-m"))
        self.scratch = scratch
        self.containers = []
        self.outside = Namespace(self)
        # Without IPv6 addresses, which would appear some time later in what state() compares.
        for line in (f"link add up0 type veth peer name up0 netns {self.outside.pid}",
                     "link set up0 addrgenmode none", f"addr add {HOST_ADDR}/24 dev up0", "link set up0 up mtu 1450", "link set lo up"):
            self.run("ip", *line.split())
        for line in (f"addr add {OUTSIDE_ADDR}/24 dev up0", "link set up0 up", "link set lo up",
                     f"addr add {METADATA_ADDR}/32 dev lo"):
            self.outside.run("ip", *line.split())
        self.run("ip", "route", "add", "default", "via", OUTSIDE_ADDR)

    def container(self, *unshare):
        self.containers.append(Namespace(self, ("-n", *unshare)))
        return self.containers[-1]

    def pin(self, name):
        directory = self.scratch / name
        directory.mkdir(exist_ok=True)
        return str(directory / "stack")

    def state(self):
        """All that a stack could leave behind."""
        return "\n".join([
            self.run("nft", "list", "ruleset"), self.run("ip", "-br", "link"), self.run("ip", "-4", "-br", "addr"),
            self.run("ip", "route", "show", "table", "all"), self.run("cat", "/proc/sys/net/ipv4/ip_forward"),
            self.run("cat", "/proc/sys/net/ipv4/conf/all/accept_redirects"),
            # Of the mounts only ours: other tests mount at the same time.
            *sorted(line.split(" ", 4)[4] for line in self.run("cat", "/proc/self/mountinfo").splitlines()
                    if str(self.scratch) in line),
            *sorted(str(p) for p in self.scratch.rglob("*") if p.is_file()),
        ])
