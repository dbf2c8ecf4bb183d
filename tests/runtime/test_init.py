"""Annotation run.svc.init: a tiny pid 1 above the program (Compose's `init: true`)."""
import os
import subprocess

import pytest


@pytest.fixture
def with_init(either):
    either.config["annotations"] = {"run.svc.init": "1"}
    return either


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 5", 5), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_it_ends_as_the_program_did(with_init, script, status):
    assert with_init.shell(script).run().returncode == status


def test_the_program_is_its_child(with_init):
    assert with_init.shell("echo $$ $PPID; cat /proc/1/comm").output() == "2 1\nsvc-init\n"


def test_it_forwards_signals(with_init, wait_for):
    with_init.shell("trap 'exit 7' USR1; echo ready; while :; do sleep 0.1; done").write()
    argv = [with_init.program, "--root", with_init.state_root, "run", "--bundle", with_init.bundle, with_init.id]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert with_init.kill("USR1").returncode == 0
        assert process.wait(timeout=10) == 7


def test_it_reaps_orphans(with_init):
    script = "(sleep 0 & ) ; for i in 1 2 3 4 5 6 7 8 9 10; do grep -l '^State:.Z' /proc/[0-9]*/status || exit 0; sleep 0.1; done; exit 1"
    assert with_init.shell(script).run().returncode == 0


def test_what_is_not_found_is_told(with_init):
    with_init.config["process"]["args"] = ["no-such-program"]
    assert "executable file not found in $PATH" in with_init.error()


def test_it_keeps_no_rights_but_to_send_signals(with_init, wait_for):
    with_init.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    with_init.shell("trap 'exit 7' USR1; echo ready; while :; do sleep 0.1; done").created().start()
    wait_for(lambda: with_init.log() == "ready\n", what="the trap of the program")

    def rights():
        with open(f"/proc/{with_init.state()['pid']}/status") as file:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        return [int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")]

    wait_for(lambda: rights() == [0, 1 << 5, 1 << 5, 1 << 5, 0, 1], what="CAP_KILL alone")
    assert with_init.kill("USR1").returncode == 0
    wait_for(lambda: with_init.status() == "stopped", what="the end of the program")


def test_its_image_cannot_be_opened(with_init):
    """CVE-2019-5736."""
    with_init.config["process"]["user"] = {"uid": 0, "gid": 0}
    done = with_init.shell("cat /proc/1/exe | wc -c; cat /proc/1/environ /proc/1/maps; ls /proc/1/fd").run()
    assert done.stdout.splitlines()[0] == "0"
    assert done.stderr.count("Permission denied") + done.stderr.count("Operation not permitted") >= 3
    assert os.access(with_init.program, os.X_OK)
