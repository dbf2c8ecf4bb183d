"""Fixtures of the tests of svc-runtime below real clients. One engine per module, in a private machine (engines.py)."""
import hashlib
import io
import itertools
import json
import os
import shutil
import subprocess
import tarfile

import pytest

import engines
from engines import IMAGE, RUNTIME
from waiting import wait_for

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
DAEMONS = ("containerd", "ctr", "dockerd", "docker")
FILES = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n", "etc/group": "root:x:0:\nuser:x:1000:\n",
         "etc/text": "no program\n"}


def layer(busybox):
    """A busybox root file system as bytes of a tar."""
    out = io.BytesIO()
    applets = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(info)
        for name, text in FILES.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
        tar.add(os.path.realpath(busybox), "bin/busybox")
        for name in set(applets) - {"busybox"}:
            info = tarfile.TarInfo(f"bin/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    return out.getvalue()


@pytest.fixture(scope="session")
def image(busybox, tmp_path_factory):
    """A docker-archive with one image, which podman, ctr and docker all read."""
    root = layer(busybox)
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin:/usr/bin"], "Cmd": ["sh"]},
        "history": [{"created_by": "the tests of svc-runtime"}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(root).hexdigest()]}}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).encode()
    path = tmp_path_factory.mktemp("image") / "image.tar"
    with tarfile.open(path, "w") as tar:
        for entry, data in ((name, config), ("layer.tar", root), ("manifest.json", manifest)):
            info = tarfile.TarInfo(entry)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def skip_without(*programs):
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes namespaces, mounts and cgroups")
    for name in programs:
        if not shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            how = "CI=true make deps-test: it becomes a daemon of this machine" if name in DAEMONS else "make deps-test"
            pytest.skip(f"{name} is not installed ({how})")


def views():
    kinds = engines.hierarchies().values()
    found = ["v1"] if any(version == 1 and options == "memory" for version, options in kinds) else []
    return found + (["v2"] if any(version == 2 for version, _ in kinds) else [])


def private_machine(view, svc_runtime):
    if view not in views():
        pytest.skip(f"this machine has no cgroup {view}")
    world = engines.World(view)
    world.copy(svc_runtime, RUNTIME)
    return world


class Client:
    """One engine; its containers' names never repeat."""

    def __init__(self, world, program):
        self.world, self.program, self.view = world, program, world.view
        self.numbers = itertools.count(1)

    def name(self):
        return f"box{next(self.numbers)}"

    def __call__(self, *words, **rest):
        return self.world.run(*self.program, *words, **rest)

    def ok(self, *words, **rest):
        return self.world.ok(*self.program, *words, **rest)

    def terminal(self, *words, **rest):
        return self.world.terminal(*self.program, *words, **rest)


class Podman(Client):
    def options(self):
        # v2 here may have no controllers, and podman always asks for a limit of processes.
        return ["--network", "none", *(["--pids-limit", "0"] if self.view == "v2" else [])]

    def run(self, *words, **rest):
        """podman run --rm …, without a network."""
        return self("run", "--rm", *self.options(), *words, **rest)

    def output(self, *words, **rest):
        return self.ok("run", "--rm", *self.options(), *words, **rest)

    def start(self, *words):
        """A detached container; its name."""
        name = self.name()
        self.ok("run", "-d", "--name", name, *self.options(), *words)
        return name


def podman_in(world, image):
    world.copy(os.path.join(EXAMPLES, "podman/svc-runtime.conf"), "/etc/containers/containers.conf.d/svc-runtime.conf")
    world.write("/etc/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')
    world.write("/etc/subuid", "containers:100000:1000000\n")
    world.write("/etc/subgid", "containers:100000:1000000\n")
    podman = Podman(world, ["podman", "--root", "/var/lib/containers/storage", "--runroot", "/run/containers/storage",
                            "--tmpdir", "/run/libpod", "--storage-driver", "overlay"])
    podman.ok("load", "-q", "-i", image)
    return podman


def started(world, what, process, is_ready):
    def ready():
        return process.poll() is not None or is_ready()

    try:
        wait_for(ready, 40, what)
    except AssertionError:
        pytest.skip(f"{what} does not answer here: {last_words(world)}")
    if process.poll() is not None:
        pytest.skip(f"{what} does not start here: {last_words(world)}")


def last_words(world):
    with open(world.log) as file:
        return (file.read().strip().splitlines() or ["(it said nothing)"])[-1][-300:]


class Ctr(Client):
    def run(self, *words, options=(), **rest):
        """ctr run --rm OPTIONS image WORDS."""
        return self("run", "--rm", "--runc-binary", RUNTIME, *options, IMAGE, self.name(), *words, **rest)

    def output(self, *words, **rest):
        result = self.run(*words, **rest)
        assert result.code == 0, result
        return result.out.strip()

    def start(self, *words, options=()):
        name = self.name()
        self.ok("run", "-d", "--runc-binary", RUNTIME, *options, IMAGE, name, *words)
        return name


def containerd_in(world, image):
    world.copy(os.path.join(EXAMPLES, "containerd/config.toml"), "/etc/containerd/config.toml")
    address = "/run/containerd/containerd.sock"
    process = world.service("containerd", "--root", "/var/lib/containerd", "--state", "/run/containerd", "--address", address)
    ctr = Ctr(world, ["ctr", "--address", address])
    started(world, "containerd", process, lambda: ctr("version").code == 0)
    ctr.ok("image", "import", image)
    return ctr


class Docker(Client):
    def run(self, *words, **rest):
        return self("run", "--rm", "--network", "none", *words, **rest)

    def output(self, *words, **rest):
        return self.ok("run", "--rm", "--network", "none", *words, **rest)

    def start(self, *words):
        name = self.name()
        self.ok("run", "-d", "--name", name, "--network", "none", *words)
        return name


def docker_in(world, image):
    world.copy(os.path.join(EXAMPLES, "docker/daemon.json"), "/etc/docker/daemon.json")
    # Where packets cannot be translated it does without a bridge.
    network = [] if has_nat(world) else ["--iptables=false", "--bridge=none"]
    # The one of Debian: the PATH may have another.
    process = world.service("/usr/sbin/dockerd", *network)
    docker = Docker(world, ["/usr/bin/docker"])
    started(world, "dockerd", process, lambda: docker("version").code == 0)
    docker.ok("load", "-q", "-i", image)
    return docker


def has_nat(world):
    return world.run("iptables", "-t", "nat", "-S").code == 0


ENGINES = {
    # name: (what makes it in a private machine, programs that it needs)
    "podman": (podman_in, ("podman", "conmon")),
    "containerd": (containerd_in, ("containerd", "ctr")),
    "docker": (docker_in, ("dockerd", "docker", "containerd")),
}


def engine(name, view, svc_runtime, image):
    make, programs = ENGINES[name]
    skip_without(*programs, "unshare", "nsenter", "ip")
    world = private_machine(view or (views() or ["v1"])[0], svc_runtime)
    try:
        return make(world, image)
    except BaseException:
        world.close()
        raise


@pytest.fixture(scope="module")
def podman(svc_runtime, image):
    client = engine("podman", None, svc_runtime, image)
    yield client
    client.world.close()


@pytest.fixture(scope="module")
def podman_v2(svc_runtime, image):
    client = engine("podman", "v2", svc_runtime, image)
    yield client
    client.world.close()


@pytest.fixture(scope="module")
def ctr(svc_runtime, image):
    client = engine("containerd", None, svc_runtime, image)
    yield client
    client.world.close()


@pytest.fixture(scope="module")
def docker(svc_runtime, image):
    client = engine("docker", None, svc_runtime, image)
    yield client
    client.world.close()


@pytest.fixture
def new_engine(svc_runtime, image):
    """new_engine("podman"): one for this test alone."""
    made = []

    def make(name):
        made.append(engine(name, None, svc_runtime, image))
        return made[-1]

    yield make
    for client in made:
        client.world.close()


@pytest.fixture
def needs_nat():
    def check(client):
        if not has_nat(client.world):
            pytest.skip("this kernel has no address translation for iptables")

    return check
