"""linux.netDevices (runtime-spec config-linux.md §Network Devices), in a network namespace of the test's own."""
import json
import os
import subprocess

import pytest


class Net:
    """A namespace that plays the host. nsenter: `ip netns exec` would hide the cgroups under a new /sys."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)

    def ip(self, *args):
        subprocess.run(["ip", "-n", self.name, *args], check=True)

    def links(self):
        out = subprocess.run(["ip", "-n", self.name, "-j", "link"], stdout=subprocess.PIPE, check=True).stdout
        return {link["ifname"].split("@")[0] for link in json.loads(out)}

    def call(self, container, verb, *args):
        container.write()
        argv = ["nsenter", f"--net=/run/netns/{self.name}", container.program, "--root", container.state_root, verb, "--bundle",
                container.bundle, *args, container.id]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=30)


@pytest.fixture
def net(needs_root, project):
    made = Net(project)
    yield made
    subprocess.run(["ip", "netns", "del", project], check=True)


@pytest.fixture
def pair(net):
    """veth devices d0 and d1."""
    made = subprocess.run(["ip", "-n", net.name, "link", "add", "d0", "type", "veth", "peer", "name", "d1"], check=False)
    if made.returncode:
        pytest.skip("this kernel has no veth devices")
    return net


def addresses(text):
    return {f"{a['local']}/{a['prefixlen']}" for link in json.loads(text) for a in link["addr_info"] if a["scope"] == "global"}


def test_it_moves_with_its_addresses_and_is_up(pair, either):
    pair.ip("addr", "add", "10.9.0.2/24", "brd", "+", "dev", "d0")
    pair.ip("addr", "add", "fd00:9::2/64", "dev", "d0", "nodad")
    either.config["linux"]["netDevices"] = {"d0": {}}
    done = pair.call(either.shell("ip addr show d0"), "run")
    assert done.returncode == 0, done.stderr
    assert "inet 10.9.0.2/24 brd 10.9.0.255" in done.stdout and "inet6 fd00:9::2/64" in done.stdout
    assert ",UP" in done.stdout.split(">")[0]


def test_it_gets_another_name(pair, container):
    container.config["linux"]["netDevices"] = {"d0": {"name": "eth7"}}
    done = pair.call(container.shell("ip link | grep -c eth7; ip link | grep -c d0:"), "run")
    assert done.stdout.split() == ["1", "0"], done.stderr


def test_a_name_with_a_free_number(pair, container):
    container.config["linux"]["netDevices"] = {"d0": {"name": "eth%d"}, "d1": {"name": "eth%d"}}
    done = pair.call(container.shell("ls /sys/class/net"), "run")
    assert set(done.stdout.split()) == {"lo", "eth0", "eth1"}, done.stderr


def test_it_is_there_for_hooks(pair, container):
    seen = os.path.join(container.bundle, "seen")
    container.config["linux"]["netDevices"] = {"d0": {}}
    container.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"ip link >{seen}"]}]}
    assert pair.call(container.shell("true"), "run").returncode == 0
    with open(seen) as file:
        assert "d0" not in file.read()


def test_a_name_that_is_taken_is_refused(pair, container):
    container.config["linux"]["netDevices"] = {"d0": {"name": "lo"}}
    done = pair.call(container, "run")
    assert done.returncode == 1 and "linux.netDevices: move d0 as lo" in done.stderr and len(done.stderr.splitlines()) == 1
    assert {"d0", "d1"} <= pair.links() and container.cgroup_dirs() == []


def test_a_device_that_is_not_there(pair, container):
    container.config["linux"]["netDevices"] = {"nosuch0": {}}
    done = pair.call(container, "run")
    assert done.returncode == 1 and "nosuch0" in done.stderr


def test_without_a_network_namespace_it_is_refused(pair, container):
    spaces = container.config["linux"]["namespaces"]
    container.config["linux"]["namespaces"] = [e for e in spaces if e["type"] != "network"]
    container.config["linux"]["netDevices"] = {"d0": {}}
    done = pair.call(container, "run")
    assert done.returncode == 1 and "network namespace" in done.stderr and "d0" in pair.links()


def test_into_a_namespace_that_is_joined(pair, sleeper, new_container):
    other = new_container()
    for entry in other.config["linux"]["namespaces"]:
        if entry["type"] == "network":
            entry["path"] = f"/proc/{sleeper.state()['pid']}/ns/net"
    other.config["mounts"] = [m for m in other.config["mounts"] if m["type"] != "sysfs"]
    other.config["linux"]["maskedPaths"] = ["/proc/keys"]
    other.config["linux"]["netDevices"] = {"d0": {"name": "joined0"}}
    done = pair.call(other.shell("ip link show joined0"), "run")
    assert done.returncode == 0, done.stderr
    assert "joined0" in sleeper.exec("ip", "link").stdout
