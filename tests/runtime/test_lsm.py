"""config.md §Linux Process, apparmorProfile and selinuxLabel. Where a module is at work, what it then allows is a matter of
the policy loaded there; here it is that a label is never lost in silence."""
import json
import os

import pytest


@pytest.fixture(autouse=True)
def machine():
    with open("/proc/filesystems") as file:
        if "selinuxfs" in file.read() or os.path.exists("/sys/module/apparmor"):
            pytest.skip("this kernel has AppArmor or SELinux")


@pytest.mark.parametrize("profile", ["", "unconfined"])
def test_no_profile_is_fine(either, profile):
    either.config["process"]["apparmorProfile"] = profile
    either.config["process"]["selinuxLabel"] = ""
    either.output()


def test_labels_that_nobody_would_hold_are_refused(container):
    container.config["process"]["apparmorProfile"] = "docker-default"
    line = container.error()
    assert 'process.apparmorProfile: "docker-default" is asked for, and AppArmor is not at work on this machine' in line
    container.config["process"].pop("apparmorProfile")
    container.config["process"]["selinuxLabel"] = "system_u:system_r:container_t:s0"
    assert "process.selinuxLabel:" in container.error()


@pytest.mark.parametrize("option, field", [("--apparmor", "apparmorProfile"), ("--process-label", "selinuxLabel")])
def test_exec_refuses_them_too(sleeper, option, field):
    done = sleeper.exec("true", options=[option, "some_label"])
    assert done.returncode != 0 and f'process.{field}: "some_label" is asked for' in done.stderr


def test_a_mount_label_without_selinux_is_a_warning(container):
    """It only tells SELinux how to label new file systems: engines may leave it there."""
    container.config["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0"
    done = container.run()
    assert done.returncode == 0 and len(done.stderr.splitlines()) == 1, done
    assert "mount.label_ignored" in done.stderr and "linux.mountLabel: SELinux is not at work" in done.stderr


def test_an_empty_mount_label_says_nothing(container):
    container.config["linux"]["mountLabel"] = ""
    assert container.run().stderr == ""


def test_features_name_them(container):
    linux = json.loads(container.call("features").stdout)["linux"]
    assert linux["apparmor"]["enabled"] and linux["selinux"]["enabled"]
