"""Attempts to get out, or to make the runtime do harm: one per class of the public record (CVE numbers beside them)."""
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
