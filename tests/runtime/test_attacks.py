"""Attempts to get out, or to make the runtime do harm: all of the public record that concerns a runtime.

Each row of RUNTIME.md section 2: what the code does about it (file: function), and the tests that try it. Here are the plain attempts;
_entering has a hostile program that waits for the runtime, _paths hostile root file systems and races, _input hostile words and files,
test_order_of_opening.py proves from strace that host objects come first.

| CVE | technique | tests |
|---|---|---|
| 2016-9962 | not dumpable before there is a process inside (main: hide; enter: hide_and_follow), no files of the host in it (enter: close_hosts, close_joined; init: close_others) | entering: nothing_is_got_from_a_process_that_enters_by_exec; exec_brings_no_files_in |
| 2019-5736 | executes from a read-only mount of its own, else a sealed memfd (self: self_protect) | entering: an_image_that_executes_the_runtime_cannot_write_to_it, an_image_whose_program_is_the_runtime, the_program_survives_an_attacker_that_may_trace_all, the_program_is_on_a_readonly_mount, where_the_mount_cannot_be_copied_the_program_is_sealed, a_second_image_only_where_the_first_could_be_written_to |
| 2019-16884, 2019-19921, 2023-27561, 2023-28642, 2025-52881 | sysctls go to a procfs of our own (sysctl: sysctl_apply); /proc and /sys are mounted on directories only (mounts: make_unlinked); labels are refused | a_linked_proc_or_sys, proc_and_sysfs_behind_a_link; paths: a_fake_proc_gets_no_sysctl, a_mask_lands_where_it_is_meant_to, a_race_for_proc |
| 2019-18837, 2021-30465, 2024-45310, docker 2018-15664 | openat2(RESOLVE_IN_ROOT), mkdirat by fd, move_mount on fds (rootfs: rootfs_open, rootfs_make, rootfs_attach) | mount_targets_stay_beneath_the_root; paths: a_mount_target_that_leads_out, a_destination_with_dots, a_race_of_links_during_the_start |
| 2022-29162, 2022-27650, 2022-24769 | inheritable is what the configuration says (caps: caps_plan_init; exec: add_capabilities) | entering: the_inheritable_set_is_empty, the_inheritable_set_is_what_the_configuration_says |
| 2021-43784 | the runtime builds no netlink message (netns/ does, with checked bounds: tests/unit/netns) | input: far_too_many[mappings] |
| 2023-25809 | a cgroup namespace, or nothing of the machine's that is writable (mounts: attach_cgroup) | paths: cgroups_of_the_machine_cannot_be_written_to |
| 2024-21626 | close_range at entry and before anything is looked up inside (main: secure_fds; init: close_others; enter: close_joined), getcwd after chdir (payload: enter_cwd) | a_leaked_working_directory, a_leaked_working_directory_of_exec, leaked_files_are_not_inside; entering: a_program_behind_a_file_of_the_runtime, a_working_directory_behind_a_file_of_the_runtime |
| 2025-31133 | masks are the host's null device, opened and verified before the clone (masks: masks_open) | a_linked_null_is_no_mask; paths: the_null_device_of_an_image_is_no_mask |
| 2025-52565, 2026-41579, 2026-47766, 2026-88264, 2026-88265 | /dev/pts is verified to be a devpts before its ptmx is opened, TIOCGPTPEER (terminal: open_ptmx, terminal_open); no link is followed to /dev/console (terminal: make_console); owners by verified fds (devices: give_node); standard files from the host's null (main: secure_fds) | a_linked_console, a_console_that_is_only_a_link; paths: a_device_path_that_leads_out, a_device_in_the_place_of_ptmx_is_not_opened, console_of_an_image_is_not_given_away, a_race_for_a_new_device |
| 2026-30892 | one strict parser (specs/passwd: passwd_find; str_to_u64); (uid_t)-1 is no id (specs/oci_config: read_user) | input: a_user_that_is_none_is_not_root, nobody_stays_root_by_an_overflow |
| 2025-24965 | no file of ours is written into a root; passwd is looked at before it is opened (user: open_text) | paths: nothing_is_written_through_links_of_an_image, a_device_in_the_place_of_passwd_is_not_opened |
| bwrap 2017-5226 | setsid, always (payload: payload_exec) | the_callers_terminal_cannot_be_typed_into; entering: the_callers_terminal_is_out_of_reach |
| ids and cgroup paths (crun 1.28, 1.29) | container: container_check_id, cgroup: path_normalise | input: an_id_is_no_path, a_cgroup_path_stays_below; cgroup_paths_stay_inside |
| containerd 2020-15257, 2022-23648, docker 2019-14271, 2024-41110 | of the supervisor: tests/stack | test_escapes.py |

Beside the table: names and sysctls of the machine's own namespaces are refused (namespaces: namespaces_is_private), a --root that others
can change (container: open_root), control characters in errors (main: make_one_line): _input and test_errors.py.
"""
import os
import stat
import subprocess

import pytest

from container import DEV


def link(container, name, target):
    path = os.path.join(container.rootfs, name.lstrip("/"))
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.remove(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def run_with_leaked_fd(container, directory):
    """run with a directory of the host as fd 7."""
    container.write()
    argv = [container.program, "--root", container.state_root, "run", "--bundle", container.bundle, container.id]
    return subprocess.run(["sh", "-c", 'exec "$@" 7<' + str(directory), "sh", *argv], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, check=False)


def test_leaked_files_are_not_inside(either):
    """CVE-2024-21626."""
    done = run_with_leaked_fd(either.shell("ls /proc/self/fd"), "/etc")
    assert done.stdout.split() == ["0", "1", "2", "3"], done.stderr  # 3 is of ls itself


@pytest.mark.parametrize("fd", range(3, 24))
def test_a_leaked_working_directory(container, fd, tmp_path):
    """CVE-2024-21626: a number may be a directory of the container's own, but never one of the host."""
    (tmp_path / "secret").write_text("secret\n")
    container.config["process"]["cwd"] = f"/proc/self/fd/{fd}"
    done = run_with_leaked_fd(container.shell("cat secret ../../../../../../.." + str(tmp_path) + "/secret; pwd"), tmp_path)
    assert "secret\n" not in done.stdout
    assert "process.cwd" in done.stderr or os.path.isdir(container.rootfs + done.stdout.strip())


def test_a_leaked_working_directory_of_exec(sleeper):
    for fd in range(3, 16):
        done = sleeper.exec("sh", "-c", "pwd; ls -d ../../../../../../../work /work", options=("--cwd", f"/proc/self/fd/{fd}"))
        assert "process.cwd" in done.stderr or os.path.isdir(sleeper.rootfs + done.stdout.strip())


def test_exec_brings_no_files_in(sleeper):
    """CVE-2016-9962."""
    argv = [sleeper.program, "--root", sleeper.state_root, "exec", sleeper.id, "ls", "/proc/self/fd"]
    done = subprocess.run(["sh", "-c", 'exec "$@" 7</etc', "sh", *argv], stdout=subprocess.PIPE, text=True, timeout=30,
                          check=False)
    assert done.stdout.split() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("victim", ["/proc", "/sys"])
def test_a_linked_proc_or_sys(either, victim, tmp_path):
    """CVE-2019-19921, CVE-2023-27561."""
    os.mkdir(os.path.join(either.rootfs, "elsewhere"))
    link(either, victim, "/elsewhere")
    done = either.run()
    assert done.returncode == 1 and victim in done.stderr


@pytest.mark.parametrize("kind", ["proc", "sysfs"])
@pytest.mark.parametrize("destination", ["/link/", "/link//", "/parent/inner", "/parent/inner/", "/dangling/inner"])
def test_proc_and_sysfs_behind_a_link(either, kind, destination):
    """CVE-2019-19921: a slash at the end, or a link on the way."""
    os.makedirs(os.path.join(either.rootfs, "elsewhere/inner"))
    link(either, "/link", "/elsewhere")
    link(either, "/parent", "/elsewhere")
    link(either, "/dangling", "/nowhere")
    for mount in either.config["mounts"]:
        if mount["type"] == kind:
            mount["destination"] = destination
    line = either.error()
    assert f"mounts: {destination} is not a directory in the root file system" in line
    assert not os.path.exists(os.path.join(either.rootfs, "nowhere"))


def test_proc_and_sysfs_below_directories_that_are_made(container):
    container.mount("/a/b/proc/", type="proc", source="proc").mount("/a/sys", type="sysfs", source="sysfs")
    assert container.shell("cat /a/b/proc/1/comm; ls -d /a/sys/kernel").output() == "sh\n/a/sys/kernel\n"


def test_mount_targets_stay_beneath_the_root(container, tmp_path):
    """CVE-2021-30465, CVE-2024-45310, CVE-2019-18837: a link of the image that leads out."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link(container, "/data", str(outside))
    link(container, "/up", "../../../../../../.." + str(outside))
    container.bind(tmp_path, "/data/inner").bind(tmp_path, "/up/inner2")
    container.run()
    assert list(outside.iterdir()) == []


def test_mount_targets_with_dots(container, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    container.bind(tmp_path, "/../../../.." + str(outside) + "/made")
    container.run()
    assert list(outside.iterdir()) == []


def test_a_linked_null_is_no_mask(container):
    """CVE-2025-31133: the mask must be the host's null device, not what the image calls /dev/null."""
    with open(os.path.join(container.rootfs, "etc/fake"), "w") as file:
        file.write("fake\n")
    container.config["mounts"].remove(DEV)
    container.config["mounts"] = [m for m in container.config["mounts"] if not m["destination"].startswith("/dev")]
    link(container, "/dev/null", "/etc/fake")
    out = container.shell("cat /proc/keys; stat -c %t:%T /proc/keys").output()
    assert out == "1:3\n"


def test_masks_follow_links_inside_only(container):
    link(container, "/masked", "/etc/passwd")
    with open("/etc/passwd") as file:
        before = file.read()
    container.config["linux"]["maskedPaths"].append("/masked")
    container.shell("cat /etc/passwd | wc -c").output()
    with open("/etc/passwd") as file:
        assert file.read() == before


def test_a_linked_console(container, tmp_path):
    """CVE-2025-52565: /dev/console of an image must not lead anywhere."""
    target = tmp_path / "target"
    target.write_text("mine")
    container.config["mounts"] = [m for m in container.config["mounts"] if not m["destination"].startswith("/dev")]
    link(container, "/dev/console", str(target))
    link(container, "/dev/pts", str(tmp_path))
    container.config["process"]["terminal"] = True
    container.run()
    assert target.read_text() == "mine"
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o644 and os.stat(target).st_uid == 0


@pytest.mark.parametrize("led_to", ["/vol/made-by-console", "/proc/sys/kernel/hostname", "/etc/passwd", "/etc/made", "console2"])
@pytest.mark.parametrize("dev", ["of the image", "copied up"])
def test_a_console_that_is_only_a_link(container, tmp_path, led_to, dev):
    """The same with a devpts in its place: no mount, and no file, where the link leads."""
    kept = [m for m in container.config["mounts"] if not m["destination"].startswith("/dev") or m["destination"] == "/dev/pts"]
    if dev == "copied up":
        kept.insert(1, {**DEV, "options": [*DEV["options"], "tmpcopyup"]})
    container.config["mounts"] = kept
    container.bind(tmp_path, "/vol")
    link(container, "/dev/console", led_to)
    container.config["process"]["terminal"] = True
    line = container.error()
    assert "process.terminal: /dev/console is a link in the root file system" in line
    assert list(tmp_path.iterdir()) == []
    for path in ("etc/made", "dev/console2"):
        assert not os.path.lexists(os.path.join(container.rootfs, path))


def test_the_runtime_cannot_be_overwritten(container):
    """CVE-2019-5736: /proc/self/exe of whatever the runtime is in there."""
    with open(container.program, "rb") as file:
        before = file.read()
    container.config["process"]["args"] = ["/proc/self/exe"]
    container.run()
    container.shell("for p in /proc/[0-9]*; do echo x > $p/exe; done 2>/dev/null; true").run()
    with open(container.program, "rb") as file:
        assert file.read() == before


def test_exec_cannot_be_caught_on_its_way_in(sleeper):
    """CVE-2019-5736, CVE-2016-9962: a loop inside looks for a process whose exe is not of the container."""
    done = sleeper.exec("sh", "-c", "for i in $(seq 200); do for p in /proc/[0-9]*; do readlink $p/exe; done; done | "
                                    "grep -v busybox; true", options=())
    many = [subprocess.Popen([sleeper.program, "--root", sleeper.state_root, "exec", sleeper.id, "true"]) for _ in range(5)]
    for process in many:
        assert process.wait(timeout=20) == 0
    assert "svc-runtime" not in done.stdout


def test_the_host_cannot_be_seen(userns):
    out = userns.shell("cat /etc/shadow; ls /root /home; cat /proc/1/environ | tr '\\0' '\\n'; mount | grep -c ' /host'").run()
    assert "root:" not in out.stdout.replace("/root:", "")


@pytest.mark.parametrize("script", [
    "mount -t tmpfs none /tmp", "mount -o remount,rw /sys", "mknod /tmp/sda b 8 0 && cat /tmp/sda",
    "chroot /proc/1/root ls /host", "echo 1 > /proc/sys/kernel/printk", "echo b > /proc/sysrq-trigger", "insmod /tmp/x.ko",
    "unshare -m true", "swapoff -a", "hostname other", "ip link add dummy0 type dummy",
    "nsenter -t 1 -n true && ip link add x type dummy", "umount /proc/keys", "umount /proc/sys",
])
def test_privileged_deeds_fail(either, script):
    assert either.shell(f"{script} || exit 9").run().returncode in (9, 126, 127)


def test_the_callers_terminal_cannot_be_typed_into(container):
    """CVE-2017-5226: no controlling terminal of the caller."""
    assert container.shell("echo x > /dev/tty").run().returncode != 0


@pytest.mark.parametrize("path", ["/../../escape", "../../escape", "/a/../../escape"])
def test_cgroup_paths_stay_inside(container, path):
    container.config["linux"]["cgroupsPath"] = path
    line = container.error()
    assert "cgroup" in line.lower()


def test_a_fifo_for_passwd_does_not_stop_exec(sleeper):
    path = os.path.join(sleeper.rootfs, "etc/passwd")
    os.remove(path)
    os.mkfifo(path)
    assert sleeper.exec("id", options=("--user", "nobody")).returncode != 0
    assert sleeper.exec("true", options=("--user", "12")).returncode == 0


def test_passwd_that_leads_out_is_not_followed(sleeper, tmp_path):
    (tmp_path / "passwd").write_text("evil:x:0:0::/:/bin/sh\n")
    os.remove(os.path.join(sleeper.rootfs, "etc/passwd"))
    os.symlink(str(tmp_path / "passwd"), os.path.join(sleeper.rootfs, "etc/passwd"))
    assert sleeper.exec("id", options=("--user", "evil")).returncode != 0
