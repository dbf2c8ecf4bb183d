"""runtime-spec config.md §Process and the namespaces it runs in."""
import os
import resource
import subprocess

import pytest

from waiting import wait_for


def capability_sets(text):
    return {line.split(":")[0]: int(line.split(":")[1], 16) for line in text.splitlines() if line.startswith("Cap")}


def test_capabilities_are_exactly_those_of_the_configuration(either):
    either.capabilities("CAP_CHOWN", "CAP_KILL").shell("grep ^Cap /proc/self/status")
    sets = capability_sets(either.output())
    want = 1 << 0 | 1 << 5
    assert sets == {"CapInh": 0, "CapPrm": want, "CapEff": want, "CapBnd": want, "CapAmb": 0}


def test_no_capabilities_object_gives_none(either):
    del either.config["process"]["capabilities"]
    sets = capability_sets(either.shell("grep ^Cap /proc/self/status").output())
    assert set(sets.values()) == {0}


def test_ambient_capabilities_reach_an_ordinary_user(either):
    sets = either.config["process"]["capabilities"]
    for kind in ("permitted", "effective", "bounding", "inheritable", "ambient"):
        sets[kind] = ["CAP_NET_BIND_SERVICE"]
    either.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    found = capability_sets(either.shell("grep ^Cap /proc/self/status").output())
    assert set(found.values()) == {1 << 10}


@pytest.mark.parametrize("wanted", [True, False])
def test_no_new_privileges(either, wanted):
    either.config["process"]["noNewPrivileges"] = wanted
    assert either.shell("grep NoNewPrivs /proc/self/status").output().split() == ["NoNewPrivs:", str(int(wanted))]


def test_user_groups_and_umask(either):
    either.config["process"]["user"] = {"uid": 1234, "gid": 2345, "additionalGids": [10, 20], "umask": 0o027}
    out = either.shell("id -u; id -g; id -G; umask").output().splitlines()
    assert out[:2] == ["1234", "2345"]
    assert set(out[2].split()) == {"2345", "10", "20"}
    assert out[3] == "0027"


def test_environment_and_arguments_are_as_given(either):
    either.config["process"]["env"] = ["PATH=/bin", "A=1 2", "HOME=/h"]
    either.config["process"]["args"] = ["env"]
    assert sorted(either.output().splitlines()) == ["A=1 2", "HOME=/h", "PATH=/bin"]


def test_home_is_that_of_the_user_when_not_given(either):
    either.config["process"]["env"] = ["PATH=/bin"]
    for uid, home in ((0, "/root"), (65534, "/"), (1234, "/")):
        either.config["process"]["user"]["uid"] = uid
        assert either.shell("echo $HOME").output() == home + "\n"


def test_the_working_directory(either):
    either.config["process"]["cwd"] = "/etc"
    assert either.shell("pwd").output() == "/etc\n"


def test_a_working_directory_that_is_missing_is_made(container):
    container.config["process"]["cwd"] = "/made"
    assert container.shell("pwd").output() == "/made\n"


def test_a_working_directory_is_made_in_a_read_only_root(either):
    either.config["root"]["readonly"] = True
    either.config["process"]["cwd"] = "/made"
    os.chmod(either.rootfs, 0o777)  # root of a user namespace is nobody here
    assert either.shell("pwd; touch /made/x 2>&1; true").output().splitlines()[0] == "/made"


@pytest.mark.parametrize("cwd, reason", [("/etc/passwd", "not a directory"), ("/loop", "too many levels of symbolic links"),
                                         ("/loop/inner", "too many levels of symbolic links"),
                                         ("/no/such", "not found"), ("/closed", "permission denied")])
def test_a_working_directory_that_cannot_be_entered(userns, cwd, reason):
    """None of these may end in the root directory instead."""
    os.symlink("loop", os.path.join(userns.rootfs, "loop"))
    os.mkdir(os.path.join(userns.rootfs, "closed"), 0o700)
    userns.config["process"]["cwd"] = cwd
    line = userns.error()
    assert f"process.cwd: enter {cwd}" in line and reason in line.lower()


def test_resource_limits(either):
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 512)
    either.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": hard},
                                           {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    assert either.shell("ulimit -n; ulimit -H -n; ulimit -c").output().split() == ["64", str(hard), "0"]


def test_a_limit_that_cannot_be_raised_is_a_warning(container):
    """Without CAP_SYS_RESOURCE nobody goes above a hard limit (setrlimit(2))."""
    container.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 300}]
    container.shell("ulimit -n; ulimit -H -n").write()
    done = subprocess.run(["setpriv", "--inh-caps=-sys_resource", "--bounding-set=-sys_resource", "prlimit", "--nofile=200:200",
                           container.program, "--root", container.state_root, "run", "--bundle", container.bundle, container.id],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.split() == ["100", "200"] and done.returncode == 0, done.stderr
    assert "rlimit.clamped type=RLIMIT_NOFILE hard=200 wanted=300" in done.stderr


def test_oom_score_is_raised(either):
    either.config["process"]["oomScoreAdj"] = 500
    assert either.shell("cat /proc/self/oom_score_adj").output() == "500\n"


def test_unknown_capabilities_are_a_warning(either):
    either.capabilities("CAP_CHOWN", "CAP_NONSENSE")
    done = either.shell("grep CapEff /proc/self/status").run()
    assert done.returncode == 0 and "CAP_NONSENSE" in done.stderr
    assert int(done.stdout.split()[1], 16) == 1


SCHEDULERS = [({"policy": "SCHED_OTHER", "nice": 7}, 0, 127), ({"policy": "SCHED_BATCH", "nice": 3}, 3, 123),
              ({"policy": "SCHED_IDLE"}, 5, 120), ({"policy": "SCHED_FIFO", "priority": 10}, 1, 89),
              ({"policy": "SCHED_RR", "priority": 20, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, 2, 79)]


@pytest.mark.parametrize("scheduler, policy, priority", SCHEDULERS)
def test_the_scheduler(either, scheduler, policy, priority):
    """Fields of /proc/PID/stat, proc(5): 41 is the policy, 18 the priority."""
    either.config["process"]["scheduler"] = scheduler
    either.config["process"]["args"] = ["cat", "/proc/self/stat"]
    if policy in (1, 2) and os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"):
        either.config["linux"]["resources"] = {"cpu": {"realtimeRuntime": 10_000, "realtimePeriod": 1_000_000}}
    done = either.run()
    if done.returncode and "not permitted" in done.stderr:
        pytest.skip("needs CAP_SYS_NICE and real-time scheduling in this cgroup")
    assert done.returncode == 0, done.stderr
    fields = done.stdout.rsplit(")", 1)[1].split()
    assert int(fields[41 - 3]) == policy
    if policy in (0, 3):
        assert int(fields[18 - 3]) == priority - 100


def test_real_time_without_a_budget_says_what_is_missing(container):
    container.config["process"]["scheduler"] = {"policy": "SCHED_FIFO", "priority": 10}
    done = container.run()
    if done.returncode == 0:
        pytest.skip("this kernel gives a new cgroup real-time budget")
    assert "process.scheduler: set" in done.stderr and "realtimeRuntime" in done.stderr


def test_the_deadline_scheduler(container):
    container.config["process"]["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 10_000_000, "deadline": 20_000_000,
                                                "period": 20_000_000}
    container.config["process"]["args"] = ["cat", "/proc/self/stat"]
    done = container.run()
    if done.returncode and "process.scheduler: set" in done.stderr:
        pytest.skip("SCHED_DEADLINE cannot be had here: " + done.stderr.strip())
    assert done.stdout.rsplit(")", 1)[1].split()[41 - 3] == "6"


def test_the_priority_of_input_and_output(either):
    """The syscall by python of the host would need a root of the host; ionice of busybox prints it."""
    either.config["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    assert either.shell("ionice").output().strip() == "best-effort: prio 6"


def test_the_memory_policy(either):
    either.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}
    lines = either.shell("cat /proc/self/numa_maps").output().splitlines()
    assert any(" bind=static:0 " in line for line in lines)


def test_the_personality(either):
    either.config["linux"]["personality"] = {"domain": "LINUX32"}
    assert either.shell("uname -m").output().strip() in ("i686", "armv8l")


def test_sockets_of_systemd_are_passed_on(container):
    """sd_listen_fds(3): 3 is the socket, and the process is the one that is meant."""
    container.write()
    argv = [container.program, "--root", container.state_root, "run", "--bundle", container.bundle, container.id]
    container.shell("echo $LISTEN_FDS $LISTEN_PID; echo through >&3").write()
    done = subprocess.run(["sh", "-c", 'exec "$@" 3>&1', "sh", *argv], stdout=subprocess.PIPE, text=True, timeout=30,
                          env={**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"}, check=False)
    assert done.stdout.split() == ["1", "1", "through"]


def test_sockets_that_are_not_there_are_not_passed_on(container):
    done = container.shell("echo \"<$LISTEN_FDS>\"; ls /proc/self/fd").run(env={**os.environ, "LISTEN_FDS": "3"})
    assert done.stdout.split() == ["<>", "0", "1", "2", "3"] and "LISTEN_FDS" in done.stderr.upper()


def test_host_and_domain_name(either):
    either.config["domainname"] = "example.org"
    assert either.shell("hostname; cat /proc/sys/kernel/domainname").output().split() == ["box", "example.org"]


def test_it_is_pid_1_and_sees_nobody_else(either):
    assert either.shell("echo $$; ls -d /proc/[0-9]*").output().split()[:2] == ["1", "/proc/1"]


def test_all_namespaces_are_its_own(userns):
    userns.config["linux"]["namespaces"].append({"type": "time"})
    names = ("pid", "net", "ipc", "uts", "mnt", "cgroup", "user", "time")
    out = userns.shell("for n in " + " ".join(names) + "; do readlink /proc/self/ns/$n; done").output().split()
    assert not set(out) & {os.readlink(f"/proc/self/ns/{name}") for name in names}
    assert len(out) == len(names)


def test_the_user_namespace_maps_root_to_nobody_of_the_host(userns):
    assert userns.shell("cat /proc/self/uid_map").output().split() == ["0", "1200000000", "65536"]
    userns.shell("sleep 100").created().start()
    assert os.stat(f"/proc/{userns.state()['pid']}").st_uid in (0, 1200000000)
    with open(f"/proc/{userns.state()['pid']}/status") as file:
        assert "Uid:\t1200000000\t" in file.read()


def test_joins_a_namespace_by_path(sleeper, new_container):
    pid = sleeper.state()["pid"]
    other = new_container()
    spaces = other.config["linux"]["namespaces"]
    for entry in spaces:
        if entry["type"] in ("network", "ipc", "uts"):
            name = {"network": "net"}.get(entry["type"], entry["type"])
            entry["path"] = f"/proc/{pid}/ns/{name}"
    del other.config["hostname"]
    other.config["mounts"] = [m for m in other.config["mounts"] if m["type"] not in ("sysfs", "mqueue")]
    other.config["linux"]["maskedPaths"] = ["/proc/keys"]
    out = other.shell("for n in net ipc uts; do readlink /proc/self/ns/$n; done").output().split()
    assert out == [os.readlink(f"/proc/{pid}/ns/{name}") for name in ("net", "ipc", "uts")]


def test_joins_a_pid_namespace_by_path(sleeper, new_container):
    other = new_container()
    for entry in other.config["linux"]["namespaces"]:
        if entry["type"] == "pid":
            entry["path"] = f"/proc/{sleeper.state()['pid']}/ns/pid"
    out = other.shell("echo $$; cat /proc/1/comm").output().split()
    assert int(out[0]) > 1 and out[1] == "sh"


def test_time_offsets(container):
    container.config["linux"]["namespaces"].append({"type": "time"})
    container.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000, "nanosecs": 0}}
    with open("/proc/uptime") as file:
        before = float(file.read().split()[0])
    assert float(container.shell("cat /proc/uptime").output().split()[0]) - before >= 999_999


def test_sysctls_of_its_namespaces(either):
    either.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"}
    out = either.shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced").output()
    assert out.split() == ["1", "1"]
    with open("/proc/sys/kernel/shm_rmid_forced") as file:
        assert file.read() == "0\n"


@pytest.mark.parametrize("name", ["kernel.panic", "vm.swappiness", "net/../kernel/panic", "kernel.../x"])
def test_sysctls_of_the_whole_machine_are_refused(container, name):
    with open("/proc/sys/" + ("vm/swappiness" if "vm" in name else "kernel/panic")) as file:
        container.config["linux"]["sysctl"] = {name: file.read().strip()}  # should it be set, nothing changes
    assert "sysctl" in container.error()


def test_loopback_is_up(either):
    assert "UP" in either.shell("ip link show lo").output().split(">")[0]


def test_cgroup_limits_and_namespace(either):
    either.config["linux"]["resources"] = {"pids": {"limit": 33}, "memory": {"limit": 64 << 20}}
    out = either.shell("cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null ||"
                       " cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory.max; cat /proc/self/cgroup").output()
    lines = out.splitlines()
    assert lines[:2] == ["33", str(64 << 20)]
    assert all(line.endswith(":/") for line in lines[2:]), lines


def test_the_pids_limit_holds(either):
    either.config["linux"]["resources"] = {"pids": {"limit": 5}}
    done = either.shell("for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all").run()
    assert "all" not in done.stdout


def test_seccomp_verdicts(either):
    either.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    for privileges in (True, False):
        either.config["process"]["noNewPrivileges"] = privileges
        either.shell("grep Seccomp: /proc/self/status; mkdir /tmp/x 2>&1; true")
        out = either.output()
        assert out.split()[:2] == ["Seccomp:", "2"]
        assert "No space left on device" in out


DENIALS = {
    "everything": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": []},
    "what could tell it": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["execve", "write", "sendmsg", "sendto"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]},
}


@pytest.mark.parametrize("denied", DENIALS)
def test_a_filter_that_denies_execve_is_told_and_ends_the_process(either, denied):
    """Not even exit_group may be allowed: nothing of it may go on."""
    either.config["linux"]["seccomp"] = DENIALS[denied]
    for privileges in (True, False):
        either.config["process"]["noNewPrivileges"] = privileges
        line = either.error()
        assert "function not implemented" in line
        # Without no_new_privs it is in force before the ids change, which then fails first.
        if denied != "everything" or privileges:
            assert "exec: " in line and "seccomp filter may not allow execve" in line
    assert os.listdir(either.state_root) == [] and either.cgroup_dirs() == []


@pytest.mark.parametrize("denied", DENIALS)
def test_start_tells_that_the_filter_denies_execve(container, denied):
    container.config["linux"]["seccomp"] = DENIALS[denied]
    done = container.created().call("start", container.id)
    assert done.returncode == 1 and "seccomp filter may not allow execve" in done.stderr
    wait_for(lambda: container.status() == "stopped", what="the end of the process")


def test_exec_tells_that_the_filter_denies_execve(container):
    """The first process was let through: what was written down then is changed behind its back."""
    container.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["settimeofday", "exit_group", "sendto", "sendmsg"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
    container.shell("sleep 1000").created().start()
    saved = os.path.join(container.state_root, container.id, "state.json")
    with open(saved) as file:
        text = file.read()
    assert "settimeofday" in text
    with open(saved, "w") as file:
        file.write(text.replace("settimeofday", "execve"))
    done = container.exec("true")
    assert done.returncode == 255 and "seccomp filter may not allow execve" in done.stderr


def test_unknown_system_calls_of_a_profile_are_one_warning(container):
    container.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["from_the_future", "s390_sthyi", "mkdir", "mkdirat", "and_beyond"],
                      "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    done = container.shell("mkdir /tmp/x 2>&1; true").run()
    assert done.returncode == 0 and "No space left on device" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and 'count=2 names="from_the_future and_beyond"' in lines[0]


def test_standard_streams_can_be_opened_again_by_an_ordinary_user(either):
    either.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert either.shell("echo again > /dev/stdout").output() == "again\n"
