"""What clients and conformance suites ask for beyond the specification."""
import os

import pytest

KEEP_GROUPS = "run.oci.keep_original_groups"  # what `podman run --group-add keep-groups` sets
OURS = [7, 4321]


def groups(container, **rest):
    result = container.shell("id -G").run(extra_groups=OURS, **rest)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize("wanted", ["1", None])
def test_groups_of_the_caller_stay_only_when_the_annotation_says_so(container, wanted):
    if wanted:
        container.config["annotations"] = {KEEP_GROUPS: wanted}
    assert groups(container) == ({"0", "7", "4321"} if wanted else {"0"})


def test_kept_groups_reach_a_user_namespace_without_names(container):
    container.with_user_namespace().config["annotations"] = {KEEP_GROUPS: "1"}
    container.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    assert groups(container) == {"0", "65534"}


def test_kept_groups_and_additional_ones_contradict_each_other(container):
    container.config["annotations"] = {KEEP_GROUPS: "1"}
    container.config["process"]["user"]["additionalGids"] = [5]
    assert "additionalGids" in container.error()


def test_a_working_directory_is_never_made_outside_of_the_root(container, tmp_path):
    container.config["root"]["readonly"] = True
    os.symlink(tmp_path, os.path.join(container.rootfs, "away"))
    container.config["process"]["cwd"] = "/away/deeper"
    container.shell("true").run()
    assert os.listdir(tmp_path) == []


def test_a_user_namespace_without_mappings_has_the_callers_root(container):
    container.config["linux"]["namespaces"].append({"type": "user"})
    result = container.shell("cat /proc/self/uid_map /proc/self/gid_map").run()
    assert result.returncode == 0, result.stderr
    assert [line.split() for line in result.stdout.splitlines()] == [["0", "0", "1"], ["0", "0", "1"]]
