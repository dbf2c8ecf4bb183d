"""runtime-spec config.md §Mounts, §Root, and our extensions: idmap, a mount on "/"."""
import os
import stat

import pytest

from container import DEV, ID_BASE


def mounts_of(container):
    """Lines that have to do with the test's directories, since others mount things meanwhile."""
    words = (os.path.dirname(container.bundle), container.id, "pytest")
    with open("/proc/self/mountinfo") as file:
        return [line for line in file if any(word in line for word in words)]


def test_the_host_sees_none_of_it(either):
    either.shell("sleep 100").created().start()
    assert mounts_of(either) == []


def test_a_read_only_root(either):
    either.config["root"]["readonly"] = True
    out = either.shell("touch /x 2>&1; touch /dev/shm/y && echo shm; touch /tmp/z 2>&1; true").output()
    assert "/x: Read-only file system" in out and "shm" in out and "/tmp/z: Read-only" in out


def test_binds_and_their_options(container, tmp_path):
    (tmp_path / "file").write_text("text\n")
    container.bind(tmp_path, "/data", "ro", "noexec", "nosuid").bind(tmp_path / "file", "/etc/one")
    out = container.shell("cat /data/file /etc/one; touch /data/x 2>&1; grep ' /data ' /proc/self/mountinfo").output()
    assert out.startswith("text\ntext\n") and "Read-only" in out
    options = out.splitlines()[-1].split()[5].split(",")
    assert {"ro", "noexec", "nosuid"} <= set(options)


def test_a_bind_source_relative_to_the_bundle(container):
    os.mkdir(os.path.join(container.bundle, "data"))
    container.bind("data", "/data")
    assert "data" in container.shell("ls -d /data").output()


def test_mount_points_are_made(either):
    os.chmod(either.rootfs, 0o777)
    either.mount("/a/b/c", type="tmpfs", source="tmpfs", options=["mode=700"])
    if "user" not in [n["type"] for n in either.config["linux"]["namespaces"]]:
        assert either.shell("stat -c %a /a/b/c").output() == "700\n"


def test_idmapped_binds_keep_owners(userns, tmp_path):
    (tmp_path / "root").write_text("")
    (tmp_path / "user").write_text("")
    os.chown(tmp_path / "user", 1000, 1000)
    os.mkdir(os.path.join(userns.rootfs, "data"))
    userns.bind(tmp_path, "/data", "idmap")
    out = userns.shell("stat -c %u /data/root /data/user; touch /data/new; chown 5:6 /data/new").output()
    assert out.split() == ["0", "1000"]
    info = os.stat(tmp_path / "new")
    assert (info.st_uid, info.st_gid) == (5, 6)


def test_without_idmap_the_owner_is_nobody(userns, tmp_path):
    os.mkdir(os.path.join(userns.rootfs, "data"))
    userns.bind(tmp_path, "/data")
    assert userns.shell("stat -c %u /data").output() == "65534\n"


def test_an_idmap_of_its_own(container, tmp_path):
    os.chown(tmp_path, 1000, 1000)
    container.mount("/data", type="bind", source=str(tmp_path), options=["bind"],
                    uidMappings=[{"containerID": 1000, "hostID": 2000, "size": 1}],
                    gidMappings=[{"containerID": 1000, "hostID": 2000, "size": 1}])
    assert container.shell("stat -c %u:%g /data").output() == "2000:2000\n"


def test_idmap_that_the_file_system_cannot(userns):
    userns.bind("/proc", "/data", "idmap")
    os.mkdir(os.path.join(userns.rootfs, "data"))
    line = userns.error()
    assert "/data" in line or "/proc" in line
    assert "idmap" in line


def test_idmap_without_a_mapping_is_an_input_error(container, tmp_path):
    container.bind(tmp_path, "/data", "idmap")
    assert "/data" in container.error()


def test_a_bind_on_the_root_replaces_it(userns, tmp_path, busybox_rootfs):
    other = tmp_path / "other"
    busybox_rootfs(str(other))
    (other / "etc/which").write_text("other\n")
    userns.config["mounts"].insert(0, {"destination": "/", "type": "bind", "source": str(other),
                                       "options": ["bind", "ro", "idmap"]})
    out = userns.shell("cat /etc/which; stat -c %u /etc/which; touch /x 2>&1; true").output()
    assert out.startswith("other\n0\n") and "Read-only" in out


def overlay_root(container, tmp_path, *options):
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    container.config["mounts"].insert(0, {
        "destination": "/", "type": "overlay", "source": "overlay",
        "options": [f"lowerdir={container.rootfs}", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work", *options]})
    return container


def test_an_overlay_on_the_root_has_a_private_writable_layer(userns, tmp_path):
    overlay_root(userns, tmp_path, "idmap")
    out = userns.shell("stat -c %u /etc/passwd; echo new > /etc/new; echo x >> /etc/passwd; rm /etc/group;"
                       " mkdir /made; chown 7:8 /made; rm -r /var; mkdir /var; ls /etc").output()
    assert out.split() == ["0", "new", "passwd"]
    assert not os.path.exists(os.path.join(userns.rootfs, "etc/new"))
    assert os.path.exists(os.path.join(userns.rootfs, "etc/group"))
    assert (tmp_path / "upper/etc/new").read_text() == "new\n"
    assert os.stat(tmp_path / "upper/etc/new").st_uid == 0
    assert os.stat(tmp_path / "upper/made").st_uid == 7
    assert stat.S_ISCHR(os.lstat(tmp_path / "upper/etc/group").st_mode)


def test_an_overlay_without_a_user_namespace(container, tmp_path):
    overlay_root(container, tmp_path)
    assert container.shell("touch /x; ls /x").output() == "/x\n"
    assert (tmp_path / "upper/x").exists()


def test_a_read_only_overlay(userns, tmp_path):
    overlay_root(userns, tmp_path, "idmap", "ro")
    assert "Read-only" in userns.shell("touch /x 2>&1; true").output()


def test_overlay_layers_leave_nothing_when_killed(userns, tmp_path):
    overlay_root(userns, tmp_path, "idmap").shell("sleep 100").created().start()
    assert mounts_of(userns) == []
    with open(f"/proc/{userns.state()['pid']}/mountinfo") as file:
        assert str(tmp_path) not in file.read()


def test_masked_and_read_only_paths(either):
    out = either.shell("wc -c < /proc/keys; ls -A /proc/scsi /sys/firmware 2>/dev/null; cat /proc/kcore | wc -c;"
                       " true").output()
    assert out.split()[0] == "0"
    assert "\n0\n" in out
    done = either.shell(": >> /proc/sys/kernel/panic").run()
    assert done.returncode != 0
    assert "Read-only" in done.stderr or "Permission denied" in done.stderr  # the latter: not its owner anyway


def test_the_default_devices(either):
    out = either.shell("for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$d; done;"
                       " ls -l /dev/fd /dev/stdin /dev/ptmx /dev/core | sed 's/.* [/]dev/dev/'").output().splitlines()
    want = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
    for line, (name, numbers) in zip(out, want.items()):
        assert line == f"/dev/{name} character special file {numbers} 666"
    assert out[6:] == ["dev/core -> /proc/kcore", "dev/fd -> /proc/self/fd", "dev/ptmx -> pts/ptmx",
                       "dev/stdin -> /proc/self/fd/0"]


def test_devices_can_be_used_by_an_ordinary_user(either):
    either.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    out = either.shell("echo x > /dev/null && head -c 4 /dev/zero | wc -c; head -c 8 /dev/urandom | wc -c").output()
    assert out.split() == ["4", "8"]


def test_a_device_of_the_configuration(either):
    either.config["linux"]["devices"] = [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600}]
    if not os.path.exists("/dev/fuse") or os.stat("/dev/fuse").st_rdev != os.makedev(10, 229):
        pytest.skip("this machine has no /dev/fuse")
    assert either.shell("stat -c %t:%T /dev/fuse").output() == "a:e5\n"


def test_dev_of_the_host_is_left_alone(container):
    container.config["mounts"].remove(DEV)
    os.mkdir(os.path.join(container.bundle, "dev"))
    container.config["mounts"].insert(1, {"destination": "/dev", "type": "bind", "source": "dev", "options": ["bind"]})
    assert container.run().returncode == 0


def test_shm_and_tmpfs_options(either):
    either.mount("/tmp", type="tmpfs", source="tmpfs", options=["size=1m", "mode=1777", "nosuid"])
    assert either.shell("df -k /tmp | tail -1 | awk '{print $2}'; stat -c %a /tmp").output().split() == ["1024", "1777"]


def test_binds_are_private_by_default(container, tmp_path):
    container.bind(tmp_path, "/data")
    line = container.shell("grep ' /data ' /proc/self/mountinfo").output()
    assert "shared:" not in line and "master:" not in line


def test_sys_without_a_network_namespace(userns):
    userns.config["linux"]["namespaces"] = [n for n in userns.config["linux"]["namespaces"] if n["type"] != "network"]
    assert "kernel" in userns.shell("ls /sys; touch /sys/x 2>/dev/null; ls /sys/fs/cgroup/").output()


def test_cgroup_mounts_show_nothing_of_the_machine(either):
    out = either.shell("awk '$9 ~ /^cgroup/ || $8 ~ /^cgroup/ {print $5}' /proc/self/mountinfo | while read d; do"
                       " find $d -mindepth 1 -type d; done; grep -c ' cgroup' /proc/self/mountinfo").output().split()
    assert len(out) == 1 and int(out[0]) > 0


def test_no_pivot(container):
    assert container.shell("ls -d /bin").output("--no-pivot") == "/bin\n"


@pytest.mark.parametrize("options, word", [
    (["nonsense-option"], "nonsense-option"),
    (["size=garbage"], "size"),
])
def test_bad_options_name_the_mount(container, options, word):
    container.mount("/data", type="tmpfs", source="tmpfs", options=options)
    line = container.error()
    assert "/data" in line and word in line


def test_a_missing_source_names_it(container):
    container.bind("/no/such/source", "/data")
    line = container.error()
    assert "/no/such/source" in line and line.endswith(": not found")


def test_host_uids_are_high(userns):
    userns.shell("sleep 100").created().start()
    with open(f"/proc/{userns.state()['pid']}/status") as file:
        uid = next(int(line.split()[1]) for line in file if line.startswith("Uid:"))
    assert uid == ID_BASE
