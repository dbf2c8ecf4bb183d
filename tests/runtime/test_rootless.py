"""As an ordinary user: nobody, with subordinate ids in a private mount namespace."""
import json
import os
import shutil
import subprocess

import pytest

UID = 65534
SUB_FIRST, SUB_COUNT = 1_300_000_000, 65536


class Ordinary:
    """Runs svc-runtime as nobody; the host's /etc/subuid stays what it is."""

    def __init__(self, program, folder, rootfs):
        self.program, self.folder = program, folder
        self.bundle = os.path.join(folder, "bundle")
        self.state_root = os.path.join(folder, "run")
        for path in (self.bundle, self.state_root):
            os.makedirs(path)
        rootfs(os.path.join(self.bundle, "rootfs"))
        self.ids = os.path.join(folder, "subid")
        self.allow(f"nobody:{SUB_FIRST}:{SUB_COUNT}\n")
        subprocess.run(["chown", "-R", f"{UID}:{UID}", self.bundle, self.state_root], check=True)

    def allow(self, text):
        with open(self.ids, "w") as file:
            file.write(text)

    def call(self, *args, path=os.environ["PATH"], **rest):
        script = 'for f in subuid subgid; do mount --bind "$1" /etc/$f || exit 99; done; shift; exec "$@"'
        argv = ["unshare", "-m", "sh", "-c", script, "sh", self.ids, "setpriv", "--reuid", str(UID), "--regid", str(UID),
                "--clear-groups", "env", f"XDG_RUNTIME_DIR={self.state_root}", f"PATH={path}", self.program, *args]
        rest.setdefault("stdout", subprocess.PIPE)
        rest.setdefault("stderr", subprocess.PIPE)
        return subprocess.run(argv, stdin=subprocess.DEVNULL, text=True, check=False, timeout=30, cwd=self.bundle, **rest)

    def configure(self, script, subordinate=False, **process):
        path = os.path.join(self.bundle, "config.json")
        if os.path.exists(path):
            os.unlink(path)
        done = self.call("spec", "--rootless")
        assert done.returncode == 0, done.stderr
        with open(path) as file:
            config = json.load(file)
        config["process"].update(terminal=False, args=["sh", "-c", script], **process)
        if subordinate:
            config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [
                {"containerID": 0, "hostID": UID, "size": 1},
                {"containerID": 1, "hostID": SUB_FIRST, "size": SUB_COUNT - 1}]
        self.write(config)
        return config

    def write(self, config):
        with open(os.path.join(self.bundle, "config.json"), "w") as file:
            json.dump(config, file)

    def detached(self, name):
        """Started; what it prints goes to a file, so that no pipe keeps us waiting."""
        with open(os.path.join(self.folder, "out"), "wb") as out:
            done = self.call("run", "--detach", name, stdout=out, stderr=out)
        with open(os.path.join(self.folder, "out")) as file:
            assert done.returncode == 0, file.read()


@pytest.fixture
def ordinary(needs_root, svc_runtime, scratch, busybox_rootfs):
    for name in ("setpriv", "unshare", "newuidmap", "newgidmap"):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed (Debian's util-linux, uidmap)")
    if not os.access(svc_runtime, os.X_OK) or subprocess.run(
            ["setpriv", "--reuid", str(UID), "--clear-groups", "test", "-x", svc_runtime], check=False).returncode != 0:
        pytest.skip(f"an ordinary user cannot execute {svc_runtime}: the build is in a directory that is closed to others")
    made = Ordinary(svc_runtime, scratch, busybox_rootfs)
    yield made
    for name in json.loads(made.call("list", "--format", "json").stdout or "[]"):
        made.call("delete", "--force", name["id"])


def test_the_own_id_alone(ordinary):
    ordinary.configure("id -u; cat /proc/self/uid_map; cat /proc/self/setgroups")
    done = ordinary.call("run", "one")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["0", "0", str(UID), "1", "deny"]


def test_files_made_by_root_of_the_container_are_the_users(ordinary):
    config = ordinary.configure("touch /tmp/made")
    config["root"]["readonly"] = False
    ordinary.write(config)
    assert ordinary.call("run", "one").returncode == 0
    assert os.stat(os.path.join(ordinary.bundle, "rootfs/tmp/made")).st_uid == UID


def test_subordinate_ids_by_newuidmap(ordinary):
    ordinary.configure("id -u; id -G; cat /proc/self/uid_map", subordinate=True,
                       user={"uid": 1000, "gid": 1000, "additionalGids": [5]})
    done = ordinary.call("run", "many")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "1000" and set(lines[1].split()) == {"1000", "5"}
    assert [line.split() for line in lines[2:]] == [["0", str(UID), "1"], ["1", str(SUB_FIRST), str(SUB_COUNT - 1)]]


@pytest.mark.parametrize("subordinate", [False, True])
def test_all_verbs(ordinary, wait_for, subordinate):
    ordinary.configure("sleep 1000", subordinate=subordinate)
    ordinary.detached("three")
    assert os.listdir(os.path.join(ordinary.state_root, "svc-runtime")) == ["three"]
    done = ordinary.call("exec", "three", "sh", "-c", "id -u; cat /proc/1/comm; exit 7")
    assert (done.returncode, done.stdout.split()) == (7, ["0", "sleep"]), done.stderr

    def status():
        return json.loads(ordinary.call("state", "three").stdout)["status"]

    assert status() == "running"
    assert ordinary.call("kill", "three", "KILL").returncode == 0
    wait_for(lambda: status() == "stopped", what="its end")
    assert ordinary.call("delete", "three").returncode == 0
    assert os.listdir(os.path.join(ordinary.state_root, "svc-runtime")) == []


def test_a_program_of_the_users_own_is_sealed(ordinary):
    """CVE-2019-5736: root in the container is its owner, who may not make a mount of it that is read-only."""
    ordinary.program = shutil.copy(ordinary.program, ordinary.bundle)
    os.chown(ordinary.program, UID, UID)
    ordinary.configure("sleep 1000")
    ordinary.detached("sealed")
    assert ordinary.call("exec", "sealed", "true").returncode == 0
    config = ordinary.configure("true")
    ordinary.write(config)
    with open(os.path.join(ordinary.folder, "out"), "wb") as out:
        done = ordinary.call("create", "waits", stdout=out, stderr=out)
    assert done.returncode == 0, open(os.path.join(ordinary.folder, "out")).read()
    pid = json.loads(ordinary.call("state", "waits").stdout)["pid"]
    assert "memfd:svc-runtime" in os.readlink(f"/proc/{pid}/exe")


def test_ids_that_are_not_the_users(ordinary):
    ordinary.allow("nobody:1:1\n")
    ordinary.configure("true", subordinate=True)
    done = ordinary.call("run", "not-mine")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "newuidmap" in done.stderr and "/etc/subuid" in done.stderr
    assert os.listdir(os.path.join(ordinary.state_root, "svc-runtime")) == []


def test_helpers_of_somebody_else_are_not_run(ordinary):
    """PATH is the caller's, but what would be run there could be anybody's."""
    folder = os.path.join(ordinary.folder, "bin")
    os.mkdir(folder, 0o755)
    shutil.copy("/bin/true", os.path.join(folder, "newuidmap"))
    os.chown(folder, UID, UID)
    ordinary.configure("true", subordinate=True)
    # env itself is found by its path, and needs nothing of PATH after
    done = ordinary.call("run", "no-helper", path=folder)
    assert done.returncode == 1 and "no newuidmap in a directory of root" in done.stderr


def test_without_a_user_namespace_it_is_refused(ordinary):
    config = ordinary.configure("true")
    config["linux"]["namespaces"] = [e for e in config["linux"]["namespaces"] if e["type"] != "user"]
    ordinary.write(config)
    done = ordinary.call("run", "privileged")
    assert done.returncode == 1 and "user namespace" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("limits", [{"memory": {"limit": 64 << 20}}, {"cpu": {"idle": 1}}, {"rdma": {"x0": {"hcaHandles": 1}}},
                                    {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1024}]}}],
                         ids=lambda limits: next(iter(limits)))
def test_limits_need_a_cgroup_that_may_be_made(ordinary, limits):
    config = ordinary.configure("true")
    config["linux"]["resources"] = limits
    ordinary.write(config)
    done = ordinary.call("run", "limited")
    assert done.returncode == 1 and "cgroup" in done.stderr and len(done.stderr.splitlines()) == 1
