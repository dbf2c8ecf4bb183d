"""config-linux.md §Default Filesystems, and what is shown where a user namespace may not mount: by kind of file system."""
import json
import os
import stat
import subprocess

import pytest

CGROUP = "/sys/fs/cgroup"


def without(container, *kinds):
    namespaces = container.config["linux"]["namespaces"]
    container.config["linux"]["namespaces"] = [n for n in namespaces if n["type"] not in kinds]
    return container


def at(container, path):
    """The mount of PATH, among those of config.json."""
    return next(mount for mount in container.config["mounts"] if mount["destination"] == path)


def lines_of(container, path):
    lines = container.shell("cat /proc/self/mountinfo").output().splitlines()
    return [line.split() for line in lines if line.split()[4] == path]


# ---- proc, sys, mqueue ----

def test_proc_keeps_the_mode_of_the_kernel(container):
    os.chmod(os.path.join(container.rootfs, "proc"), 0o700)
    assert container.shell("stat -c %a /proc").output() == "555\n"


@pytest.mark.parametrize("options, gone", [(["hidepid=2"], None), (["subset=pid"], "/proc/meminfo")])
def test_options_of_proc(container, options, gone):
    at(container, "/proc")["options"] = options
    container.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    out = container.shell("tail -1 /proc/self/status; ls /proc/meminfo 2>&1; grep ' /proc ' /proc/self/mountinfo").output()
    if gone:
        assert "No such file" in out
    else:
        assert "hidepid" in out


def test_proc_of_the_machine_where_processes_are_shared(userns):
    without(userns, "pid")
    userns.config["linux"].update(maskedPaths=["/proc/keys"], readonlyPaths=["/proc/sys"])
    out = userns.shell("test -d /proc/$$ && echo mine; wc -c < /proc/keys").output()
    assert out.split() == ["mine", "0"]


def test_options_that_a_shown_proc_cannot_have(userns):
    at(without(userns, "pid"), "/proc")["options"] = ["hidepid=2"]
    line = userns.error()
    assert "/proc" in line and "hidepid=2" in line


def test_mqueue_where_ipc_is_shared(userns):
    line = subprocess.run(["grep", " /dev/mqueue ", "/proc/self/mountinfo"], capture_output=True, text=True, check=False).stdout
    if "mqueue" in line:
        assert "mqueue" in lines_of(without(userns, "ipc"), "/dev/mqueue")[-1]
    else:
        line = without(userns, "ipc").error()
        assert "/dev/mqueue" in line


def test_sys_that_is_covered_in_part_is_bound_instead(userns, tmp_path):
    """fs/namespace.c, mount_too_revealing: a user namespace must not uncover what is covered outside."""
    script = tmp_path / "run"
    userns.write()
    userns.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    userns.shell("ls /sys/firmware | wc -l; touch /sys/x 2>&1; true").write()
    script.write_text(f'#!/bin/sh\nset -e\nmount -t tmpfs none /sys/firmware\nexec {userns.program} --root {userns.state_root}'
                      f' run --bundle {userns.bundle} {userns.id}\n')
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "0" and "Read-only" in done.stdout


# ---- devpts, tmpfs, ramfs, overlay, others ----

def test_devpts_whose_group_is_not_mapped(userns):
    one = [{"containerID": 0, "hostID": 1_200_000_000, "size": 1}]
    userns.config["linux"].update(uidMappings=one, gidMappings=one)
    assert "gid=5" not in lines_of(userns, "/dev/pts")[-1][-1]


def test_another_group_of_devpts_that_is_not_mapped_is_refused(userns):
    at(userns, "/dev/pts")["options"][-1] = "gid=70000"
    line = userns.error()
    assert "/dev/pts" in line and "gid=70000" in line and "is the id mapped in the user namespace?" in line


def test_devpts_whose_group_is_mapped(userns):
    assert "gid=1200000005" in lines_of(userns, "/dev/pts")[-1][-1]


def test_an_owner_that_is_not_mapped_is_told(userns):
    os.chmod(userns.rootfs, 0o777)
    line = userns.mount("/mnt", type="tmpfs", source="tmpfs", options=["uid=4000000"]).error()
    assert "/mnt" in line and "uid=4000000" in line and "mapped" in line


@pytest.mark.parametrize("options, want", [([], "712"), (["ro"], "712"), (["mode=1777"], "1777")])
def test_a_tmpfs_has_the_mode_of_what_it_covers(either, options, want):
    path = os.path.join(either.rootfs, "dir")
    os.mkdir(path)
    os.chmod(path, 0o712)
    either.mount("/dir", type="tmpfs", source="tmpfs", options=options)
    assert either.shell("stat -c %a /dir").output() == want + "\n"


def test_a_read_only_tmpfs_gets_what_lies_below_first(container, tmp_path):
    (tmp_path / "file").write_text("text\n")
    container.mount("/mnt", type="tmpfs", source="tmpfs", options=["ro"]).bind(tmp_path / "file", "/mnt/a/file")
    out = container.shell("cat /mnt/a/file; touch /mnt/x 2>&1; true").output()
    assert out.startswith("text\n") and "Read-only" in out


def test_a_read_only_dev(either):
    at(either, "/dev")["options"].append("ro")
    out = either.shell("echo x > /dev/null && touch /dev/x 2>&1; ls -l /dev/fd; touch /dev/shm/y && echo shm").run().stdout
    assert "Read-only" in out and "/proc/self/fd" in out and out.endswith("shm\n")


def test_ramfs(either):
    os.chmod(either.rootfs, 0o777)
    either.mount("/mnt", type="ramfs", source="ramfs", options=["mode=700"])
    assert either.shell("touch /mnt/x; stat -f -c %T /mnt; stat -c %a /mnt").output().split() == ["ramfs", "700"]


@pytest.fixture
def layers(tmp_path):
    os.chmod(tmp_path, 0o755)
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/file").write_text("lower\n")
    return [f"lowerdir={tmp_path}/lower", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]


def test_an_overlay_below_the_root(either, layers, tmp_path):
    os.chmod(either.rootfs, 0o777)
    os.chmod(tmp_path / "upper", 0o777)
    either.mount("/mnt", type="overlay", source="overlay", options=layers)
    assert either.shell("cat /mnt/file; echo upper > /mnt/new; cat /mnt/new").output() == "lower\nupper\n"
    assert (tmp_path / "upper/new").read_text() == "upper\n"


def test_an_overlay_of_lower_layers_only(container, layers, tmp_path):
    (tmp_path / "other").mkdir()
    container.mount("/mnt", type="overlay", source="overlay", options=[f"lowerdir={tmp_path}/lower:{tmp_path}/other"])
    assert "Read-only" in container.shell("cat /mnt/file; touch /mnt/x 2>&1; true").output()


def test_an_overlay_without_its_layer(container, layers):
    line = container.mount("/mnt", type="overlay", source="overlay", options=["lowerdir=/no/such", *layers[1:]]).error()
    assert "/mnt" in line


# ---- cgroup ----

@pytest.mark.parametrize("options", [["ro"], ["rw"], ["nosuid", "noexec", "nodev", "rprivate"]])
@pytest.mark.parametrize("cgroupns", [True, False])
def test_cgroup_mounts_can_be_read_only_or_not(either, options, cgroupns):
    if not cgroupns:
        without(either, "cgroup")
    at(either, CGROUP)["options"] = options
    out = either.shell("awk '$5 ~ \"^/sys/fs/cgroup\" {print $6}' /proc/self/mountinfo;"
                       " find /sys/fs/cgroup -mindepth 2 -type d | wc -l").output().split()
    assert len(out) > 1 and out[-1] == "0"  # nothing of the machine
    assert all(("ro" in line.split(",")) == (options == ["ro"]) for line in out[:-1])


def test_controllers_of_one_hierarchy_have_a_link_each(container):
    script = "for d in /sys/fs/cgroup/*,*; do for n in $(basename $d | tr , ' '); do readlink /sys/fs/cgroup/$n; done; done"
    names = [name for name in os.listdir(CGROUP) if "," in name and not os.path.islink(os.path.join(CGROUP, name))]
    if not names:
        pytest.skip("no cgroup v1 hierarchy of this machine has two controllers")
    assert set(container.shell(script).output().split()) == set(names)


def test_cgroup2_alone(either):
    if not os.path.exists(os.path.join(CGROUP, "unified")) and not os.path.exists(os.path.join(CGROUP, "cgroup.controllers")):
        pytest.skip("this machine has no cgroup v2")
    at(either, CGROUP)["type"] = "cgroup2"
    assert [line[line.index("-") + 1] for line in lines_of(either, CGROUP)] == ["cgroup2"]


def test_cgroup_over_a_bound_sys(container):
    """podman run --network host."""
    without(container, "network")
    sys = at(container, "/sys")
    sys.update(type="bind", source="/sys", options=["rprivate", "nosuid", "noexec", "nodev", "ro", "rbind"])
    assert len(lines_of(container, CGROUP)) >= 2


@pytest.mark.parametrize("netns", [True, False])
def test_sys_is_read_only_in_every_way(either, netns):
    if not netns:
        without(either, "network")
    container_lines = lines_of(either, "/sys")
    assert "ro" in container_lines[-1][5].split(",")


# ---- tmpcopyup ----

@pytest.fixture
def tree(either):
    """A directory of the image with one of everything; what the container should see of it, by `stat`."""
    top = os.path.join(either.rootfs, "tree")
    os.makedirs(os.path.join(top, "dir/deep"))
    owner = 1_200_000_000 if "uidMappings" in either.config["linux"] else 0
    with open(os.path.join(top, "file"), "w") as file:
        file.write("text\n")
    os.link(os.path.join(top, "file"), os.path.join(top, "dir/second"))
    os.symlink("/etc/passwd", os.path.join(top, "link"))
    os.mkfifo(os.path.join(top, "dir/fifo"))
    with open(os.path.join(top, "dir/deep/big"), "wb") as file:
        file.write(b"x" * 3_000_000)
    for folder, names, files in os.walk(top):
        for name in [".", *names, *files]:
            os.lchown(os.path.join(folder, name), owner + 7, owner + 8)
    os.chmod(os.path.join(top, "file"), 0o4751)
    os.chmod(os.path.join(top, "dir"), 0o2770)
    os.setxattr(os.path.join(top, "file"), "user.note", b"kept")
    for path in ("file", "dir/deep", "dir"):
        os.utime(os.path.join(top, path), (1_000_000_000, 1_100_000_000))
    os.chmod(top, 0o1775)
    return either


def test_tmpcopyup(tree):
    tree.mount("/tree", type="tmpfs", source="tmpfs", options=["tmpcopyup", "size=10m"])
    tree.capabilities("CAP_DAC_OVERRIDE", "CAP_FOWNER")
    out = tree.shell("cd /tree; stat -f -c %T .; stat -c '%n %a %u:%g %h' . file dir dir/fifo dir/second; readlink link;"
                     " cat file; wc -c < dir/deep/big; stat -c %Y file dir dir/deep; touch new && echo writable").output()
    assert out.splitlines() == [
        "tmpfs", ". 1775 7:8 3", "file 4751 7:8 2", "dir 2770 7:8 3", "dir/fifo 644 7:8 1", "dir/second 4751 7:8 2",
        "/etc/passwd", "text", "3000000", "1100000000", "1100000000", "1100000000", "writable"]
    assert not os.path.exists(os.path.join(tree.rootfs, "tree/new"))


def test_tmpcopyup_keeps_attributes(tree):
    tree.mount("/tree", type="tmpfs", source="tmpfs", options=["tmpcopyup"]).shell("sleep 100").created().start()
    path = f"/proc/{tree.state()['pid']}/root/tree/file"
    try:
        assert os.getxattr(path, "user.note") == b"kept"
    except OSError as error:
        pytest.skip(f"a tmpfs of this kernel has no user attributes: {error}")


def test_tmpcopyup_and_read_only(tree):
    tree.mount("/tree", type="tmpfs", source="tmpfs", options=["ro", "tmpcopyup"])
    out = tree.shell("cat /tree/file; touch /tree/x 2>&1; true").output()
    assert out.startswith("text\n") and "Read-only" in out


def test_tmpcopyup_with_a_mode_and_an_owner(tree):
    tree.mount("/tree", type="tmpfs", source="tmpfs", options=["tmpcopyup", "mode=700", "uid=3", "gid=4"])
    assert tree.shell("stat -c '%a %u:%g' /tree; ls /tree").output().split() == ["700", "3:4", "dir", "file", "link"]


def test_tmpcopyup_on_nothing(container):
    container.mount("/fresh/one", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
    assert container.shell("ls -A /fresh/one; stat -f -c %T /fresh/one").output() == "tmpfs\n"


def test_tmpcopyup_does_not_copy_what_is_mounted_below(container, tmp_path):
    (tmp_path / "secret").write_text("secret\n")
    os.makedirs(os.path.join(container.rootfs, "tree/below"))
    container.bind(tmp_path, "/tree/below").mount("/tree", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
    assert container.shell("find /tree").output() == "/tree\n/tree/below\n"


def test_tmpcopyup_follows_no_link_out(container, tmp_path):
    (tmp_path / "secret").write_text("secret\n")
    os.symlink(tmp_path, os.path.join(container.rootfs, "tree"))
    os.makedirs(container.rootfs + str(tmp_path))
    container.mount("/tree", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
    assert container.shell("ls -A /tree/").output() == ""


def test_tmpcopyup_that_does_not_fit(container):
    os.mkdir(os.path.join(container.rootfs, "tree"))
    with open(os.path.join(container.rootfs, "tree/big"), "wb") as file:
        file.write(b"x" * 200_000)
    line = container.mount("/tree", type="tmpfs", source="tmpfs", options=["tmpcopyup", "size=64k"]).error()
    assert "/tree" in line and "big" in line and "size=" in line


def test_tmpcopyup_has_a_limit_of_depth(container):
    os.makedirs(os.path.join(container.rootfs, "tree", *["d"] * 80))
    line = container.mount("/tree", type="tmpfs", source="tmpfs", options=["tmpcopyup"]).error()
    assert "/tree" in line and "deep" in line


def test_tmpcopyup_of_a_large_directory(container):
    os.mkdir(os.path.join(container.rootfs, "tree"))
    for i in range(2000):
        folder = os.path.join(container.rootfs, f"tree/a-directory-with-a-long-name-{i}")
        os.mkdir(folder)
        open(os.path.join(folder, "x"), "w").close()
    container.mount("/tree", type="tmpfs", source="tmpfs", options=["tmpcopyup"])
    assert container.shell("find /tree -type f | wc -l").output() == "2000\n"


# ---- devices ----

def device(container, **fields):
    container.config["linux"].setdefault("devices", []).append(fields)
    return container


@pytest.mark.parametrize("kind, word", [("c", "character special file"), ("u", "character special file"),
                                        ("b", "block special file"), ("p", "fifo")])
def test_devices_of_every_kind(either, kind, word):
    numbers = {} if kind == "p" else {"major": 251, "minor": 3}
    device(either, path="/dev/sub/thing", type=kind, fileMode=0o157, uid=10, gid=11, **numbers)
    out = either.shell("stat -c '%F|%a|%u:%g|%t:%T' /dev/sub/thing").output().strip().split("|")
    assert out == [word, "157", "10:11", "0:0" if kind == "p" else "fb:3"]


def test_a_device_outside_of_dev(container):
    device(container, path="/made/thing/", type="c", major=1, minor=3)
    assert container.shell("stat -c %t:%T /made/thing").output() == "1:3\n"


def test_the_umask_does_not_matter(container):
    device(container, path="/dev/open", type="c", major=1, minor=3, fileMode=0o666)
    old = os.umask(0o077)
    try:
        assert container.shell("stat -c %a /dev/open /dev/null").output() == "666\n666\n"
    finally:
        os.umask(old)


def test_a_default_device_of_the_configuration_has_its_mode(container):
    device(container, path="/dev/null", type="c", major=1, minor=3, fileMode=0o600, uid=5)
    assert container.shell("stat -c '%a %u' /dev/null").output() == "600 5\n"


@pytest.mark.parametrize("path", ["/dev/../x", "/dev/./x", "/..", "/"])
def test_device_paths_that_lead_elsewhere(container, path):
    line = device(container, path=path, type="c", major=1, minor=3).error()
    assert "linux.devices" in line


def test_an_owner_of_a_device_that_is_not_mapped(userns):
    line = device(userns, path="/dev/x", type="c", major=1, minor=3, uid=5_000_000).error()
    assert "/dev/x" in line and "5000000" in line and "mapped" in line


@pytest.mark.parametrize("what", ["file", "device", "link", "directory"])
def test_a_device_whose_place_is_taken(container, what):
    path = os.path.join(container.rootfs, "thing")
    if what == "file":
        open(path, "w").close()
    elif what == "device":
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    elif what == "link":
        os.symlink("/etc/passwd", path)
    else:
        os.mkdir(path)
    line = device(container, path="/thing", type="c", major=1, minor=3).error()
    assert "linux.devices" in line and "/thing" in line and "already" in line


def test_a_device_that_is_there_already(either):
    path = os.path.join(either.rootfs, "thing")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    assert device(either, path="/thing", type="c", major=1, minor=3).shell("stat -c %t:%T /thing").output() == "1:3\n"


def test_bound_devices_carry_no_rights(userns):
    out = userns.shell("awk '$5 ~ \"^/dev/(null|zero|full|tty|random|urandom)$\" {print $6}' /proc/self/mountinfo").output()
    assert len(out.split()) == 6
    for line in out.split():
        assert {"nosuid", "noexec"} <= set(line.split(","))


def test_made_devices_work_in_a_user_namespace(userns):
    device(userns, path="/dev/other-zero", type="c", major=1, minor=5, fileMode=0o600)
    assert userns.shell("head -c 4 /dev/other-zero | wc -c; awk '$5 == \"/sys\"' /proc/self/mountinfo | wc -l").output().split() == ["4", "1"]


def test_a_bound_dev_is_left_as_it_is(container):
    path = os.path.join(container.bundle, "dev")
    os.mkdir(path)
    os.mknod(os.path.join(path, "null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    container.config["mounts"] = [m for m in container.config["mounts"] if not m["destination"].startswith("/dev")]
    container.mount("/dev/", type="bind", source="dev", options=["rbind"])
    device(container, path="/dev/extra", type="c", major=1, minor=5)
    assert container.shell("ls /dev").output() == "null\n"
    assert os.listdir(path) == ["null"]


def test_devices_without_a_mount_on_dev(container):
    container.config["mounts"] = [m for m in container.config["mounts"] if not m["destination"].startswith("/dev")]
    assert container.shell("echo x > /dev/null; stat -c %t:%T /dev/zero; readlink /dev/fd").output() == "1:5\n/proc/self/fd\n"


# ---- masks ----

def test_masks_of_files_and_directories(either):
    os.makedirs(os.path.join(either.rootfs, "masked/dir"))
    for name in ("masked/dir/file", "masked/one", "masked/two"):
        with open(os.path.join(either.rootfs, name), "w") as file:
            file.write("secret\n")
    either.config["linux"]["maskedPaths"] = ["/masked/dir", "/masked/one", "/masked/two", "/not/there", "/masked/one/below"]
    out = either.shell("cd /masked; ls -A dir; cat one two; stat -c '%F %t:%T' one two; touch dir/x 2>&1; stat -c %a dir").output()
    assert out.splitlines()[:2] == ["character special file 1:3"] * 2
    assert "Read-only" in out and out.endswith("555\n")


def test_read_only_paths_keep_the_other_options(either, tmp_path):
    os.mkdir(os.path.join(either.rootfs, "data"))
    os.chmod(tmp_path, 0o755)
    (tmp_path / "dir").mkdir()
    either.bind(tmp_path, "/data", "nosuid", "nodev", "noexec")
    either.config["linux"]["readonlyPaths"] = ["/data/dir", "/not/there"]
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(lines_of(either, "/data/dir")[-1][5].split(","))


def test_no_masks_no_mounts(container):
    container.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    assert container.shell("grep -c ' /proc/' /proc/self/mountinfo; true").output() == "0\n"


def test_features_name_the_options(container):
    names = json.loads(container.call("features").stdout)["mountOptions"]
    assert {"rro", "tmpcopyup", "remount", "idmap", "copy-symlink", "sync"} <= set(names)
