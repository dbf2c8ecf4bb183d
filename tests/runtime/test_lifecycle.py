"""runtime-spec runtime.md §Lifecycle: the verbs, what they print, how they end, what they leave."""
import json
import os
import signal
import subprocess

import pytest


def test_run_gives_the_output_and_leaves_nothing(either, scratch):
    assert either.shell("echo hello; echo there >&2").output() == "hello\n"
    assert either.cgroup_dirs() == []
    assert os.listdir(os.path.join(scratch, "state")) == []


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 1), ("kill -TERM $$", 1)])
def test_run_ends_as_the_program_did(either, script, status):
    # a signal to oneself as pid 1 is dropped by the kernel unless it is handled (pid_namespaces(7)): the shell goes on
    assert either.shell(f"{script}; exit 1").run().returncode == status


def test_run_of_a_signalled_program_is_128_and_the_signal(either):
    either.config["linux"]["namespaces"] = [n for n in either.config["linux"]["namespaces"] if n["type"] != "pid"]
    either.config["mounts"] = [m for m in either.config["mounts"] if m["type"] not in ("proc",)]
    either.config["linux"]["maskedPaths"] = either.config["linux"]["readonlyPaths"] = []
    assert either.shell("kill -9 $$").run().returncode == 128 + signal.SIGKILL


def test_the_whole_life(either, wait_for):
    either.shell("echo started; trap 'exit 0' TERM; while :; do sleep 1; done").created()
    state = either.state()
    assert (state["status"], state["id"], state["bundle"]) == ("created", either.id, either.bundle)
    assert state["ociVersion"].startswith("1.") and state["pid"] > 0 and state["rootfs"] == either.rootfs
    assert either.log() == ""
    either.start()
    assert either.status() == "running"
    wait_for(lambda: either.log() == "started\n", what="the program's output")
    refused = either.delete()
    assert refused.returncode == 1 and "running" in refused.stderr
    assert either.call("start", either.id).returncode == 1
    assert either.kill("TERM").returncode == 0
    wait_for(lambda: either.status() == "stopped", what="stopped")
    assert either.state()["pid"] == 0
    assert either.kill("TERM").returncode == 1
    assert either.delete().returncode == 0
    assert either.call("state", either.id).returncode == 1
    assert either.cgroup_dirs() == []


def test_run_by_a_parent_that_ignores_its_children(either, scratch):
    done = either.shell("exit 5").run(preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (done.returncode, done.stderr) == (5, "")
    assert os.listdir(os.path.join(scratch, "state")) == []


@pytest.mark.parametrize("leaked", [(), (5, 9)])
def test_what_waits_to_be_started_holds_no_files_of_the_host(either, wait_for, leaked):
    def leak():
        for fd in leaked:
            os.dup2(0, fd)

    either.shell("sleep 100").created("--preserve-fds", "0", preexec_fn=leak, close_fds=False)
    folder = f"/proc/{either.state()['pid']}/fd"

    def others():
        return [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder) if int(fd) > 2]

    wait_for(lambda: len(others()) == 1 and others()[0].startswith("socket:"), what="the start socket alone")


def test_a_preserved_file_waits_with_it(either, scratch):
    path = os.path.join(scratch, "kept")
    with open(path, "w"):
        pass

    def keep():
        os.dup2(os.open(path, os.O_WRONLY), 3)

    either.shell("echo through >&3").created("--preserve-fds", "1", preexec_fn=keep, close_fds=False)
    assert os.readlink(f"/proc/{either.state()['pid']}/fd/3") == path


def test_of_many_starts_one_succeeds(either, wait_for):
    either.shell("echo once; sleep 100").created()
    argv = [either.program, "--root", either.state_root, "start", either.id]
    starts = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    ends = [(process.communicate(timeout=20)[1], process.returncode) for process in starts]
    assert sorted(code for _, code in ends) == [0, 1, 1, 1, 1, 1], ends
    assert all("not created" in line or "somebody else" in line for line, code in ends if code)
    wait_for(lambda: either.log() == "once\n", what="the program's output")


def test_a_start_that_reaches_nobody_is_an_error(either, wait_for):
    """Stopped, the first process accepts nobody; its death resets the connection."""
    either.shell("sleep 100").created()
    pid = either.state()["pid"]
    os.kill(pid, signal.SIGSTOP)

    def is_stopped():
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    wait_for(is_stopped, what="its stop")
    argv = [either.program, "--root", either.state_root, "start", either.id]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: "start.sock" not in " ".join(os.listdir(os.path.join(either.state_root, either.id))), what="its connection")
        os.kill(pid, signal.SIGKILL)
        line = process.communicate(timeout=20)[1]
    assert process.returncode == 1 and f'start container "{either.id}"' in line


def test_create_tells_the_pid_and_annotations(container, scratch):
    container.config["annotations"] = {"org.example.colour": "green"}
    path = os.path.join(scratch, "pid")
    container.shell("sleep 100").created("--pid-file", path)
    state = container.state()
    with open(path) as file:
        assert int(file.read()) == state["pid"]
    assert state["annotations"] == {"org.example.colour": "green"}


def test_a_created_container_can_be_killed_and_deleted(either, wait_for):
    either.shell("sleep 100").created()
    assert either.kill("KILL").returncode == 0
    wait_for(lambda: either.status() == "stopped", what="stopped")
    assert either.delete().returncode == 0


def test_delete_force_kills(sleeper):
    pid = sleeper.state()["pid"]
    assert sleeper.delete("--force").returncode == 0
    assert not os.path.exists(f"/proc/{pid}/root")
    assert sleeper.cgroup_dirs() == []


def test_delete_force_of_nobody_succeeds(container):
    assert container.delete("--force").returncode == 0


@pytest.mark.parametrize("verb", ["state", "start", "delete", "kill", "exec", "ps", "pause", "resume"])
def test_an_unknown_id_does_not_exist(container, verb):
    done = container.call(verb, "nobody-here", *(["true"] if verb == "exec" else []))
    assert done.returncode != 0
    assert 'container does not exist: "nobody-here"' in done.stderr


def test_an_id_is_taken_once(sleeper):
    done = sleeper.create()
    assert done.returncode == 1 and "already exists" in done.stderr
    assert sleeper.status() == "running"


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "a b", "x" * 200])
def test_bad_ids_are_refused(new_container, name, scratch):
    container = new_container(name)
    done = container.run()
    assert done.returncode == 1 and "id" in done.stderr
    assert not os.path.exists(os.path.join(scratch, "x"))


@pytest.mark.parametrize("name", ["15", "TERM", "SIGTERM", "term"])
def test_kill_takes_names_and_numbers(sleeper, wait_for, name):
    assert sleeper.kill(name).returncode == 0
    wait_for(lambda: sleeper.status() == "stopped", what="stopped")


def test_kill_refuses_what_is_no_signal(sleeper):
    done = sleeper.kill("SIGNONSENSE")
    assert done.returncode == 1 and "SIGNONSENSE" in done.stderr
    assert sleeper.status() == "running"


def test_kill_all_reaches_every_process(container, wait_for):
    container.config["linux"]["namespaces"] = [n for n in container.config["linux"]["namespaces"] if n["type"] != "pid"]
    container.config["mounts"] = [m for m in container.config["mounts"] if m["type"] != "proc"]
    container.config["linux"]["maskedPaths"] = container.config["linux"]["readonlyPaths"] = []
    container.shell("sleep 100 & sleep 100 & wait").created().start()
    wait_for(lambda: len(json.loads(container.call("ps", "--format", "json", container.id).stdout)) == 3, what="3")
    assert container.call("kill", "--all", container.id, "KILL").returncode == 0
    wait_for(lambda: container.status() == "stopped", what="stopped")
    wait_for(lambda: container.call("ps", "--format", "json", container.id).stdout.strip() in ("[]", "null"), what="all")


def test_detached_run_returns_at_once(container, wait_for):
    path = os.path.join(container.bundle, "out")
    with open(path, "w") as out:
        container.write()
        container.shell("echo up; sleep 100")
        container.write()
        done = container.call("run", "-d", "--bundle", container.bundle, container.id, stdout=out, stderr=out)
    assert done.returncode == 0
    assert container.status() == "running"
    wait_for(lambda: open(path).read() == "up\n", what="output")


def test_run_forwards_signals_and_ends_with_the_program(svc_runtime, container, wait_for):
    import subprocess
    container.shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done").write()
    argv = [svc_runtime, "--root", container.state_root, "run", "--bundle", container.bundle, container.id]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(timeout=10) == 9
    assert container.call("state", container.id).returncode == 1


def test_list_shows_containers(sleeper):
    rows = json.loads(sleeper.call("list", "--format", "json").stdout)
    assert [(row["id"], row["status"], row["bundle"]) for row in rows] == [(sleeper.id, "running", sleeper.bundle)]
    assert sleeper.call("list", "-q").stdout.split() == [sleeper.id]
    table = sleeper.call("list").stdout.splitlines()
    assert table[0].split()[:3] == ["ID", "PID", "STATUS"] and sleeper.id in table[1]


def test_list_of_nothing(container):
    assert json.loads(container.call("list", "--format", "json").stdout) == []


def test_ps_lists_the_processes(sleeper):
    pids = json.loads(sleeper.call("ps", "--format", "json", sleeper.id).stdout)
    assert sleeper.state()["pid"] in pids
    assert str(sleeper.state()["pid"]) in sleeper.call("ps", sleeper.id).stdout


def test_ps_hands_arguments_to_the_machines_ps(sleeper):
    pid = str(sleeper.state()["pid"])
    for args in (["-ef"], ["--", "aux"], ["-eo", "comm,pid"]):
        done = sleeper.call("ps", sleeper.id, *args)
        assert done.returncode == 0, done.stderr
        titles, *lines = [line.split() for line in done.stdout.splitlines()]
        column = titles.index("PID")
        assert pid in [line[column] for line in lines] and str(os.getpid()) not in [line[column] for line in lines]
        assert len(lines) <= 2, lines


def test_ps_says_what_it_lacks(sleeper):
    for args, env, said in ((["-ef"], {"PATH": "/none"}, "ps: no program ps is in $PATH to take its arguments"),
                            (["-eo", "comm"], None, "ps: no column PID in what ps(1) says with these arguments")):
        done = sleeper.call("ps", sleeper.id, *args, env=env)
        assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1, done


def test_signal_0_asks_whether_it_lives(sleeper, wait_for):
    assert sleeper.kill("0").returncode == 0 and sleeper.kill("--all", "0").returncode == 0
    assert sleeper.status() == "running"
    assert sleeper.kill("KILL").returncode == 0
    wait_for(lambda: sleeper.status() == "stopped", what="its end")
    for options in ((), ("--all",)):
        done = sleeper.kill(*options, "0")
        assert done.returncode == 1 and "container not running" in done.stderr


def test_one_that_waits_is_paused_and_resumed(container):
    container.shell("true").created()
    assert container.call("pause", container.id).returncode == 0
    assert container.status() == "paused"
    done = container.call("start", container.id)
    assert done.returncode == 1 and "is paused, not created" in done.stderr
    assert container.call("resume", container.id).returncode == 0
    assert container.status() == "created"
    done = container.call("resume", container.id)
    assert done.returncode == 1 and "is created, not paused" in done.stderr
    container.start()


def test_one_under_creation_is_said_to_be(container):
    os.makedirs(os.path.join(container.state_root, container.id))
    done = container.call("state", container.id)
    assert done.returncode == 1 and "is being created, or was left by a create that was killed" in done.stderr
    assert container.delete("--force").returncode == 0 and container.states() == []


def test_pause_and_resume(sleeper):
    assert sleeper.call("pause", sleeper.id).returncode == 0
    assert sleeper.status() == "paused"
    assert sleeper.call("resume", sleeper.id).returncode == 0
    assert sleeper.status() == "running"


def test_a_paused_container_can_be_deleted(sleeper):
    assert sleeper.call("pause", sleeper.id).returncode == 0
    assert sleeper.delete("--force").returncode == 0
    assert sleeper.cgroup_dirs() == []


def test_errors_reach_the_json_log(container):
    path = os.path.join(container.bundle, "log.json")
    done = container.call("state", "nobody", before=["--log", path, "--log-format", "json"])
    assert done.returncode == 1
    with open(path) as file:
        last = json.loads(file.read().splitlines()[-1])
    assert last["level"] == "error" and "does not exist" in last["msg"] and last["time"][10] == "T"


def test_a_failed_create_leaves_nothing(either, scratch):
    either.config["process"]["args"] = ["/no/such/program"]
    done = either.create()
    assert done.returncode == 1 and "no such file or directory" in done.stderr.lower()
    assert either.cgroup_dirs() == []
    assert os.listdir(os.path.join(scratch, "state")) == []


def test_a_program_that_is_not_found_has_the_words_clients_look_for(either):
    either.config["process"]["args"] = ["no-such-program"]
    assert "executable file not found in $PATH" in either.error()


def test_a_program_that_is_not_executable(either):
    with open(os.path.join(either.rootfs, "etc/data"), "w") as file:
        file.write("x")
    either.config["process"]["args"] = ["/etc/data"]
    assert "permission denied" in either.error()
