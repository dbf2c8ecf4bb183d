"""`events`, held against go-runc's Event and Stats (events.go)."""
import json
import subprocess

import pytest

import cgroups

MIB = 1 << 20


def shape(value, kinds, path="data"):
    """Fails unless VALUE has the members and types that Go's decoder wants."""
    for key, kind in kinds.items():
        if key not in value:
            continue
        item = value[key]
        if isinstance(kind, dict):
            shape(item, kind, f"{path}.{key}")
        elif kind == "numbers":
            assert all(isinstance(n, int) and 0 <= n < 1 << 64 for n in (item.values() if isinstance(item, dict) else item)), f"{path}.{key}"
        elif kind == "io":
            for entry in item:
                shape(entry, {"major": int, "minor": int, "op": str, "value": int}, f"{path}.{key}[]")
        elif kind == "hugetlb":
            for size, entry in item.items():
                shape(entry, {"usage": int, "max": int, "failcnt": int}, f"{path}.{key}.{size}")
        else:
            assert isinstance(item, kind) and (kind is not int or 0 <= item < 1 << 64), f"{path}.{key}"


ENTRY = {"limit": int, "usage": int, "max": int, "failcnt": int}
STATS = {
    "cpu": {"usage": {"total": int, "percpu": "numbers", "kernel": int, "user": int},
            "throttling": {"periods": int, "throttledPeriods": int, "throttledTime": int}},
    "memory": {"cache": int, "usage": ENTRY, "swap": ENTRY, "kernel": ENTRY, "kernelTCP": ENTRY, "raw": "numbers"},
    "pids": {"current": int, "limit": int},
    "blkio": {"ioServiceBytesRecursive": "io", "ioServicedRecursive": "io"},
    "hugetlb": "hugetlb",
    "intel_rdt": dict,
}


@pytest.fixture
def running(new_container):
    def make(script="while :; do sleep 0.1; done", **rest):
        container = new_container()
        container.config["linux"]["resources"] = rest
        return container.shell(script).created()

    return make


def test_stats_once(running):
    container = running("sleep 1000", memory={"limit": 64 * MIB}, pids={"limit": 12}, cpu={"quota": 50000}).start()
    done = container.call("events", "--stats", container.id)
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    event = json.loads(done.stdout)
    assert (event["type"], event["id"]) == ("stats", container.id)
    data = event["data"]
    shape(data, STATS)
    assert data["pids"] == {"current": 1, "limit": 12}
    assert data["memory"]["usage"]["limit"] == 64 * MIB and 0 < data["memory"]["usage"]["usage"] < 64 * MIB
    assert data["memory"]["raw"] and data["cpu"]["usage"]["total"] > 0
    assert data["network_interfaces"] is None


def test_numbers_without_limits(running):
    container = running("sleep 1000").start()
    data = json.loads(container.call("events", "--stats", container.id).stdout)["data"]
    shape(data, STATS)
    assert data["pids"]["limit"] == 0 and data["memory"]["usage"]["limit"] > 1 << 60


def test_cpu_time_is_counted(running, wait_for):
    container = running("while :; do :; done").start()

    def used():
        return json.loads(container.call("events", "--stats", container.id).stdout)["data"]["cpu"]["usage"]["total"]

    first = used()
    wait_for(lambda: used() > first + 50_000_000, what="50 ms of CPU time")


def watch(container, *flags):
    argv = [container.program, "--root", container.state_root, "events", *flags, container.id]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_line_at_every_interval_until_the_end(running):
    container = running("sleep 1000").start()
    with watch(container, "--interval", "50ms") as process:
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert [line["type"] for line in lines] == ["stats"] * 3
        for line in lines:
            shape(line["data"], STATS)
        container.kill("KILL")
        assert process.wait(timeout=10) == 0 and process.stderr.read() == ""


def test_out_of_memory_is_an_event(running):
    cgroups.home("memory")
    container = running("exec tail /dev/zero", memory={"limit": 24 * MIB, "swap": 24 * MIB})
    with watch(container, "--interval", "50ms") as process:
        assert json.loads(process.stdout.readline())["type"] == "stats"  # it watches now
        container.start()
        lines = [json.loads(line) for line in process.stdout]
        assert process.wait(timeout=30) == 0
    told = [line for line in lines if line["type"] != "stats"]
    assert told and all(line == {"type": "oom", "id": container.id} for line in told)


@pytest.mark.parametrize("interval", ["0", "-1s", "soon", ""])
def test_a_bad_interval(running, interval):
    container = running("sleep 1000").start()
    done = container.call("events", f"--interval={interval}", container.id)
    assert done.returncode == 1 and "--interval" in done.stderr


def test_events_of_a_stopped_container(running, wait_for):
    container = running("exit 0").start()
    wait_for(lambda: container.status() == "stopped", what="its end")
    done = container.call("events", "--stats", container.id)
    assert done.returncode == 1 and "not running" in done.stderr
