"""What of ours a machine has: taken before and after, so that a test can say that nothing was left.

Only what svc could have made is looked at, so that other programs may come and go meanwhile."""
import json
import os
import subprocess

from waiting import wait_for

CATEGORIES = {}


def category(take):
    CATEGORIES[take.__name__] = take
    return take


def output(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


@category
def processes():
    """Programs of ours, and whatever is in a cgroup of ours; not what has ended and waits for process 1 to notice: that has no words."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        words = read(f"/proc/{pid}/cmdline").split("\0")
        cgroups = read(f"/proc/{pid}/cgroup")
        if not words[0]:
            continue
        if os.path.basename(words[0]) in ("svc", "svc-runtime") or ":/svc" in cgroups or "/svc/" in cgroups:
            found.add(f"{pid} {' '.join(words).strip()}")
    return found


@category
def mounts():
    """Every mount of this mount namespace, without the numbers that change."""
    return {" ".join(line.split()[3:]) for line in read("/proc/self/mountinfo").splitlines()}


@category
def cgroups():
    found = set()
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        found.update(os.path.join(folder, name) for name in names if "svc" in os.path.join(folder, name))
    return found


@category
def netns():
    return set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()


@category
def links():
    return {link["ifname"] for link in json.loads(output("ip", "-j", "link") or "[]")}


@category
def routes():
    return set(output("ip", "route").splitlines())


@category
def nft_rules():
    return set(output("nft", "-s", "list", "ruleset").splitlines())


@category
def run_files():
    found = set()
    for top in ("/run/svc", "/run/svc-runtime"):
        for folder, names, files in os.walk(top):
            found.update(os.path.join(folder, name) for name in names + files)
    return found


class HostState:
    def __init__(self):
        self.before = {name: take() for name, take in CATEGORIES.items()}

    def difference(self):
        """{category: (left over, missing)} of what is not as before."""
        found = {}
        for name, take in CATEGORIES.items():
            now = take()
            if now != self.before[name]:
                found[name] = (sorted(now - self.before[name]), sorted(self.before[name] - now))
        return found

    def check(self, deadline=10.0):
        """Fails unless everything is as before within DEADLINE (the kernel reaps namespaces late)."""
        try:
            wait_for(lambda: not self.difference(), deadline, "the machine as before")
        except AssertionError:
            left = self.difference()
            lines = [f"{name}: left {more}, missing {less}" for name, (more, less) in left.items()]
            raise AssertionError("the machine is not as before\n" + "\n".join(lines)) from None
