"""runtime-spec config.md §Linux mount options: attributes, the recursive ones, propagation, remount, links, mappings."""
import os
import socket
import stat
import subprocess

import pytest


def line_of(container, path):
    """The fields of mountinfo of PATH in the container; None when nothing is mounted there."""
    lines = container.shell("cat /proc/self/mountinfo").output().splitlines()
    return next((line.split() for line in reversed(lines) if line.split()[4] == path), None)


def options_of(container, path):
    return set(line_of(container, path)[5].split(","))


@pytest.fixture
def private_mounts(container, monkeypatch):
    """Every verb of `container` runs after SETUP in a mount namespace of its own: private_mounts(SETUP)."""
    def prepare(setup):
        inner = container.program
        wrapper = os.path.join(container.bundle, "wrapper")
        with open(wrapper, "w") as file:
            file.write(f'#!/bin/sh\nset -e\n{setup}\nexec {inner} "$@"\n')
        os.chmod(wrapper, 0o755)
        outer = os.path.join(container.bundle, "outer")
        with open(outer, "w") as file:
            file.write(f'#!/bin/sh\nexec unshare -m --propagation private {wrapper} "$@"\n')
        os.chmod(outer, 0o755)
        monkeypatch.setattr(container, "program", outer)
        return container
    return prepare


def has_tree(container, private_mounts, tmp_path):
    """A source with a tmpfs mounted below it."""
    (tmp_path / "below").mkdir()
    return private_mounts(f"mount -t tmpfs none {tmp_path}/below")


@pytest.mark.parametrize("option, word", [
    ("ro", "ro"), ("nosuid", "nosuid"), ("nodev", "nodev"), ("noexec", "noexec"), ("noatime", "noatime"),
    ("nodiratime", "nodiratime"), ("nosymfollow", "nosymfollow"), ("relatime", "relatime")])
@pytest.mark.parametrize("kind", ["bind", "file", "tmpfs"])
def test_attributes(either, tmp_path, option, word, kind):
    os.chmod(either.rootfs, 0o777)
    if kind == "tmpfs":
        either.mount("/mnt", type="tmpfs", source="tmpfs", options=[option])
    else:
        source = tmp_path / "source"
        source.mkdir() if kind == "bind" else source.write_text("")
        either.mount("/mnt", type="bind", source=str(source), options=["bind", option])
    assert word in options_of(either, "/mnt")


@pytest.mark.parametrize("option", ["bogus", "size=1m", "sync", "dirsync", "mand", "iversion", "lazytime"])
def test_a_bind_says_what_it_cannot_do(container, tmp_path, option):
    done = container.bind(tmp_path, "/mnt", option).run()
    assert done.returncode == 0, done
    line, = done.stderr.splitlines()
    assert "mount.option_ignored" in line and f'destination="/mnt" option="{option}"' in line


@pytest.mark.parametrize("option", ["async", "nomand", "nolazytime", "noiversion", "defaults", "silent", "loud"])
def test_a_bind_says_nothing_of_defaults(container, tmp_path, option):
    assert container.bind(tmp_path, "/mnt", option).run().stderr == ""


def test_strictatime_is_no_relatime(container, tmp_path):
    container.bind(tmp_path, "/mnt", "strictatime")
    assert not {"relatime", "noatime"} & options_of(container, "/mnt")


@pytest.mark.parametrize("option", ["suid", "dev", "exec", "rw", "atime", "symfollow"])
def test_the_last_word_counts(container, tmp_path, option):
    opposite = {"rw": "ro"}.get(option, "no" + option)
    container.bind(tmp_path, "/mnt", opposite, option)
    assert opposite not in options_of(container, "/mnt")


@pytest.mark.parametrize("option, word", [
    ("rro", "ro"), ("rnosuid", "nosuid"), ("rnodev", "nodev"), ("rnoexec", "noexec"), ("rnoatime", "noatime"),
    ("rnodiratime", "nodiratime"), ("rnosymfollow", "nosymfollow")])
def test_recursive_attributes(container, private_mounts, tmp_path, option, word):
    has_tree(container, private_mounts, tmp_path).bind(tmp_path, "/mnt", option)
    assert word in options_of(container, "/mnt")
    assert word in options_of(container, "/mnt/below")


def test_attributes_are_not_recursive(container, private_mounts, tmp_path):
    has_tree(container, private_mounts, tmp_path).bind(tmp_path, "/mnt", "ro", "nosuid")
    assert {"ro", "nosuid"} <= options_of(container, "/mnt")
    assert not {"ro", "nosuid"} & options_of(container, "/mnt/below")


@pytest.mark.parametrize("option, word", [("rrw", "ro"), ("rsuid", "nosuid"), ("rexec", "noexec"), ("rdev", "nodev"),
                                          ("rsymfollow", "nosymfollow"), ("rrelatime", "noatime"),
                                          ("rstrictatime", "noatime"), ("ratime", "noatime")])
def test_recursive_attributes_taken_away(container, private_mounts, tmp_path, option, word):
    (tmp_path / "below").mkdir()
    private_mounts(f"mount -t tmpfs -o {word} none {tmp_path}/below").bind(tmp_path, "/mnt", option)
    assert word not in options_of(container, "/mnt/below")


def test_bind_is_without_what_is_below(container, private_mounts, tmp_path):
    has_tree(container, private_mounts, tmp_path)
    container.mount("/mnt", type="bind", source=str(tmp_path), options=["bind"])
    assert line_of(container, "/mnt/below") is None


def test_rbind_wins_over_bind(container, private_mounts, tmp_path):
    has_tree(container, private_mounts, tmp_path)
    container.mount("/mnt", type="bind", source=str(tmp_path), options=["rbind", "rw", "bind"])
    assert line_of(container, "/mnt/below")


@pytest.mark.parametrize("option", ["sync", "dirsync"])
def test_options_of_the_superblock(either, option):
    either.mount("/mnt", type="tmpfs", source="tmpfs", options=[option])
    os.chmod(either.rootfs, 0o777)
    assert option in line_of(either, "/mnt")[-1].split(",")


def test_binds_have_no_say_in_the_superblock(container, tmp_path):
    container.bind(tmp_path, "/mnt", "sync", "dirsync", "lazytime", "silent", "loud", "iversion", "nomand", "defaults")
    assert line_of(container, "/mnt")


# ---- propagation ----

def shared_source(private_mounts, tmp_path, kind="shared"):
    return private_mounts(f"mount --bind {tmp_path} {tmp_path}\nmount --make-{kind} {tmp_path}")


def tags(container, path):
    line = line_of(container, path)
    return [word.split(":")[0] for word in line[6:line.index("-")]]


@pytest.mark.parametrize("options, want", [
    ([], []), (["private"], []), (["rprivate"], []), (["shared"], ["shared"]), (["rshared"], ["shared"]),
    (["slave"], ["master"]), (["rslave"], ["master"]), (["unbindable"], ["unbindable"]), (["runbindable"], ["unbindable"]),
    (["rslave", "shared"], ["shared"])])
def test_propagation_of_a_bind_of_a_shared_mount(container, private_mounts, tmp_path, options, want):
    shared_source(private_mounts, tmp_path).bind(tmp_path, "/mnt", *options)
    assert tags(container, "/mnt") == want


@pytest.mark.parametrize("option, want", [("shared", ["shared"]), ("unbindable", ["unbindable"]), ("slave", []), ("private", [])])
def test_propagation_of_a_file_system(container, option, want):
    container.mount("/mnt", type="tmpfs", source="tmpfs", options=[option])
    assert tags(container, "/mnt") == want


def test_a_shared_bind_stays_the_peer_of_the_hosts(container, private_mounts, tmp_path):
    note = tmp_path / "group"
    (tmp_path / "data").mkdir()
    private_mounts(f"mount --bind {tmp_path}/data {tmp_path}/data\nmount --make-shared {tmp_path}/data\n"
                   f"grep ' {tmp_path}/data ' /proc/self/mountinfo > {note}")
    line = line_of(container.bind(tmp_path / "data", "/mnt", "rshared"), "/mnt")
    peer = next(word for word in note.read_text().split() if word.startswith("shared:"))
    assert peer in line


@pytest.mark.parametrize("value, want", [
    ("private", []), ("rprivate", []), ("shared", ["shared"]), ("rshared", ["shared"]), ("slave", ["master"]),
    ("rslave", ["master"]), ("unbindable", ["unbindable"]), ("runbindable", ["unbindable"])])
def test_propagation_of_the_root(container, private_mounts, value, want):
    private_mounts(f"mount --bind {container.rootfs} {container.rootfs}\nmount --make-shared {container.rootfs}")
    container.config["linux"]["rootfsPropagation"] = value
    assert tags(container, "/") == want


def test_the_root_is_private_else(container, private_mounts):
    private_mounts(f"mount --bind {container.rootfs} {container.rootfs}\nmount --make-shared {container.rootfs}")
    assert tags(container, "/") == []


# ---- remount ----

def test_remount_changes_what_it_names(either):
    os.chmod(either.rootfs, 0o777)
    either.mount("/mnt", type="tmpfs", source="tmpfs", options=["nosuid", "size=1m"])
    either.mount("/mnt", options=["remount", "ro", "noexec", "size=2m"])
    line = line_of(either, "/mnt")
    assert {"ro", "noexec", "nosuid"} <= set(line[5].split(",")) and "size=2048k" in line[-1]


def test_remount_of_a_bind(container, tmp_path):
    container.bind(tmp_path, "/mnt", "ro")
    container.mount("/mnt", type="bind", source=str(tmp_path), options=["remount", "bind", "rw", "nodev"])
    options = options_of(container, "/mnt")
    assert "nodev" in options and "ro" not in options


def test_remount_of_the_root(container):
    container.mount("/", options=["remount", "ro"])
    assert "Read-only" in container.shell("touch /x 2>&1; true").output()


def test_remount_needs_a_mount(container):
    os.mkdir(os.path.join(container.rootfs, "plain"))
    container.mount("/plain", options=["remount", "ro"])
    line = container.error()
    assert "/plain" in line and "remount" in line and "nothing is mounted" in line


# ---- what is bound, and on what ----

@pytest.mark.parametrize("options", [[], ["ro"], ["rro"]])
@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "file"])
def test_binds_of_what_is_no_directory(container, tmp_path, kind, options):
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(str(path))
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    else:
        path.write_text("")
    container.mount("/made/thing", type="bind", source=str(path), options=["bind", *options])
    want = {"fifo": "fifo", "socket": "socket", "device": "character special file", "file": "regular empty file"}
    assert container.shell("stat -c %F /made/thing").output().strip() == want[kind]


def test_a_source_that_is_a_link_is_followed(container, tmp_path):
    (tmp_path / "real").write_text("real\n")
    os.symlink("real", tmp_path / "link")
    assert container.bind(tmp_path / "link", "/data").shell("cat /data").output() == "real\n"


def test_src_nofollow_and_dest_nofollow(either, tmp_path):
    os.symlink("/elsewhere", tmp_path / "link")
    (tmp_path / "file").write_text("text\n")
    os.chmod(tmp_path, 0o755)
    for name in ("one", "two"):
        os.symlink("nowhere", os.path.join(either.rootfs, name))
    either.mount("/one", type="bind", source=str(tmp_path / "link"), options=["bind", "src-nofollow", "dest-nofollow"])
    either.mount("/two", type="bind", source=str(tmp_path / "file"), options=["bind", "dest-nofollow"])
    assert either.shell("readlink /one; cat /two; ls /nowhere 2>&1; true").output().splitlines()[:2] == ["/elsewhere", "text"]
    assert not os.path.lexists(os.path.join(either.rootfs, "nowhere"))


def test_dest_nofollow_is_not_for_proc(container, tmp_path):
    os.symlink("x", tmp_path / "link")
    container.mount("/proc/self", type="bind", source=str(tmp_path / "link"), options=["bind", "src-nofollow", "dest-nofollow"])
    assert "dest-nofollow" in container.error()


def test_copy_symlink(container, tmp_path):
    os.symlink("point-to-nowhere", tmp_path / "link")
    (tmp_path / "file").write_text("bound\n")
    container.bind(tmp_path / "link", "/a/sym/link", "copy-symlink").bind(tmp_path / "file", "/file", "copy-symlink")
    assert container.shell("readlink /a/sym/link; cat /file").output() == "point-to-nowhere\nbound\n"
    assert container.shell("readlink /a/sym/link").output() == "point-to-nowhere\n"  # it is there already
    os.unlink(os.path.join(container.rootfs, "a/sym/link"))
    os.symlink("other", os.path.join(container.rootfs, "a/sym/link"))
    line = container.error()
    assert "/a/sym/link" in line and "point-to-nowhere" in line


def test_a_target_that_links_to_nothing_is_made_inside(container, tmp_path):
    (tmp_path / "file").write_text("text\n")
    os.makedirs(os.path.join(container.rootfs, "etc"), exist_ok=True)
    os.symlink("../foo/bar/here", os.path.join(container.rootfs, "etc/link"))
    os.symlink("/abs/olute", os.path.join(container.rootfs, "etc/dir"))
    container.bind(tmp_path / "file", "/etc/link").bind(tmp_path, "/etc/dir/below")
    assert container.shell("cat /foo/bar/here /abs/olute/below/file").output() == "text\ntext\n"
    assert not os.path.exists("/abs/olute")


def test_links_in_a_circle_end(container, tmp_path):
    os.symlink("two", os.path.join(container.rootfs, "one"))
    os.symlink("one", os.path.join(container.rootfs, "two"))
    assert "/one" in container.bind(tmp_path, "/one").error()


def test_a_relative_destination(container, tmp_path):
    (tmp_path / "file").write_text("text\n")
    assert container.bind(tmp_path, "some/where").shell("cat /some/where/file").output() == "text\n"


def test_slashes(container, tmp_path):
    container.mount("/dev//shm2/", type="tmpfs", source="tmpfs").bind(tmp_path, "//a//b//")
    assert container.shell("ls -d /dev/shm2 /a/b").output() == "/a/b\n/dev/shm2\n"


def test_mounts_over_mounts(container, tmp_path):
    container.mount("/mnt", type="tmpfs", source="first").mount("/mnt/below", type="tmpfs", source="below")
    (tmp_path / "file").write_text("")
    container.bind(tmp_path, "/mnt").mount("/dev/shm/deep/er", type="tmpfs", source="deep")
    container.mount("/dev", type="tmpfs", source="again", options=["mode=755"]).mount("/dev/shm", type="tmpfs", source="shm2")
    out = container.shell("ls /mnt; awk '$5 == \"/dev/shm\" {print $(NF-1)}' /proc/self/mountinfo; ls /dev/null; ls -A /dev/shm").output()
    assert out.split() == ["file", "shm", "shm2", "/dev/null"]  # the first one is hidden


# ---- mappings ----

def idmapped(container, tmp_path, option):
    os.chown(tmp_path, 3, 4)
    container.bind(tmp_path, "/data", option)
    return container.shell("stat -c %u:%g /data").output().strip()


def test_idmap_with_ranges(container, tmp_path):
    assert idmapped(container, tmp_path, "idmap=uids=0-100-10;gids=0-200-10") == "103:204"


def test_idmap_with_ranges_relative_to_the_container(userns, tmp_path):
    os.mkdir(os.path.join(userns.rootfs, "data"))
    assert idmapped(userns, tmp_path, "idmap=uids=@0-7-10;gids=@0-9-10") == "10:13"


@pytest.mark.parametrize("text", ["uids=0-1", "uids=0-1-1", "nonsense", ""])
def test_idmap_that_cannot_be_read(container, tmp_path, text):
    line = container.bind(tmp_path, "/data", "idmap=" + text).error()
    assert "/data" in line and "idmap" in line


def test_ridmap_maps_what_is_below(container, private_mounts, tmp_path):
    maps = [{"containerID": 0, "hostID": 5000, "size": 10}]
    (tmp_path / "below").mkdir()
    private_mounts(f"mount -t tmpfs none {tmp_path}/below")
    container.mount("/one", type="bind", source=str(tmp_path), options=["rbind", "idmap"], uidMappings=maps, gidMappings=maps)
    container.mount("/two", type="bind", source=str(tmp_path), options=["rbind", "ridmap"], uidMappings=maps, gidMappings=maps)
    done = container.shell("stat -c %u /one /one/below /two /two/below").run()
    if "cannot be idmapped" in done.stderr:
        pytest.skip("this kernel cannot map a tmpfs")
    assert done.stdout.split() == ["5000", "0", "5000", "5000"]


# ---- errors ----

@pytest.mark.parametrize("mount, words", [
    ({"destination": "/x", "source": "none"}, ["/x", "type is missing"]),
    ({"destination": "/x", "type": "bind", "options": ["bind"]}, ["/x", "source is missing"]),
    ({"destination": "/x", "type": "nosuchfs", "source": "none"}, ["/x", "nosuchfs", "/proc/filesystems"]),
    ({"destination": "/x", "type": "tmpfs", "options": ["copy-symlink"]}, ["/x", "copy-symlink"]),
    ({"destination": "/x", "type": "bind", "source": "/tmp", "options": ["bind", "copy-symlink", "src-nofollow"]}, ["/x", "copy-symlink"]),
    ({"destination": "/x", "type": "bind", "source": "/tmp", "options": ["bind", "tmpcopyup"]}, ["/x", "tmpcopyup"]),
    ({"destination": "/", "type": "tmpfs", "options": ["tmpcopyup"]}, ["/", "root"]),
    ({"destination": "/x", "type": "bind", "source": "/tmp", "options": ["bind"], "uidMappings":
      [{"containerID": 0, "hostID": 1, "size": 1}]}, ["/x", "gidMappings"]),
    ({"destination": "/x", "type": "tmpfs", "options": ["strange=1"]}, ["/x", "strange=1", "the kernel says", "strange"]),
    ({"destination": "/etc/passwd", "type": "tmpfs"}, ["/etc/passwd", "directory"]),
])
def test_errors_name_the_field_and_the_reason(container, mount, words):
    container.config["mounts"].append(mount)
    line = container.error()
    assert "mounts" in line
    for word in words:
        assert word in line


def test_a_target_that_cannot_be_made_on_a_read_only_root(container, private_mounts, tmp_path):
    private_mounts(f"mount --bind {container.rootfs} {container.rootfs}\nmount -o remount,bind,ro {container.rootfs}")
    line = container.bind(tmp_path, "/not/there").error()
    assert "mounts: /not/there" in line and "ead-only file system" in line and "mount point" in line


def test_a_target_that_the_containers_root_may_not_make(userns, tmp_path):
    os.chown(userns.rootfs, 0, 0)
    os.chmod(userns.rootfs, 0o755)
    line = userns.bind(tmp_path, "/not/there").error()
    assert "mounts: /not/there" in line and "may not write" in line


def test_an_unbindable_source(container, private_mounts, tmp_path):
    private_mounts(f"mount -t tmpfs none {tmp_path}\nmount --make-unbindable {tmp_path}")
    line = container.bind(tmp_path, "/data").error()
    assert str(tmp_path) in line and "unbindable" in line


def test_nothing_of_it_is_left(container, tmp_path):
    container.bind(tmp_path, "/data", "rshared").mount("/mnt", type="tmpfs", source="tmpfs", options=["shared"])
    container.run()
    assert str(tmp_path) not in subprocess.run(["cat", "/proc/self/mountinfo"], capture_output=True, text=True, check=True).stdout
