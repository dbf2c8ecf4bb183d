"""Fixtures of the tests of netns/: a host made of namespaces, and drivers that play the engine in it."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from world import Driver, Host

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def driver_binary():
    """Set by `make test` (SVC_NETNS_DRIVER); built here when the tests are run by hand."""
    given = os.environ.get("SVC_NETNS_DRIVER")
    if given:
        return given
    build = Path(os.environ.get("SVC_BUILD", TOP / "build/release"))
    binary = build / "tests/net/netns_driver"
    subprocess.run(["make", "-s", f"BUILD={build}", str(build / "netns/unit.a"),
                    str(build / "runtime/base/unit.a")], cwd=TOP, check=True)
    binary.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-I.", "-o", str(binary), "tests/net/netns_driver.c",
                    str(build / "netns/unit.a"), str(build / "runtime/base/unit.a")],
                   cwd=TOP, check=True)
    return str(binary)


@pytest.fixture
def host(tmp_path):
    if os.geteuid():
        pytest.skip("needs root, to make network namespaces")
    for program in ("ip", "nft", "nsenter", "unshare"):
        if not shutil.which(program):
            pytest.skip(f"needs the program {program}")
    made = Host(tmp_path)
    yield made
    for namespace in [*made.containers, made.outside, made]:
        namespace.close()


@pytest.fixture
def engine(host, driver_binary):
    """Starts drivers: engine() is a new one; engine(wrap=…) runs it under another program."""
    return lambda wrap=(): Driver(host, driver_binary, wrap)
