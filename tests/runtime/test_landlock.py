"""The annotation run.svc.landlock (runtime/landlock.h)."""
import ctypes
import os

import pytest

CREATE_RULESET, VERSION = 444, 1


@pytest.fixture(autouse=True)
def landlock(needs_root):
    abi = ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, VERSION)
    if abi < 4:
        pytest.skip(f"this kernel's Landlock has version {abi}, the tests need 4 (Linux 6.7)")


def confine(container, text, script):
    container.config["annotations"] = {"run.svc.landlock": text}
    os.makedirs(os.path.join(container.rootfs, "data"), exist_ok=True)
    os.chmod(os.path.join(container.rootfs, "data"), 0o777)
    return container.shell(script)


BASE = "rx:/bin rw:/dev"


def test_writes_outside_are_refused(either):
    script = "echo a >/data/a && mv /data/a /data/b && rm /data/b && echo inside; echo b >/tmp/b; mkdir /tmp/c; echo on"
    done = confine(either, BASE + " rw:/data r:/tmp", script).run()
    assert done.stdout == "inside\non\n", done.stderr
    assert done.stderr.count("Permission denied") == 2
    assert os.listdir(os.path.join(either.rootfs, "tmp")) == []


def test_reading_does_not_mean_writing_or_truncating(either):
    with open(os.path.join(either.rootfs, "data.txt"), "w") as file:
        file.write("kept\n")
    os.chmod(file.name, 0o666)
    done = confine(either, BASE + " r:/data.txt", "cat /data.txt; (: >/data.txt); truncate -s 0 /data.txt; cat /etc/passwd").run()
    assert done.stdout == "kept\n" and done.stderr.count("Permission denied") == 3
    assert os.path.getsize(file.name) == 5


def test_programs_run_only_where_x_is(either):
    script = "cp /bin/busybox /data/busybox && /data/busybox true; echo $?"
    assert confine(either, BASE + " rw:/data", script).output() == "126\n"
    either.delete("--force")
    assert confine(either, BASE + " rwx:/data", script).output() == "0\n"


def test_paths_are_found_with_the_rights_of_root(container):
    """The program's user need not be able to walk there."""
    container.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    os.makedirs(os.path.join(container.rootfs, "closed/open"))
    os.chmod(os.path.join(container.rootfs, "closed"), 0o700)
    confine(container, BASE + " rw:/data rw:/closed/open", "echo a >/data/a && cat /data/a; echo b >/tmp/b || echo no")
    assert container.output() == "a\nno\n"


def test_exec_is_held_too(either):
    confine(either, BASE + " rw:/data", "while :; do sleep 1; done").created().start()
    done = either.exec("sh", "-c", "echo a >/data/a && echo inside; echo b >/tmp/b")
    assert done.stdout == "inside\n" and "Permission denied" in done.stderr


def test_ports(either):
    script = ("nc 127.0.0.1 81 </dev/null; nc -l -p 82 </dev/null; nc -l -p 80 </dev/null & "
              "until nc 127.0.0.1 80 </dev/null 2>/dev/null; do :; done; echo met; cat /etc/passwd >/dev/null && echo files are free")
    done = confine(either, "bind:80 connect:80", script).run()
    assert done.stdout == "met\nfiles are free\n", done.stderr
    assert done.stderr.count("Permission denied") == 2


def test_none_of_the_ports(container):
    out = confine(container, "connect:none", "nc 127.0.0.1 81 </dev/null; echo on").run()
    assert out.stdout == "on\n" and "Permission denied" in out.stderr


def test_together_with_a_filter_that_forbids_landlock(either):
    """The rules are in force before the filter is."""
    names = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]
    either.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                                         "syscalls": [{"names": names, "action": "SCMP_ACT_KILL_PROCESS"}]}
    done = confine(either, BASE, "echo b >/tmp/b; echo on").run()
    assert done.stdout == "on\n" and "Permission denied" in done.stderr


def test_together_with_a_small_limit_of_files(either):
    """The rules are made of files, more than the program may have."""
    either.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 64}]
    done = confine(either, BASE, "echo on; ulimit -n").run()
    assert done.stdout == "on\n3\n", done.stderr


@pytest.mark.parametrize("text, words", [
    ("r:/no/such/path", "annotation run.svc.landlock: open /no/such/path: not found"),
    ("r:/data", 'exec: "/bin/sh": permission denied — run.svc.landlock must allow x for it'),
    ("read:/data", 'annotation run.svc.landlock: "read:/data": before the colon stand letters of "rwx", bind or connect'),
])
def test_what_cannot_be_held_is_told(either, text, words):
    assert words in confine(either, text, "true").error()


def test_without_no_new_privileges_it_is_refused(either):
    either.config["process"]["noNewPrivileges"] = False
    assert "annotation run.svc.landlock: it needs process.noNewPrivileges" in confine(either, "r:/", "true").error()
