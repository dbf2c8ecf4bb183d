"""podman with networks of its own (netavark), inside the test's private network namespace."""
from engines import IMAGE
from waiting import wait_for

import pytest

SERVE = "mkdir /w && echo page >/w/index.html && exec httpd -f -p 80 -h /w"


@pytest.fixture
def network(podman, needs_nat):
    if podman.world.run("test", "-x", "/usr/lib/podman/netavark").code != 0:
        pytest.skip("netavark is not installed (make deps-test)")
    needs_nat(podman)
    return podman


def start(podman, *words):
    name = podman.name()
    limit = ["--pids-limit", "0"] if podman.view == "v2" else []
    podman.ok("run", "-d", "--name", name, *limit, *words)
    return name


def fetch(podman, url):
    return podman.world.ok("busybox", "wget", "-qO-", url)


def test_a_published_port(network):
    name = start(network, "-p", "8123:80", IMAGE, "sh", "-c", SERVE)
    wait_for(lambda: fetch(network, "http://127.0.0.1:8123/") == "page", what="the server behind the port")
    address = network.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name)
    assert fetch(network, f"http://{address}/") == "page"
    network.ok("rm", "-f", "-t", "0", name)
    assert network.world.run("busybox", "wget", "-T", "2", "-qO-", "http://127.0.0.1:8123/").code != 0


def test_containers_of_a_network_find_each_other(network):
    net = network.name()
    network.ok("network", "create", net)
    server = start(network, "--network", net, IMAGE, "sh", "-c", SERVE)
    limit = ["--pids-limit", "0"] if network.view == "v2" else []
    client = ["run", "--rm", "--network", net, *limit, IMAGE, "sh", "-c"]
    address = network.ok("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", server)
    wait_for(lambda: network.ok(*client, f"wget -qO- http://{address}/") == "page", what="the server by its address")
    if network.world.run("test", "-x", "/usr/lib/podman/aardvark-dns").code == 0:
        wait_for(lambda: network.ok(*client, f"wget -qO- http://{server}/") == "page", what="the server by its name")
    network.ok("rm", "-f", "-t", "0", server)
    network.ok("network", "rm", net)


def test_no_network_has_a_loopback_only(podman):
    script = "ip -o link | wc -l; ip -o addr show lo; ip -o link show lo | grep -q LOOPBACK,UP && echo up"
    out = podman.output(IMAGE, "sh", "-c", script)
    assert out.startswith("1\n") and "127.0.0.1/8" in out and out.endswith("up")


def test_the_network_of_the_host(podman):
    limit = ["--pids-limit", "0"] if podman.view == "v2" else []
    there = podman.ok("run", "--rm", "--network", "host", *limit, IMAGE, "readlink", "/proc/self/ns/net")
    assert there == podman.world.ok("readlink", "/proc/self/ns/net")


def test_a_user_namespace_beside_a_bridge(network):
    limit = ["--pids-limit", "0"] if network.view == "v2" else []
    script = "ip -o -4 addr show eth0 | wc -l; ls /sys/class/net | wc -l"
    out = network.ok("run", "--rm", "--userns=auto", *limit, IMAGE, "sh", "-c", script)
    assert out.split() == ["1", "2"]
