"""netns/ from its public functions: what containers reach, what they do not, and that nothing stays."""
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from world import HOST_ADDR, METADATA_ADDR, OUTSIDE_ADDR, DriverError

REFUSED_TIMEOUT = 0.7  # a packet that is dropped has no other sign


def attach(driver, container, *endpoints):
    return driver.ask("attach", container.path, *endpoints)


def test_containers_reach_each_other_and_the_outside(host, engine):
    driver = engine()
    addr, mtu, network = driver.ask("up", "demo", host.pin("demo"), "yes", "default")
    assert network == "default,br-default,10.89.0.0/24,10.89.0.1"
    assert mtu == "1450"  # of the host's default route
    a, b = host.container(), host.container()
    attach(driver, a, "br-default/eth0/10.89.0.2/24/10.89.0.1")
    attach(driver, b, "br-default/eth0/10.89.0.3/24/10.89.0.1")
    assert driver.ask("same") == ["1"]
    assert a.ask("10.89.0.3", b.serve()) == "10.89.0.2"
    assert a.ask("127.0.0.1", a.serve("127.0.0.1")) == "127.0.0.1"
    assert a.ask(OUTSIDE_ADDR, host.outside.serve()) == HOST_ADDR  # masqueraded twice
    assert a.ask(addr, host.serve()).startswith("100.127.")  # host-gateway


def test_a_container_of_another_user_namespace(host, engine):
    driver = engine()
    driver.ask("up", "demo", host.pin("demo"), "yes", "default")
    container, peer = host.container("-U"), host.container()
    attach(driver, container, "br-default/eth0/10.89.0.2/24/10.89.0.1")
    attach(driver, peer, "br-default/eth0/10.89.0.3/24/10.89.0.1")
    assert peer.ask("10.89.0.2", container.serve()) == "10.89.0.3"
    assert container.ask(OUTSIDE_ADDR, host.outside.serve()) == HOST_ADDR


def test_what_is_closed(host, engine):
    driver = engine()
    front, back, other = host.container(), host.container(), host.container()
    _, _, *networks = driver.ask("up", "demo", host.pin("demo"), "yes", "front", "back:internal",
                                 "other=10.200.0.0/24")
    subnets = {n.split(",")[0]: n.split(",")[2].removesuffix(".0/24") for n in networks}
    for container, name in ((front, "front"), (back, "back"), (other, "other")):
        net = subnets[name]
        attach(driver, container, f"br-{name}/eth0/{net}.2/24/{net}.1")
    port, outside = other.serve(), host.outside.serve()
    metadata = host.outside.serve(METADATA_ADDR)
    assert host.ask(METADATA_ADDR, metadata) == HOST_ADDR
    assert front.ask(OUTSIDE_ADDR, outside) == HOST_ADDR
    closed = [
        (back, OUTSIDE_ADDR, outside),      # an internal network, although it has a default route here
        (front, METADATA_ADDR, metadata),
        (front, "10.200.0.2", port),        # another network of the stack
        (back, "10.200.0.2", port),
        (host, "10.200.0.2", port),         # by its default route: no way in
    ]
    for source, addr, number in closed:
        assert source.ask(addr, number, REFUSED_TIMEOUT).startswith("unreachable"), addr
    # Somebody outside who routes the stack's addresses by the host.
    host.outside.run("ip", "route", "add", "10.200.0.0/24", "via", HOST_ADDR)
    host.outside.run("ip", "route", "add", "100.64.0.0/10", "via", HOST_ADDR)
    assert host.outside.ask("10.200.0.2", port, REFUSED_TIMEOUT).startswith("unreachable")


def test_two_stacks_with_the_same_subnet(host, engine):
    driver_a, driver_b = engine(), engine()
    before = host.state()
    addr_a, *_ = driver_a.ask("up", "a", host.pin("a"), "yes", "default=172.20.0.0/16")
    addr_b, *_ = driver_b.ask("up", "b", host.pin("b"), "yes", "default=172.20.0.0/16")
    assert addr_a != addr_b
    a, b = host.container(), host.container()
    endpoint = "br-default/eth0/172.20.0.2/16/172.20.0.1"
    attach(driver_a, a, endpoint)
    attach(driver_b, b, endpoint)
    port = host.outside.serve()
    assert a.ask(OUTSIDE_ADDR, port) == b.ask(OUTSIDE_ADDR, port) == HOST_ADDR
    # From one to the other, by the address of its uplink's stack end.
    stack_b = addr_b.rsplit(".", 1)[0] + "." + str(int(addr_b.rsplit(".", 1)[1]) + 1)
    server = subprocess.Popen([*host.prefix, "nsenter", f"--net={host.pin('b')}", "python3", "-m", "http.server",
                               "8000"], stderr=subprocess.DEVNULL)
    host.children.append(server)
    assert a.ask(stack_b, 8000, REFUSED_TIMEOUT).startswith("unreachable")
    driver_a.ask("down", "a", host.pin("a"))
    assert "1" == host.run("cat", "/proc/sys/net/ipv4/ip_forward").strip()  # b needs it
    assert b.ask(OUTSIDE_ADDR, port) == HOST_ADDR
    server.kill()
    server.wait()
    driver_b.ask("down", "b", host.pin("b"))
    assert host.state() == before


@pytest.mark.parametrize("forward", ["0", "1"])
@pytest.mark.parametrize("redirects", ["0", "1"])
def test_down_leaves_the_host_as_it_was(host, engine, forward, redirects):
    host.run("sysctl", "-w", f"net.ipv4.ip_forward={forward}")
    host.run("sysctl", "-w", f"net.ipv4.conf.all.accept_redirects={redirects}")
    before = host.state()
    driver = engine()
    driver.ask("up", "demo", host.pin("demo"), "yes", "default")
    attach(driver, host.container(), "br-default/eth0/10.89.0.2/24/10.89.0.1")
    assert host.state() != before
    driver.ask("down", "demo", host.pin("demo"))
    assert host.state() == before
    driver.ask("down", "demo", host.pin("demo"))  # nothing to do
    assert host.state() == before


def test_without_egress_the_host_is_untouched(host, engine):
    before = host.state()
    driver = engine()
    addr, _, _ = driver.ask("up", "demo", host.pin("demo"), "no", "default")
    assert addr == "0.0.0.0"
    a, b = host.container(), host.container()
    attach(driver, a, "br-default/eth0/10.89.0.2/24")
    attach(driver, b, "br-default/eth0/10.89.0.3/24")
    assert a.ask("10.89.0.3", b.serve()) == "10.89.0.2"
    links = host.run("ip", "-br", "link")
    assert "svc-" not in links and host.run("nft", "list", "ruleset") == ""
    driver.ask("down", "demo", host.pin("demo"))
    assert host.state() == before


def test_egress_can_be_taken_away(host, engine):
    driver = engine()
    driver.ask("up", "demo", host.pin("demo"), "no", "default")
    without = host.state()
    driver.ask("up", "demo", host.pin("demo"), "yes", "default")
    a = host.container()
    attach(driver, a, "br-default/eth0/10.89.0.2/24/10.89.0.1")
    port = host.outside.serve()
    assert a.ask(OUTSIDE_ADDR, port) == HOST_ADDR
    driver.ask("up", "demo", host.pin("demo"), "no", "default")
    assert host.state() == without
    assert a.ask(OUTSIDE_ADDR, port, REFUSED_TIMEOUT).startswith("unreachable")


def test_an_engine_that_starts_again_finds_the_stack(host, engine):
    before = host.state()
    first = engine()
    words = first.ask("up", "demo", host.pin("demo"), "yes", "default", "back:internal")
    a = host.container()
    attach(first, a, "br-default/eth0/10.89.0.2/24/10.89.0.1")
    port = host.outside.serve()
    first.kill()
    assert a.ask(OUTSIDE_ADDR, port) == HOST_ADDR
    second = engine()
    assert second.ask("up", "demo", host.pin("demo"), "yes", "default", "back:internal") == words
    assert a.ask(OUTSIDE_ADDR, port) == HOST_ADDR
    second.kill()
    engine().ask("down", "demo", host.pin("demo"))
    assert host.state() == before


def test_networks_change(host, engine):
    driver = engine()
    driver.ask("up", "demo", host.pin("demo"), "yes", "one=10.1.0.0/24", "two")
    bridges = ["nsenter", f"--net={host.pin('demo')}", "ip", "-br", "-4", "addr", "show", "type", "bridge"]
    driver.ask("set", "three=10.1.0.0/24", "two:internal")
    text = host.run(*bridges)
    assert "br-one" not in text and "10.1.0.1/24" in text and "br-two" in text
    with pytest.raises(DriverError, match="network b: subnet 10.5.1.0/24 overlaps 10.5.0.0/16 of network a"):
        driver.ask("set", "a=10.5.0.0/16", "b=10.5.1.0/24")
    assert host.run(*bridges) == text


def test_an_endpoint_takes_the_place_of_a_dead_one(host, engine):
    driver = engine()
    driver.ask("up", "demo", host.pin("demo"), "no", "default")
    endpoint = "br-default/eth0/10.89.0.2/24"
    old, peer = host.container(), host.container()
    attach(driver, peer, "br-default/eth0/10.89.0.3/24")
    attach(driver, old, endpoint)
    new = host.container()
    attach(driver, new, endpoint)  # the old one's netns is still there
    assert peer.ask("10.89.0.2", new.serve()) == "10.89.0.3"
    driver.ask("detach", "10.89.0.2")
    driver.ask("detach", "10.89.0.2")
    assert "eth0" not in new.run("ip", "-br", "link")


def test_a_failed_attach_leaves_nothing(host, engine):
    driver = engine()
    driver.ask("up", "demo", host.pin("demo"), "no", "default")
    container = host.container()
    with pytest.raises(DriverError, match="there is no bridge br-none"):
        attach(driver, container, "br-default/eth0/10.89.0.2/24", "br-none/eth1/10.90.0.2/24")
    with pytest.raises(DriverError, match="default route"):  # a gateway that is not in the subnet
        attach(driver, container, "br-default/eth0/10.89.0.2/24/10.99.0.1")
    assert "eth0" not in container.run("ip", "-br", "link")
    assert "ve0a" not in host.run("nsenter", f"--net={host.pin('demo')}", "ip", "-br", "link")
    with pytest.raises(DriverError, match="shares the host's network namespace"):
        driver.ask("attach", "/proc/self/ns/net", "br-default/eth0/10.89.0.2/24")
    assert driver.ask("same") == ["1"]


def test_a_name_that_is_taken(host, engine):
    driver = engine()
    driver.ask("up", "demo", host.pin("one"), "yes", "default")
    before = host.state()
    with pytest.raises(DriverError, match="^4 .*project demo has a network already: svc demo at .*/one/stack"):
        engine().ask("up", "demo", host.pin("two"), "yes", "default")
    engine().ask("down", "demo", host.pin("two"))  # not the other's
    assert host.state() == before


def test_stacks_that_start_and_stop_at_the_same_moment(host, engine):
    before = host.state()
    names = [f"s{i}" for i in range(8)]
    drivers = {name: engine() for name in names}
    with ThreadPoolExecutor(len(names)) as pool:
        addrs = set(pool.map(lambda n: drivers[n].ask("up", n, host.pin(n), "yes", "default=172.20.0.0/16")[0], names))
        assert len(addrs) == len(names)
        list(pool.map(lambda n: drivers[n].ask("down", n, host.pin(n)), names))
    assert host.state() == before


def test_hash_collision_and_used_subnets(host, engine):
    """A foreign link with our name, and routes where the uplink would like to be."""
    host.run("ip", "link", "add", "svc-aefd3536", "type", "veth", "peer", "name", "foreign0")
    host.run("ip", "route", "add", "100.64.0.0/10", "via", OUTSIDE_ADDR)
    host.run("ip", "route", "add", "10.89.0.0/24", "via", OUTSIDE_ADDR)
    before = host.state()
    driver = engine()
    addr, _, network = driver.ask("up", "demo", host.pin("demo"), "yes", "default")
    assert addr.startswith("198.19.") and ",10.89.1.0/24," in network
    driver.ask("down", "demo", host.pin("demo"))
    assert host.state() == before


def strace(kind, call, number):
    return ("strace", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{kind}:when={number}")


@pytest.mark.parametrize("call", ["sendto", "mount", "setns", "unshare", "memfd_create", "flock", "clone"])
@pytest.mark.parametrize("kind", ["error=ENOMEM", "signal=KILL"])
def test_up_that_fails_or_dies_at_any_call(host, engine, kind, call):
    """The nth call fails: nothing is left. The engine dies there: the next `down` leaves nothing."""
    if not shutil.which("strace"):
        pytest.skip("needs strace, to make system calls fail")
    before = host.state()
    for number in range(1, 60):
        driver = engine(strace(kind, call, number))
        try:
            driver.ask("up", "demo", host.pin("demo"), "yes", "default", "back:internal=10.7.0.0/16")
            break  # it makes fewer calls than that
        except DriverError as error:
            assert host.state() == before, f"{call} {number}: {error}"
            assert driver.ask("same") == ["1"]
        except EOFError:
            cleaner = engine()
            cleaner.ask("down", "demo", host.pin("demo"))
            assert host.state() == before, f"{call} {number}"
            cleaner.kill()
        driver.kill()
    else:
        pytest.fail("up never succeeded")
    driver.kill()
    engine().ask("down", "demo", host.pin("demo"))
    assert number > 1 and host.state() == before


def test_listen_says_who_has_the_port(host, engine):
    driver = engine()
    (port,) = driver.ask("listen", "*", "0")
    assert "unreachable" not in host.run("python3", "-c", "import socket,sys; socket.create_connection("
                                         f"('127.0.0.1', {port})); print('ok')")
    with pytest.raises(DriverError) as error:
        engine().ask("listen", "127.0.0.1", port)
    pid = driver.process.pid
    assert str(error.value) == (f"4 listen on 127.0.0.1 port {port}: address already in use — "
                                f"\"netns_driver\" (pid {pid}) listens there: stop it, or choose another port")
    with pytest.raises(DriverError, match="^4 .*not an address of this machine"):
        driver.ask("listen", "198.51.100.1", "80")
    with pytest.raises(DriverError, match="^2 .*not an IPv4 or IPv6 address"):
        driver.ask("listen", "localhost", "80")


def test_nft_is_missing(host, engine):
    before = host.state()
    real = os.path.realpath(shutil.which("nft"))
    host.run("mount", "--bind", "/dev/null", real)  # in the host's own mount namespace: not executable
    try:
        with pytest.raises(DriverError, match="^3 .*the program nft is not installed — apt install nftables"):
            engine().ask("up", "demo", host.pin("demo"), "yes", "default")
    finally:
        host.run("umount", real)
    assert host.state() == before


@pytest.mark.alone
def test_attach_is_fast(host, engine):
    driver = engine()
    driver.ask("up", "demo", host.pin("demo"), "yes", "default")
    times = []
    for i in range(2, 10):
        times += [int(w) for w in attach(driver, host.container(), f"br-default/eth0/10.89.0.{i}/24/10.89.0.1")]
    assert sorted(times)[len(times) // 2] < 3000, times  # µs; the best half, since others use the machine
