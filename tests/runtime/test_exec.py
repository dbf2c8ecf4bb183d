"""`exec`: a further process in a running container."""
import json
import os
import resource
import socket
import subprocess

import pytest

from container import CAPABILITIES


def process_file(container, **rest):
    path = os.path.join(container.bundle, "process.json")
    process = {"cwd": "/", "args": ["true"], "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, **rest}
    with open(path, "w") as file:
        json.dump(process, file)
    return path


def test_it_is_in_every_namespace_of_the_container(sleeper):
    names = ("pid", "net", "ipc", "uts", "mnt", "cgroup", "user")
    out = sleeper.exec("sh", "-c", "for n in " + " ".join(names) + "; do readlink /proc/self/ns/$n; done; readlink /proc/self/root")
    assert out.returncode == 0, out.stderr
    pid = sleeper.state()["pid"]
    assert out.stdout.split() == [os.readlink(f"/proc/{pid}/ns/{name}") for name in names] + ["/"]


def test_it_is_in_the_cgroups_of_the_container(sleeper):
    out = sleeper.exec("cat", "/proc/self/cgroup").stdout
    assert out and all(line.endswith(":/") for line in out.splitlines())


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_its_exit_status(sleeper, script, status):
    assert sleeper.exec("sh", "-c", script).returncode == status


def test_it_takes_the_processes_rights_from_the_configuration(sleeper):
    out = sleeper.exec("grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status").stdout
    values = dict(line.split(":\t") for line in out.splitlines())
    assert values["NoNewPrivs"] == "1" and int(values["CapInh"], 16) == 0
    assert bin(int(values["CapEff"], 16)).count("1") == len(CAPABILITIES)


def test_environment_working_directory_and_user(sleeper):
    done = sleeper.exec("sh", "-c", "echo $NAME; pwd; id -u; id -g",
                        options=("--env", "NAME=value", "-e", "B=2", "--cwd", "/etc", "--user", "nobody"))
    assert done.stdout.split() == ["value", "/etc", "65534", "65534"]


def test_a_working_directory_that_is_missing_is_not_made(sleeper):
    done = sleeper.exec("pwd", options=("--cwd", "/nodir"))
    assert done.returncode != 0 and "process.cwd: enter /nodir: not found" in done.stderr, done
    assert not os.path.lexists(os.path.join(sleeper.rootfs, "nodir"))


@pytest.mark.parametrize("user, ids", [("1000", "1000 0"), ("1000:2000", "1000 2000"), ("root:nogroup", "0 65534")])
def test_users_by_number_and_name(sleeper, user, ids):
    assert sleeper.exec("sh", "-c", "echo $(id -u) $(id -g)", options=("--user", user)).stdout == ids + "\n"


@pytest.mark.parametrize("user", ["nosuchuser", "1000x", "-1", "0:", ":0", "1000:-1", "4294967295", "99999999999999999999"])
def test_a_user_that_does_not_parse_is_nobody(sleeper, user):
    done = sleeper.exec("id", options=(f"--user={user}",))
    assert done.returncode == 255 and "uid" not in done.stdout


def test_a_process_file(sleeper):
    path = process_file(sleeper, args=["sh", "-c", "echo $X; id -u"], env=["PATH=/bin", "X=file"],
                        user={"uid": 12, "gid": 13})
    done = sleeper.call("exec", "--process", path, sleeper.id)
    assert (done.returncode, done.stdout) == (0, "file\n12\n"), done.stderr


@pytest.mark.parametrize("option", [("--env", "A=b"), ("--cap", "CAP_KILL"), ("--user", "0"), ("--additional-gids", "5"),
                                    ("--cwd", "/"), ("--no-new-privs",)], ids=lambda option: option[0])
def test_a_process_file_and_an_option_that_would_change_it(sleeper, option):
    done = sleeper.call("exec", "--process", process_file(sleeper), *option, sleeper.id)
    assert done.returncode == 255
    assert done.stderr == f"svc-runtime: exec: {option[0]} was given besides --process, whose file says it\n"


def test_in_a_container_that_waits_to_be_started(either):
    """Its mounts are in place, its first process waits on, and nobody inside can look into that."""
    either.shell("echo started").created()
    done = either.exec("sh", "-c", "hostname; readlink /proc/self/root; grep -c ' /dev/shm ' /proc/self/mounts; id -u",
                       options=("--no-subreaper", "--user", "12"))
    assert done.stdout.split() == ["box", "/", "1", "12"], done
    for name in ("exe", "root", "cwd", "fd/0", "fd/3", "ns/mnt"):
        looked = either.exec("readlink", f"/proc/1/{name}")
        assert looked.returncode == 1 and looked.stdout == "", (name, looked)
    assert either.status() == "created"
    either.start()


def test_detached_with_a_pid_file(sleeper, wait_for):
    path, pid_path = process_file(sleeper, args=["sleep", "100"]), os.path.join(sleeper.bundle, "exec.pid")
    done = sleeper.call("exec", "--detach", "--pid-file", pid_path, "--process", path, sleeper.id,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert done.returncode == 0
    with open(pid_path) as file:
        pid = int(file.read())
    with open(f"/proc/{pid}/cmdline") as file:
        assert file.read().startswith("sleep")
    assert pid in json.loads(sleeper.call("ps", "--format", "json", sleeper.id).stdout)


def test_a_detached_one_without_its_pid_file_is_ended(sleeper):
    done = sleeper.exec("sleep", "1234", options=("--detach", "--pid-file", "/no/such/directory/pid"))
    assert done.returncode == 255 and "/no/such/directory" in done.stderr
    assert "sleep 1234" not in sleeper.call("ps", sleeper.id).stdout


def test_limits_above_the_callers(sleeper):
    """The child is in the user namespace when it sets them, and has no say there."""
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    if not effective >> 24 & 1:
        pytest.skip("needs CAP_SYS_RESOURCE")
    path = process_file(sleeper, args=["sh", "-c", "ulimit -H -n"],
                        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 512}])
    done = sleeper.call("exec", "--process", path, sleeper.id,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))
    assert (done.returncode, done.stdout) == (0, "512\n"), done.stderr


def test_what_is_not_found_has_the_words_clients_look_for(sleeper):
    done = sleeper.exec("no-such-program")
    assert done.returncode == 127 and "executable file not found in $PATH" in done.stderr
    done = sleeper.exec("/no/such/program")
    assert done.returncode == 127 and "no such file or directory" in done.stderr.lower()


def test_a_stopped_container_is_refused(sleeper, wait_for):
    sleeper.kill("TERM")
    wait_for(lambda: sleeper.status() == "stopped", what="stopped")
    done = sleeper.exec("true")
    assert done.returncode == 255 and "stopped" in done.stderr


def test_standard_input_is_passed_on(sleeper):
    argv = [sleeper.program, "--root", sleeper.state_root, "exec", sleeper.id, "cat"]
    assert subprocess.run(argv, input="typed\n", stdout=subprocess.PIPE, text=True, timeout=10).stdout == "typed\n"


def test_preserved_files(sleeper):
    argv = [sleeper.program, "--root", sleeper.state_root, "exec", "--preserve-fds", "1", sleeper.id,
            "sh", "-c", "echo through >&3; ls /proc/self/fd"]
    done = subprocess.run(["sh", "-c", 'exec "$@" 3>&1 4>&1', "sh", *argv], stdout=subprocess.PIPE, text=True, timeout=10)
    assert done.returncode == 0
    assert done.stdout.split() == ["through", "0", "1", "2", "3", "4"]  # 4 is of ls itself


def test_preserved_files_must_be_open(sleeper):
    done = sleeper.exec("true", options=("--preserve-fds", "2"))
    assert done.returncode == 255 and "fd 3" in done.stderr


@pytest.mark.parametrize("user", ["0", "1000"])
def test_it_dies_with_a_killed_caller(sleeper, wait_for, user):
    """What a health probe past its timeout is."""
    argv = [sleeper.program, "--root", sleeper.state_root, "exec", "--user", user, sleeper.id, "sh", "-c",
            "echo up; exec sleep 1000"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        assert "sleep 1000" in sleeper.call("ps", sleeper.id).stdout
        process.kill()
    wait_for(lambda: "sleep 1000" not in sleeper.call("ps", sleeper.id).stdout, what="its end")


def test_blocked_signals_of_the_caller_stay_outside(sleeper):
    def block():
        import signal
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    out = sleeper.exec("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", preexec_fn=block).stdout
    assert {int(line.split()[1], 16) for line in out.splitlines()} == {0}


def test_additional_groups(sleeper):
    done = sleeper.exec("id", "-G", options=("--user", "1000:1000", "--additional-gids", "5", "-g", "6"))
    assert set(done.stdout.split()) == {"1000", "5", "6"}
    done = sleeper.exec("id", options=("--additional-gids", "five"))
    assert done.returncode == 255 and "--additional-gids" in done.stderr


def test_an_unknown_capability_is_refused(sleeper):
    done = sleeper.exec("true", options=("--cap", "CAP_SYS_ADMNI"))
    assert done.returncode == 255 and "CAP_SYS_ADMNI" in done.stderr and "CAP_SYS_ADMIN" in done.stderr


def test_a_paused_container_is_refused_unless_asked_for(sleeper):
    assert sleeper.call("pause", sleeper.id).returncode == 0
    done = sleeper.exec("true")
    assert done.returncode == 255 and "paused" in done.stderr
    argv = [sleeper.program, "--root", sleeper.state_root, "exec", "--ignore-paused", sleeper.id, "echo", "thawed"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert sleeper.call("resume", sleeper.id).returncode == 0
        assert process.communicate(timeout=10)[0] == "thawed\n"


def test_only_the_cgroup_of_the_container(sleeper):
    assert sleeper.exec("true", options=("--cgroup", "/")).returncode == 0
    done = sleeper.exec("true", options=("--cgroup", "/below"))
    assert done.returncode == 255 and "--cgroup" in done.stderr


@pytest.mark.parametrize("final", ["", "0"])
def test_cpu_affinity(sleeper, final):
    affinity = {"initial": "0", "final": final} if final else {"initial": "0"}
    path = process_file(sleeper, args=["grep", "Cpus_allowed_list", "/proc/self/status"], execCPUAffinity=affinity)
    done = sleeper.call("exec", "--process", path, sleeper.id)
    assert done.returncode == 0, done.stderr
    if final:
        assert done.stdout.split()[1] == final


def test_cpu_affinity_of_the_configuration_is_for_exec_alone(container):
    if os.cpu_count() < 2:
        pytest.skip("needs two CPUs")
    container.config["process"]["execCPUAffinity"] = {"initial": "1", "final": "1"}
    container.shell("sleep 1000").created().start()
    argv = ("grep", "Cpus_allowed_list", "/proc/self/status")
    assert container.exec(*argv).stdout.split()[1] == "1"
    assert container.exec("grep", "Cpus_allowed_list", "/proc/1/status").stdout.split()[1] != "1"


def test_scheduler_and_priorities_of_a_process_file(sleeper):
    path = process_file(sleeper, args=["sh", "-c", "ionice; cat /proc/self/stat"], scheduler={"policy": "SCHED_BATCH", "nice": 4},
                        ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0})
    lines = sleeper.call("exec", "--process", path, sleeper.id).stdout.splitlines()
    assert lines[0].startswith("idle")
    assert lines[1].rsplit(")", 1)[1].split()[41 - 3] == "3"


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_pidfd_for_whoever_asks(sleeper, new_container, scratch, verb):
    path = os.path.join(scratch, "pidfd.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(1)
        if verb == "exec":
            done = sleeper.exec("sleep", "1000", options=("--detach", "--pidfd-socket", path), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        else:
            other = new_container().shell("sleep 1000")
            done = other.run("--detach", "--pidfd-socket", path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert done.returncode == 0
        connection, _ = server.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 64, 1)
    assert len(fds) == 1 and os.readlink(f"/proc/self/fd/{fds[0]}") == "anon_inode:[pidfd]"
    os.close(fds[0])


def test_options_after_the_id_belong_to_the_program(sleeper):
    assert sleeper.exec("echo", "--tty", "-x").stdout == "--tty -x\n"
