"""runtime-spec config-linux.md §Control groups, on whichever layout this machine has."""
import ctypes
import json
import os
import stat
import subprocess
import time

import pytest

import cgroups

MIB = 1 << 20
NO_LIMIT_V1 = "9223372036854771712"
PR_SET_CHILD_SUBREAPER = 36


def resources(container, **rest):
    container.config["linux"]["resources"] = rest
    return container


@pytest.fixture
def idle(new_container):
    """idle(**resources): a running container that waits, with these limits."""

    def make(**rest):
        return resources(new_container(), **rest).shell("sleep 1000").created().start()

    return make


# limits: the resources, the controller, v1 file and text, v2 file and text
LIMITS = {
    "memory": ({"memory": {"limit": 64 * MIB}}, "memory", "memory.limit_in_bytes", str(64 * MIB), "memory.max", str(64 * MIB)),
    "memory unlimited": ({"memory": {"limit": -1}}, "memory", "memory.limit_in_bytes", NO_LIMIT_V1, "memory.max", "max"),
    "memory 0 is not set": ({"memory": {"limit": 0}}, "memory", "memory.limit_in_bytes", NO_LIMIT_V1, "memory.max", "max"),
    "reservation": ({"memory": {"reservation": 16 * MIB}}, "memory", "memory.soft_limit_in_bytes", str(16 * MIB), "memory.low", str(16 * MIB)),
    "swap": ({"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}, "memory", "memory.memsw.limit_in_bytes", str(96 * MIB), "memory.swap.max", str(32 * MIB)),
    "swap unlimited": ({"memory": {"limit": 64 * MIB, "swap": -1}}, "memory", "memory.memsw.limit_in_bytes", NO_LIMIT_V1, "memory.swap.max", "max"),
    "no swap": ({"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, "memory", "memory.memsw.limit_in_bytes", str(64 * MIB), "memory.swap.max", "0"),
    "kernel is ignored": ({"memory": {"limit": 64 * MIB, "kernel": -1}}, "memory", "memory.limit_in_bytes", str(64 * MIB), "memory.max", str(64 * MIB)),
    "TCP buffers": ({"memory": {"kernelTCP": 8 * MIB}}, "memory", "memory.kmem.tcp.limit_in_bytes", str(8 * MIB), "memory.max", "max"),
    "shares": ({"cpu": {"shares": 512}}, "cpu", "cpu.shares", "512", "cpu.weight", "59"),
    "quota and period": ({"cpu": {"quota": 20000, "period": 50000}}, "cpu", "cpu.cfs_quota_us", "20000", "cpu.max", "20000 50000"),
    "quota": ({"cpu": {"quota": 20000}}, "cpu", "cpu.cfs_quota_us", "20000", "cpu.max", "20000 100000"),
    "quota unlimited": ({"cpu": {"quota": -1, "period": 50000}}, "cpu", "cpu.cfs_period_us", "50000", "cpu.max", "max 50000"),
    "burst": ({"cpu": {"quota": 20000, "period": 50000, "burst": 10000}}, "cpu", "cpu.cfs_burst_us", "10000", "cpu.max.burst", "10000"),
    "idle": ({"cpu": {"idle": 1}}, "cpu", "cpu.idle", "1", "cpu.idle", "1"),
    "cpus": ({"cpu": {"cpus": "0"}}, "cpuset", "cpuset.cpus", "0", "cpuset.cpus", "0"),
    "mems": ({"cpu": {"mems": "0"}}, "cpuset", "cpuset.mems", "0", "cpuset.mems", "0"),
    "pids": ({"pids": {"limit": 17}}, "pids", "pids.max", "17", "pids.max", "17"),
    "pids unlimited": ({"pids": {"limit": -1}}, "pids", "pids.max", "max", "pids.max", "max"),
    "huge pages": ({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]}, "hugetlb", "hugetlb.2MB.limit_in_bytes", str(4 * MIB), "hugetlb.2MB.max", str(4 * MIB)),
    "reserved huge pages": ({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]}, "hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes", str(4 * MIB), "hugetlb.2MB.rsvd.max", str(4 * MIB)),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_in_force(idle, name):
    limits, controller, v1_file, v1_text, v2_file, v2_text = LIMITS[name]
    version, where = cgroups.home(controller)
    container = idle(**limits)
    if not os.path.exists(os.path.join(cgroups.folder(container, controller), v1_file if version == 1 else v2_file)):
        pytest.skip(f"this kernel has no {v1_file if version == 1 else v2_file}")
    assert cgroups.read(container, controller, v1_file, v2_file) == (v1_text if version == 1 else v2_text)
    assert str(container.state()["pid"]) in cgroups.read(container, controller, "cgroup.procs", "cgroup.procs").split()


@pytest.mark.parametrize("controller", ["memory", "cpu", "cpuacct", "pids", "devices"])
def test_every_container_has_a_place_in_these(idle, controller):
    if cgroups.layout() == "v2" and controller in ("cpuacct", "devices"):
        pytest.skip(f"cgroup v2 has no {controller} controller")
    if cgroups.layout() != "v2" and controller == "cpu":
        pytest.skip("a v1 group of cpu is made when a limit asks for it (next test)")
    cgroups.home(controller)
    container = idle()
    assert cgroups.read(container, controller, "cgroup.procs", "cgroup.procs").split() == [str(container.state()["pid"])]


def test_the_cpu_hierarchy_of_v1_is_for_limits_only(idle):
    """A group without a share of real-time would refuse SCHED_FIFO to its processes (sched-rt-group.rst)."""
    if cgroups.home("cpu")[0] == 2:
        pytest.skip("groups of cgroup v2 have no share of real-time")
    assert not os.path.exists(cgroups.folder(idle(), "cpu"))


def block_device():
    for name in sorted(os.listdir("/sys/block")):
        if name.startswith(("vd", "sd", "nvme", "xvd")):
            with open(f"/sys/block/{name}/dev") as file:
                return [int(n) for n in file.read().split(":")]
    pytest.skip("no block device of this machine can be limited")
    return None


def test_block_io_is_limited(idle):
    version, _ = cgroups.home("blkio")
    major, minor = block_device()
    here = {"major": major, "minor": minor}
    container = idle(blockIO={"throttleReadBpsDevice": [{**here, "rate": MIB}], "throttleWriteIOPSDevice": [{**here, "rate": 50}]})
    if version == 2:
        line = cgroups.read(container, "blkio", "", "io.max")
        assert line == f"{major}:{minor} rbps={MIB} wbps=max riops=max wiops=50"
    else:
        assert cgroups.read(container, "blkio", "blkio.throttle.read_bps_device", "") == f"{major}:{minor} {MIB}"
        assert cgroups.read(container, "blkio", "blkio.throttle.write_iops_device", "") == f"{major}:{minor} 50"


def test_the_weight_of_block_io(new_container):
    version, _ = cgroups.home("blkio")
    container = resources(new_container(), blockIO={"weight": 500}).shell("sleep 1000")
    done = container.create()
    if done.returncode != 0:
        assert version == 1 and "linux.resources.blockIO.weight" in done.stderr and "BFQ" in done.stderr
        assert container.cgroup_dirs() == []
        return
    assert cgroups.read(container, "blkio", "blkio.bfq.weight", "io.weight") in ("500", "default 4950", "default 500")


@pytest.mark.parametrize("limits, words", [
    ({"network": {"classID": 1}}, "network.classID"),
    ({"network": {"priorities": [{"name": "lo", "priority": 1}]}}, "network.priorities"),
    ({"rdma": {"mlx5_1": {"hcaHandles": 1}}}, "rdma"),
    ({"memory": {"swappiness": 10}}, "memory.swappiness"),
    ({"memory": {"disableOOMKiller": True}}, "memory.disableOOMKiller"),
    ({"cpu": {"realtimeRuntime": 1000}}, "cpu.realtimeRuntime"),
])
def test_a_limit_that_cannot_be_had_is_an_error_that_says_so(new_container, limits, words):
    container = resources(new_container(), **limits)
    done = container.run()
    if done.returncode == 0:
        assert cgroups.layout() != "v2"  # v1 has them all
        return
    assert done.returncode == 1 and f"linux.resources.{words}" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and " — " in done.stderr
    assert container.cgroup_dirs() == []


def test_kernel_memory_is_passed_over_with_a_word(container):
    cgroups.home("memory")
    done = resources(container, memory={"limit": 64 * MIB, "kernel": 32 * MIB}).run()
    assert done.returncode == 0 and "memory.kernel" in done.stderr and "no effect" in done.stderr


@pytest.mark.parametrize("limits, words", [
    ({"memory": {"limit": 64 * MIB, "swap": MIB}}, "less than memory.limit"),
    ({"memory": {"swappiness": 101}}, "not between 0 and 100"),
    ({"blockIO": {"weight": 5}}, "not between 10 and 1000"),
    ({"hugepageLimits": [{"pageSize": "../x", "limit": 1}]}, "pageSize"),
    ({"unified": {"memory/high": "1"}}, "the specified key has not the form CONTROLLER.VALUE"),
    ({"unified": {"memory./high": "1"}}, "must be a file name without any slash"),
    ({"unified": {"..": "1"}}, "CONTROLLER.VALUE"),
    ({"unified": {"foo.bar": "1"}}, "the requested cgroup controller `foo` is not available"),
])
def test_what_makes_no_sense_is_refused(container, limits, words):
    key = next(iter(limits))
    if key == "hugepageLimits":
        cgroups.home("hugetlb")
    if key == "blockIO":
        cgroups.home("blkio")
    if key == "memory":
        cgroups.home("memory")
    assert words in resources(container, **limits).error()
    assert container.cgroup_dirs() == []


# ---- unified


def test_unified_is_written_where_v2_has_the_controller(new_container):
    name, file, text = ("memory", "memory.high", str(64 * MIB)) if cgroups.layout() == "v2" else ("hugetlb", "hugetlb.2MB.max", str(4 * MIB))
    container = resources(new_container(), unified={file: text}).shell("sleep 1000")
    if not cgroups.has(name) or cgroups.home(name)[0] != 2:
        assert "not available on cgroup v2" in container.error()
        return
    container.created()
    assert cgroups.read(container, name, "", file) == text


def test_unified_wins_over_the_others_and_takes_lines(idle):
    cgroups.needs_v2()
    major, minor = block_device()
    container = idle(memory={"limit": 64 * MIB},
                     unified={"memory.max": str(32 * MIB), "io.max": f"{major}:{minor} rbps=1048576\n{major}:{minor} wiops=9", "cpu.weight": ""})
    assert cgroups.read(container, "memory", "", "memory.max") == str(32 * MIB)
    assert cgroups.read(container, "blkio", "", "io.max") == f"{major}:{minor} rbps=1048576 wbps=max riops=max wiops=9"


@pytest.mark.parametrize("file", ["procs", "threads", "kill", "freeze", "type", "subtree_control", "pressure", "max", "max.depth.x"])
def test_unified_writes_no_file_of_the_core_but_limits(container, file):
    cgroups.v2_mount()
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            before = open(f"/proc/{process.pid}/cgroup").read()
            line = resources(container, unified={f"cgroup.{file}": str(process.pid)}).error()
            assert f'linux.resources.unified["cgroup.{file}"]: is no limit' in line
            assert process.poll() is None and open(f"/proc/{process.pid}/cgroup").read() == before
            assert container.cgroup_dirs() == []
        finally:
            process.kill()


def test_unified_limits_cgroups_below(idle):
    where = cgroups.v2_mount()
    container = idle(unified={"cgroup.max.depth": "3", "cgroup.max.descendants": "5"})
    for file, text in (("depth", "3"), ("descendants", "5")):
        assert open(f"{where}{container.config['linux']['cgroupsPath']}/cgroup.max.{file}").read().strip() == text


def test_unified_names_a_file_that_is_not_there(container):
    cgroups.needs_v2()
    line = resources(container, unified={"memory.DOESNTEXIST": "x"}).error()
    assert "not found" in line and "memory.DOESNTEXIST" in line


# ---- what limits do


def test_the_pids_limit_holds(container):
    cgroups.home("pids")
    container.shell("for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all")
    done = resources(container, pids={"limit": 5}).run()
    assert "fork" in done.stderr and "all" not in done.stdout


def test_a_pids_limit_of_nothing_leaves_the_first_process(container):
    cgroups.home("pids")
    container.config["ociVersion"] = "1.3.0"  # before, 0 was no limit
    container.config["process"]["args"] = ["cat", "/sys/fs/cgroup/pids.max" if cgroups.layout() == "v2" else "/sys/fs/cgroup/pids/pids.max"]
    assert resources(container, pids={"limit": 0}).output().strip() == "1"


def test_the_cpuset_holds(container):
    cgroups.home("cpuset")
    assert resources(container, cpu={"cpus": "0"}).shell("nproc; grep Cpus_allowed_list /proc/self/status").output().split() == [
        "1", "Cpus_allowed_list:", "0"]


def test_a_path_of_many_parts_has_a_cpuset(container):
    version, where = cgroups.home("cpuset")
    container.config["linux"]["cgroupsPath"] = f"/svc-runtime-test-{container.id}/a/{container.id}"
    try:
        assert resources(container, cpu={"cpus": "0"}).shell("nproc").output() == "1\n"
    finally:
        for _, _, where in cgroups.mounts():
            for path in (f"{where}/svc-runtime-test-{container.id}/a", f"{where}/svc-runtime-test-{container.id}"):
                if os.path.isdir(path):
                    os.rmdir(path)


DEVICE = "mknod /tmp/x c 240 7; cat /tmp/x"


@pytest.mark.parametrize("rules, is_allowed", [
    ([], False),
    ([{"allow": False, "access": "rwm"}], False),
    ([{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 240, "minor": 7, "access": "r"}], True),
    ([{"allow": True, "type": "c", "major": 240, "access": "rw"}], True),
    ([{"allow": True, "type": "c", "major": 240, "minor": 8, "access": "rw"}], False),
    ([{"allow": True, "type": "c", "major": 240, "access": "w"}], False),
    ([{"allow": True, "type": "b", "major": 240, "access": "rw"}], False),
    ([{"allow": True, "access": "rwm"}], True),
    ([{"allow": True, "access": "rwm"}, {"allow": False, "type": "c", "major": 240, "minor": 7, "access": "rw"}], False),
])
def test_device_rules_hold(container, rules, is_allowed):
    container.capabilities("CAP_MKNOD")
    for mount in container.config["mounts"]:
        mount.get("options", [])[:] = [o for o in mount.get("options", []) if o != "nodev"]
    resources(container, devices=rules)
    words = container.shell(DEVICE).run().stderr
    assert ("not permitted" in words) != is_allowed, words
    assert container.shell("cat /dev/null; head -c 3 /dev/zero | wc -c").output().strip() == "3"


# ---- out of memory

HOG = ["tail", "/dev/zero"]


def test_run_says_that_memory_was_the_cause(container):
    cgroups.home("memory")
    container.config["process"]["args"] = HOG
    done = resources(container, memory={"limit": 24 * MIB, "swap": 24 * MIB}).run()
    assert done.returncode == 137
    assert done.stderr.strip().splitlines()[-1] == f'svc-runtime: container "{container.id}" was killed: out of memory (memory.limit 24 MiB)'
    assert container.cgroup_dirs() == []


def test_a_shell_whose_child_was_killed_says_it_too(container):
    cgroups.home("memory")
    container.shell("tail /dev/zero; exit $?")
    done = resources(container, memory={"limit": 24 * MIB, "swap": 24 * MIB}).run()
    assert done.returncode == 137 and "out of memory" in done.stderr


def test_state_has_the_cause_until_delete(container, wait_for):
    cgroups.home("memory")
    container.config["process"]["args"] = HOG
    resources(container, memory={"limit": 24 * MIB, "swap": 24 * MIB}).created()
    assert "exitCause" not in container.state()
    container.start()
    wait_for(lambda: container.status() == "stopped", deadline=30, what="its end")
    assert container.state()["exitCause"] == "oom"
    assert container.delete().returncode == 0


@pytest.fixture
def reaper():
    """Containers become our children when `create` ends: zombies, until we wait for them."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0


@pytest.mark.parametrize("script, cause", [("exit 3", None), ("exit 137", "oom"), ("exec tail /dev/zero", "oom")])
def test_an_end_of_its_own_has_no_cause_although_a_child_was_killed(reaper, container, wait_for, script, cause):
    cgroups.home("memory")
    container.shell(f"tail /dev/zero; {script}")
    resources(container, memory={"limit": 24 * MIB, "swap": 24 * MIB}).created()
    pid = container.state()["pid"]
    try:
        container.start()
        wait_for(lambda: container.status() == "stopped", deadline=30, what="its end")
        assert container.state().get("exitCause") == cause
    finally:
        container.delete("--force")
        os.waitpid(pid, 0)


def test_another_end_has_no_cause(new_container, wait_for):
    killed = new_container().shell("sleep 1000").created().start()
    killed.kill("KILL")
    wait_for(lambda: killed.status() == "stopped", what="its end")
    assert "exitCause" not in killed.state()
    done = new_container().shell("kill -9 $$; exit 137").run()
    assert (done.returncode, done.stderr) == (137, "")


# ---- the path


@pytest.mark.parametrize("path", ["/a/../../b", "..", "a/.."])
def test_a_path_with_dots_is_refused(container, path):
    container.config["linux"]["cgroupsPath"] = path
    assert '".."' in container.error() or "`..`" in container.error()


@pytest.mark.parametrize("path", ["system.slice:svc:one", "user-1000.slice:libpod:abc", ":svc:one"])
def test_a_path_for_systemd_is_refused_with_the_way_out(container, path):
    container.config["linux"]["cgroupsPath"] = path
    line = container.error()
    assert "systemd cgroup driver" in line and "cgroup_manager" in line and "native.cgroupdriver=cgroupfs" in line


def test_the_systemd_driver_is_refused_with_the_way_out(container):
    container.write()
    done = container.call("run", "--bundle", container.bundle, container.id, before=["--systemd-cgroup"])
    assert done.returncode == 1 and "native.cgroupdriver=cgroupfs" in done.stderr


@pytest.mark.parametrize("form", ["{}", "/{}", "//{}/.", "./{}"])
def test_relative_and_absolute_paths_are_the_same(container, form):
    name = f"svc-runtime-test-{container.id}"
    container.config["linux"]["cgroupsPath"] = form.format(name)
    container.shell("sleep 1000").created()
    assert container.cgroup_dirs() and all(os.path.basename(path) == name for path in container.cgroup_dirs())
    assert {os.path.dirname(path) for path in container.cgroup_dirs()} <= {where for _, _, where in cgroups.mounts()}


def test_no_path_is_below_our_own(container):
    container.config["linux"]["cgroupsPath"] = ""
    container.shell("sleep 1000").created()
    assert all(path.endswith(f"/svc-runtime/{container.id}") for path in container.cgroup_dirs())
    assert container.delete("--force").returncode == 0
    assert container.cgroup_dirs() == []


def test_the_cgroup_of_another_container_is_refused_and_left_alone(idle, new_container):
    first = idle(**({"pids": {"limit": 9}} if cgroups.has("pids") else {}))
    second = new_container()
    second.config["linux"]["cgroupsPath"] = first.config["linux"]["cgroupsPath"]
    line = resources(second).error()
    assert "has processes in it" in line
    assert first.status() == "running"
    if cgroups.has("pids"):
        assert cgroups.read(first, "pids", "pids.max", "pids.max") == "9"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_cgroup_with_processes_below_is_refused(container, version):
    """As of a slice of the machine: delete --force would end all in it."""
    where = cgroups.v2_mount() if version == "v2" else cgroups.home("pids")[1]
    path = where + container.config["linux"]["cgroupsPath"]
    os.makedirs(path + "/below")
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            with open(path + "/below/cgroup.procs", "w") as file:
                file.write(str(process.pid))
            assert "has processes in it" in container.error()
            assert container.cgroup_dirs() == [path] and process.poll() is None
        finally:
            process.kill()
            process.wait()
            os.rmdir(path + "/below")
            os.rmdir(path)


def test_an_empty_cgroup_that_is_there_is_taken(container):
    version, where = cgroups.home("pids")
    os.mkdir(where + container.config["linux"]["cgroupsPath"])
    assert container.shell("echo in").output() == "in\n"
    assert container.cgroup_dirs() == []


def test_a_frozen_cgroup_is_refused(container):
    version, where = (2, cgroups.v2_mount()) if cgroups.layout() != "v1" else cgroups.home("freezer")
    path = where + container.config["linux"]["cgroupsPath"]
    os.mkdir(path)
    with open(os.path.join(path, "cgroup.freeze" if version == 2 else "freezer.state"), "w") as file:
        file.write("1" if version == 2 else "FROZEN")
    try:
        assert "is frozen" in container.error()
        assert container.cgroup_dirs() == [path]
    finally:
        os.rmdir(path)


@pytest.fixture
def above(container):
    """A cgroup above the container's: its path, the file that freezes it, and the words for that and for thawing."""
    version, where = (2, cgroups.v2_mount()) if cgroups.layout() != "v1" else cgroups.home("freezer")
    name = f"/svc-runtime-test-above-{container.id}"
    container.config["linux"]["cgroupsPath"] = f"{name}/inner-{container.id}"
    os.mkdir(where + name)
    yield (where + name, "/cgroup.freeze", "1", "0") if version == 2 else (where + name, "/freezer.state", "FROZEN", "THAWED")
    for _, _, mount in cgroups.mounts():
        for path in (f"{mount}{name}/inner-{container.id}", mount + name):
            if os.path.exists(path):
                os.rmdir(path)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_cgroup_below_a_frozen_one_is_refused(container, above, is_there):
    path, file, frozen, _ = above
    if is_there:
        os.mkdir(f"{path}/inner-{container.id}")
    with open(path + file, "w") as freezer:
        freezer.write(frozen)
    line = container.error()
    assert "is frozen" in line and "above it" in line
    assert container.states() == [] and os.path.exists(f"{path}/inner-{container.id}") == is_there


@pytest.mark.parametrize("claim, is_killed", [("true\n", True), ("", False)])
def test_delete_after_a_killed_create_ends_whom_it_had_put_into_its_cgroup(container, claim, is_killed):
    """What create writes before there is a state. Killed earlier, it had not seen yet whether the cgroup is another's.
    Frozen, and not started by a create that died, the process ends by nothing else."""
    path = cgroups.v2_mount() + container.config["linux"]["cgroupsPath"]
    os.makedirs(os.path.join(container.state_root, container.id))
    with open(os.path.join(container.state_root, container.id, "state.json.next"), "w") as file:
        file.write(json.dumps(container.config["linux"]["cgroupsPath"]) + "\n" + claim)
    os.mkdir(path)
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            for name, text in (("procs", str(process.pid)), ("freeze", "1")):
                with open(f"{path}/cgroup.{name}", "w") as file:
                    file.write(text)
            begun = time.monotonic()
            done = container.delete("--force")
            assert done.returncode == 0 and container.states() == [], done.stderr
            assert time.monotonic() - begun < 5 and os.path.exists(path) != is_killed
            assert is_killed or process.poll() is None
        finally:
            process.kill()
            process.wait()
            if os.path.exists(path):
                os.rmdir(path)


def test_create_claims_its_cgroup(container):
    container.created()
    with open(os.path.join(container.state_root, container.id, "state.json")) as file:
        assert [file.readline(), file.readline()] == [json.dumps(container.config["linux"]["cgroupsPath"]) + "\n", "true\n"]


def test_a_parent_with_processes_is_named_when_it_keeps_a_controller_back(container):
    cgroups.needs_v2()
    parent = f"/sys/fs/cgroup/svc-runtime-test-{container.id}"
    os.mkdir(parent)
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            with open(parent + "/cgroup.procs", "w") as file:
                file.write(str(process.pid))
            container.config["linux"]["cgroupsPath"] = f"/svc-runtime-test-{container.id}/inner"
            line = resources(container, memory={"limit": MIB * 64}).error()
            assert "linux.resources.memory.limit" in line and "cgroup.subtree_control" in line
            assert not os.path.exists(parent + "/inner")
        finally:
            process.kill()
            process.wait()
            os.rmdir(parent)


def test_a_threaded_parent_gets_a_threaded_child(container):
    cgroups.needs_v2()
    parent = f"/sys/fs/cgroup/svc-runtime-test-{container.id}"
    os.mkdir(parent)
    os.mkdir(parent + "/threads")
    try:
        with open(parent + "/threads/cgroup.type", "w") as file:
            file.write("threaded")
        container.config["linux"]["cgroupsPath"] = f"/svc-runtime-test-{container.id}/inner"
        container.shell("echo in")
        assert container.output() == "in\n"
    finally:
        os.rmdir(parent + "/threads")
        os.rmdir(parent)


# ---- cgroups that the container makes

# Moves the shell to a directory of its own, and a child to a deeper one, wherever it can.
NEST = """
for top in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -e $top/cgroup.procs ] || continue
    mkdir -p $top/inner/most 2>/dev/null && echo 0 >$top/inner/cgroup.procs
done
sleep 1000 &
for top in /sys/fs/cgroup /sys/fs/cgroup/*; do [ ! -e $top/inner/most ] || echo $! >$top/inner/most/cgroup.procs; done
echo moved
trap 'exit 7' TERM
while :; do sleep 1; done
"""


def writable_cgroups(container):
    for mount in container.config["mounts"]:
        if mount["type"] == "cgroup":
            mount["options"] = ["nosuid", "noexec", "nodev", "relatime", "rw"]
    return container


@pytest.fixture
def nest(new_container, wait_for):
    container = writable_cgroups(new_container()).shell(NEST).created().start()
    wait_for(lambda: container.log() == "moved\n", what="its own cgroups")
    return container


def pids_of(container):
    return json.loads(container.call("ps", "--format", "json", container.id).stdout)


def test_processes_in_cgroups_of_their_own_are_listed(nest):
    assert len(pids_of(nest)) >= 2 and nest.state()["pid"] in pids_of(nest)


def test_they_are_frozen_and_thawed(nest):
    assert nest.call("pause", nest.id).returncode == 0
    assert nest.status() == "paused"
    assert nest.call("resume", nest.id).returncode == 0
    assert nest.status() == "running"


def test_they_are_killed_and_their_cgroups_removed(nest, wait_for):
    pids = pids_of(nest)
    assert nest.call("kill", "--all", nest.id, "KILL").returncode == 0
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/root") for pid in pids), what="their end")
    wait_for(lambda: nest.status() == "stopped", what="the end of the first")
    assert nest.delete().returncode == 0
    assert nest.cgroup_dirs() == []


def test_kill_ends_a_paused_container(nest, wait_for):
    assert nest.call("pause", nest.id).returncode == 0
    assert nest.kill("KILL").returncode == 0
    wait_for(lambda: nest.status() == "stopped", what="its end")


def test_delete_ends_what_the_container_froze_itself(nest):
    done = nest.exec("sh", "-c", "f=/sys/fs/cgroup; for t in $f/freezer $f/unified $f; do for n in cgroup.freeze freezer.state; do "
                     "[ ! -e $t/inner/most/$n ] || { [ $n = cgroup.freeze ] && echo 1 || echo FROZEN; } >$t/inner/most/$n; done; done")
    assert done.returncode == 0, done.stderr
    assert nest.delete("--force").returncode == 0
    assert nest.cgroup_dirs() == []


def test_exec_goes_where_the_container_is(nest):
    assert nest.exec("true").returncode == 0


def test_exec_in_a_cgroup_of_the_containers(nest):
    done = nest.exec("cat", "/proc/self/cgroup", options=["--cgroup", "inner/most"])
    assert done.returncode == 0 and ":/inner/most" in done.stdout, (done.stdout, done.stderr)


@pytest.mark.parametrize("path", ["../outside", "./../outside", "inner/..", "inner/../../outside"])
def test_exec_stays_in_the_container(nest, path):
    done = nest.exec("true", options=["--cgroup", path])
    assert done.returncode == 255 and "`..` components are not allowed" in done.stderr and path in done.stderr


def test_exec_in_a_cgroup_that_is_not_there(nest):
    done = nest.exec("true", options=["--cgroup", "nowhere"])
    assert done.returncode == 255 and "nowhere" in done.stderr


def test_exec_when_the_containers_own_cgroup_takes_nobody(nest):
    cgroups.needs_v2()
    with open(cgroups.v2_mount() + nest.config["linux"]["cgroupsPath"] + "/cgroup.subtree_control", "w") as file:
        file.write("+memory")
    done = nest.exec("cat", "/proc/self/cgroup")
    assert done.returncode == 0 and done.stdout.strip() == "0::/inner"


# ---- delegation


@pytest.mark.parametrize("is_writable", [True, False])
def test_the_cgroup_is_the_containers_when_it_may_write(userns, is_writable):
    cgroups.needs_v2()
    if is_writable:
        writable_cgroups(userns)
    userns.shell("sleep 1000").created()
    folder = cgroups.v2_mount() + userns.config["linux"]["cgroupsPath"]
    owner = 1_200_000_000 if is_writable else 0
    with open("/sys/kernel/cgroup/delegate") as file:
        delegated = file.read().split()
    for name in os.listdir(folder):
        assert os.stat(os.path.join(folder, name)).st_uid == (owner if name in delegated else 0), name
    assert os.stat(folder).st_uid == owner and stat.S_IMODE(os.stat(folder).st_mode) == 0o755


def test_a_container_of_its_own_user_makes_cgroups(userns):
    cgroups.needs_v2()
    writable_cgroups(userns)
    userns.shell("mkdir /sys/fs/cgroup/mine && echo 0 >/sys/fs/cgroup/mine/cgroup.procs && cat /proc/self/cgroup; "
                 "echo 1 >/sys/fs/cgroup/pids.max || echo kept")
    assert userns.output() == "0::/mine\nkept\n"
    assert userns.cgroup_dirs() == []


def test_v1_is_never_given_away(userns):
    if cgroups.layout() == "v2":
        pytest.skip("v2 alone here")
    writable_cgroups(userns).shell("sleep 1000").created()
    for folder in userns.cgroup_dirs():
        assert os.stat(folder).st_uid == 0 and os.stat(os.path.join(folder, "cgroup.procs")).st_uid == 0
