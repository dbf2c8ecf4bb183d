"""Attacks by what lies in the root file system: links and devices in the place of what the runtime mounts on, makes or opens.
CVE-2018-15664's kin: 2019-18837, 2021-30465, 2024-45310, 2025-31133, 2025-52565, 2025-52881, 2026-41579, 2026-47766,
2026-88264, 2026-88265, crun's 2025-24965."""
import os
import shutil
import stat
import subprocess
import time

import pytest

DEADLINE_OF_A_RACE = 2  # seconds


def picture(folder):
    """All that a directory of the host has, with modes, owners, contents."""
    found = {}
    for top, names, files in os.walk(folder):
        for name in names + files:
            path = os.path.join(top, name)
            st = os.lstat(path)
            text = open(path).read() if stat.S_ISREG(st.st_mode) else ""
            found[os.path.relpath(path, folder)] = (oct(st.st_mode), st.st_uid, st.st_gid, st.st_rdev, text)
    return found


@pytest.fixture
def outside(scratch):
    """A directory of the host that must stay as it is, and a file of it."""
    path = os.path.join(scratch, "outside")
    os.makedirs(os.path.join(path, "pts"))
    os.chmod(path, 0o755)
    for name in ("file", "null", "console", "pts/0", "pts/ptmx"):
        with open(os.path.join(path, name), "w") as file:
            file.write("of the host\n")
    return path


def replace(container, name, target):
    path = os.path.join(container.rootfs, name.lstrip("/"))
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def without_dev(container):
    container.config["mounts"] = [m for m in container.config["mounts"] if not m["destination"].startswith("/dev")]
    return container


LEADS = ["{outside}", "../../../../../../../../..{outside}", "{outside}/none", "/proc/1/root{outside}", "/proc/self/cwd",
         "/proc/self/root/proc/1/root{outside}"]


@pytest.mark.parametrize("victim", ["/dev", "/dev/pts", "/dev/shm", "/dev/null", "/dev/zero", "/dev/console", "/dev/pts/ptmx", "/dev/fd"])
@pytest.mark.parametrize("with_mounts", [True, False])
def test_a_device_path_that_leads_out(container, outside, victim, with_mounts):
    """The image's own /dev, with and without what the configuration mounts there, with a terminal, which opens most."""
    before = picture(outside)
    if not with_mounts:
        without_dev(container)
    container.config["process"]["terminal"] = True
    container.config["linux"]["maskedPaths"].append("/dev/shm")
    container.config["linux"]["devices"] = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666,
                                             "uid": 4711, "gid": 4711}]
    container.shell("echo of the container > /dev/null")
    for lead in LEADS:
        replace(container, victim, lead.format(outside=outside) + ("" if victim in ("/dev", "/dev/pts", "/dev/shm") else "/file"))
        container.run()
        assert picture(outside) == before, lead


@pytest.mark.parametrize("victim", ["/data", "/data/deep", "/proc", "/sys", "/tmp", "/etc", "/sys/fs"])
def test_a_mount_target_that_leads_out(either, outside, victim):
    before = picture(outside)
    either.bind(either.rootfs + "/bin", "/data/deep/er").mount("/data/deep/tmp", type="tmpfs", source="tmpfs")
    either.mount("/tmp/x/y", type="tmpfs", source="tmpfs").bind("/etc/hostname", "/etc/made/hosts")
    either.shell("echo pwned > /data/deep/tmp/file; echo pwned > /tmp/x/y/file; exit 0")
    for lead in LEADS:
        replace(either, victim, lead.format(outside=outside))
        assert either.run().returncode in (0, 1)
        assert picture(outside) == before, lead


@pytest.mark.parametrize("destination", ["/../..{outside}/made", "/a/../../../..{outside}/made", "/./../{outside}/made", "{outside}/../x"])
def test_a_destination_with_dots(container, outside, destination):
    before = picture(outside)
    container.mount(destination.format(outside=outside), type="tmpfs", source="tmpfs").run()
    assert picture(outside) == before


@pytest.mark.parametrize("file", ["/etc/hosts", "/etc/passwd", "/run/.containerenv", "/config.json"])
def test_nothing_is_written_through_links_of_an_image(either, outside, file):
    """crun's CVE-2025-24965: no file of ours is written into a root, not even /etc/passwd or an environment."""
    before = picture(outside)
    replace(either, file, outside + "/file")
    either.run()
    assert picture(outside) == before


def test_a_device_in_the_place_of_ptmx_is_not_opened(container):
    """Opening can be harm enough (a watchdog, a tape): a FIFO would stop us, and tells that it was opened by a reader."""
    without_dev(container)
    os.makedirs(os.path.join(container.rootfs, "dev/pts"))
    fifo = os.path.join(container.rootfs, "dev/pts/ptmx")
    os.mkfifo(fifo)
    container.config["process"]["terminal"] = True
    assert "process.terminal: /dev/pts is not a devpts" in container.error()
    with pytest.raises(OSError):  # ENXIO: nobody has it open
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)


def test_a_device_in_the_place_of_passwd_is_not_opened(sleeper):
    """By exec --user, which is not in the container's device cgroup."""
    path = os.path.join(sleeper.rootfs, "etc/passwd")
    os.remove(path)
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 8))  # would be read as random bytes, for as long as one likes
    done = sleeper.exec("id", options=("--user", "nobody"))
    assert done.returncode != 0 and 'no user "nobody"' in done.stderr


@pytest.mark.parametrize("name", ["passwd", "group"])
def test_a_huge_passwd(sleeper, name):
    """Lines past the limit do not exist, and half a line names nobody."""
    with open(os.path.join(sleeper.rootfs, "etc", name), "w") as file:
        file.write("x" * 70000 + "\n" + "late:x:0:0::/:/bin/sh\n" + "y:x:7:7::/:/bin/sh\n" * 100000)
    start = time.monotonic()
    assert sleeper.exec("id", options=("--user", "late:late")).returncode != 0
    assert sleeper.exec("true", options=("--user", "1000")).returncode == 0
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("fake", ["tmpfs", "bind"])
def test_a_fake_proc_gets_no_sysctl(new_container, fake):
    """CVE-2019-16884, 2019-19921, 2025-52881: what is written goes to a procfs of our own, not to what is mounted on /proc."""
    container = new_container()
    os.makedirs(os.path.join(container.rootfs, "fake/sys/net/ipv4"))
    for name in ("ip_forward", "ping_group_range"):
        with open(os.path.join(container.rootfs, "fake/sys/net/ipv4", name), "w") as file:
            file.write("untouched\n")
    container.config["mounts"] = [m for m in container.config["mounts"] if m["destination"] != "/proc"]
    if fake == "tmpfs":
        container.mount("/proc", type="tmpfs", source="tmpfs")
    else:
        container.bind(os.path.join(container.rootfs, "fake"), "/proc")
    container.mount("/real", type="proc", source="proc")
    container.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "net.ipv4.ping_group_range": "5 6"}
    out = container.shell("cat /real/sys/net/ipv4/ip_forward; cat /fake/sys/net/ipv4/ip_forward").output()
    assert out == "1\nuntouched\n"


def test_a_mask_lands_where_it_is_meant_to(container):
    """CVE-2023-28642, 2025-31133: the target is looked at in the mounted /proc, and is what the program sees there."""
    replace(container, "/elsewhere", "/proc/keys")
    container.config["linux"]["maskedPaths"] = ["/proc/keys", "/elsewhere", "/proc/timer_list"]
    out = container.shell("for f in /proc/keys /proc/timer_list; do stat -c %t:%T $f; wc -c <$f; done").output()
    assert out.split() == ["1:3", "0"] * 2


@pytest.mark.parametrize("source", ["link", "file", "fifo", "directory"])
def test_the_null_device_of_an_image_is_no_mask(container, source):
    """CVE-2025-31133, whatever the image has in its place."""
    without_dev(container)
    path = os.path.join(container.rootfs, "dev/null")
    {"link": lambda: os.symlink("/etc/passwd", path), "file": lambda: open(path, "w").close(), "fifo": lambda: os.mkfifo(path),
     "directory": lambda: os.mkdir(path)}[source]()
    out = container.shell("stat -c %F:%t:%T /proc/keys").output()
    assert out == "character special file:1:3\n"


def test_console_of_an_image_is_not_given_away(either, outside):
    """CVE-2025-52565: ownership changes by the terminal's own fd only."""
    before = picture(outside)
    without_dev(either)
    either.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    for name in ("console", "pts"):
        replace(either, f"/dev/{name}", f"{outside}/{name}")
    either.config["process"]["terminal"] = True
    either.run()
    assert picture(outside) == before


# ---- races: CVE-2018-15664, 2021-30465 ----

def swapped_while(container, attack_program, a, b, until):
    """Exchanges two names of the host's view of the root, and starts the container again and again."""
    racers = [subprocess.Popen([attack_program, "swap", a, b, str(DEADLINE_OF_A_RACE + 2)]) for _ in range(1)]
    end, runs = time.monotonic() + DEADLINE_OF_A_RACE, 0
    codes = set()
    try:
        while time.monotonic() < end and not until():
            codes.add(container.run().returncode)
            runs += 1
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert runs >= 3
    return codes


@pytest.mark.parametrize("kind", ["bind", "tmpfs", "proc", "mask", "device"])
def test_a_race_of_links_during_the_start(container, attack_program, outside, kind):
    """One name is a directory for a moment, and a link out of the root for the next."""
    before = picture(outside)
    honest, link = os.path.join(container.rootfs, "spot"), os.path.join(container.rootfs, "spot2")
    os.mkdir(honest)
    os.symlink("../../../../../../../../../.." + outside, link)
    if kind == "bind":
        container.bind(container.rootfs + "/bin", "/spot/made/deep")
    elif kind == "tmpfs":
        container.mount("/spot/made", type="tmpfs", source="tmpfs")
    elif kind == "proc":
        container.mount("/spot/proc", type="proc", source="proc")
    elif kind == "mask":
        container.config["linux"]["maskedPaths"].append("/spot/file")
    else:
        container.config["linux"]["devices"] = [{"path": "/spot/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600,
                                                 "uid": 4711, "gid": 4711}]
    container.config["process"]["args"] = ["true"]
    swapped_while(container, attack_program, honest, link, lambda: picture(outside) != before)
    assert picture(outside) == before


def test_a_race_for_a_new_device(container, attack_program, outside):
    """The node that was just made is exchanged for a link: neither its mode nor its owner may reach the host's file."""
    before = picture(outside)
    without_dev(container)
    os.makedirs(os.path.join(container.rootfs, "dev"), exist_ok=True)
    node, link = os.path.join(container.rootfs, "dev/mine"), os.path.join(container.rootfs, "dev/mine2")
    os.symlink(outside + "/file", link)
    container.config["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o777,
                                             "uid": 4711, "gid": 4711}]

    def clean():
        for path in (node, link):
            if os.path.lexists(path) and not os.path.islink(path):
                os.remove(path)
        if not os.path.lexists(link) and not os.path.lexists(node):
            os.symlink(outside + "/file", link)
        return picture(outside) != before

    swapped_while(container, attack_program, node, link, clean)
    assert picture(outside) == before


def test_a_race_for_proc(container, attack_program):
    """CVE-2023-27561: /proc itself is exchanged for a link while it is mounted on."""
    proc, link = os.path.join(container.rootfs, "proc"), os.path.join(container.rootfs, "proc2")
    os.mkdir(os.path.join(container.rootfs, "fake"))
    os.symlink("fake", link)
    container.shell("test -d /proc/1/ns && echo real || echo fake")
    outs = []
    racer = subprocess.Popen([attack_program, "swap", proc, link, str(DEADLINE_OF_A_RACE + 2)])
    try:
        end = time.monotonic() + DEADLINE_OF_A_RACE
        while time.monotonic() < end:
            done = container.run()
            outs.append((done.returncode, done.stdout, done.stderr))
    finally:
        racer.kill()
        racer.wait()
    for code, out, err in outs:
        # Once it runs, whoever shares the root may do to it what he likes; mounted is it on a directory only.
        assert out in ("real\n", "fake\n") or (code == 1 and "svc-runtime: " in err), (code, out, err)


def test_cgroups_of_the_machine_cannot_be_written_to(either):
    """CVE-2023-25809: no cgroup namespace, and a writable mount of type cgroup."""
    either.config["linux"]["namespaces"] = [n for n in either.config["linux"]["namespaces"] if n["type"] != "cgroup"]
    either.shell("for d in $(find /sys/fs/cgroup -maxdepth 2 -type d); do mkdir $d/svc-escape-$$ && echo made $d; done 2>/dev/null; exit 0")
    for mount in either.config["mounts"]:
        if mount["type"] == "cgroup" and len(either.config["linux"].get("uidMappings", [])):
            mount["options"] = ["nosuid", "noexec", "nodev", "relatime"]
    either.run()
    left = [os.path.join(top, name) for top, names, _ in os.walk("/sys/fs/cgroup") for name in names if name.startswith("svc-escape")]
    for path in left:
        os.rmdir(path)
    assert left == []


