"""Fixtures of the proxy's tests: one worker, played the engine to by proxy_driver.c, and real backends."""
import os
import subprocess
from pathlib import Path

import pytest

from backends import Backend
from driver import Proxy

TOP = Path(__file__).resolve().parents[2]
UNITS = ("supervisor/proxy", "supervisor/sandbox", "supervisor/http", "supervisor/loop", "runtime/base")


@pytest.fixture(scope="session")
def driver_binary(tmp_path_factory):
    """SVC_PROXY_DRIVER, or built here when the tests are run by hand."""
    given = os.environ.get("SVC_PROXY_DRIVER")
    if given:
        return given
    build = Path(os.environ.get("SVC_BUILD", TOP / "build/release"))
    archives = [str(build / unit / "unit.a") for unit in UNITS]
    binary = tmp_path_factory.mktemp("driver") / "proxy_driver"
    subprocess.run(["make", "-s", f"BUILD={build}", *archives], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-I.", "-fPIE", "-static-pie", "-o", str(binary),
                    "tests/proxy/proxy_driver.c", "-Wl,--start-group", *archives, "-Wl,--end-group"],
                   cwd=TOP, check=True)
    return str(binary)


@pytest.fixture
def proxy(driver_binary, scratch):
    """A running worker with one HTTP listener and no table yet."""
    if os.geteuid():
        pytest.skip("needs root: the proxy confines itself with namespaces")
    made = Proxy(driver_binary, scratch)
    yield made
    made.close()


@pytest.fixture
def backend():
    """make(handler=…) starts a backend on 127.0.0.1; all are closed after the test."""
    made = []

    def make(**options):
        made.append(Backend(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def web(proxy, backend):
    """One backend behind "/" of the proxy."""
    one = backend()
    proxy.table([("web:8000", "web", "-", [one])], ["upstream=web:8000 path=/"])
    return one
