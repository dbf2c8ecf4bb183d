"""`svc check` on broken stack files: every mistake at its exact place, all of a file in one run."""
import glob
import json
import os
import subprocess

import pytest

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_cases")
NAMES = sorted(os.path.basename(path)[:-5] for path in glob.glob(f"{CASES}/*.json"))


def check(svc, path, cwd, *options):
    environment = {"PATH": os.environ["PATH"], "HOME": "/root"}
    return subprocess.run([svc, "check", *options, path], cwd=cwd, env=environment, timeout=30,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)


def problem_lines(done):
    return [line for line in done.stderr.splitlines() if ".json:" in line]


@pytest.mark.parametrize("name", NAMES)
def test_broken_file(svc, name):
    done = check(svc, f"{name}.json", CASES)
    with open(f"{CASES}/{name}.expected") as expected:
        wanted = expected.read().replace("$DIR", CASES).splitlines()
    assert problem_lines(done) == wanted
    assert done.returncode == 2
    assert done.stdout == ""


def test_many_cases():
    assert len(NAMES) >= 25


def test_as_json(svc):
    done = check(svc, "all_at_once.json", CASES, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 2
    assert report["ok"] is False
    first = next(p for p in report["problems"] if p["level"] == "error")
    assert (first["line"], first["column"], first["path"]) == (5, 7, "services.db.image")


@pytest.fixture
def good(scratch):
    os.makedirs(f"{scratch}/static")
    stack = {
        "services": {
            "redis": {"rootfs": "host", "command": "redis-server", "volumes": ["data:/data"],
                      "healthcheck": {"tcp": 6379}},
            "web": {"rootfs": "host", "command": ["web", "${MODE:-dev}"], "env_file": "web.env", "expose": [8000],
                    "depends_on": {"redis": {"condition": "service_healthy"}}, "x-anything": {"of": "theirs"}},
        },
        "volumes": {"data": None},
        "x-proxy": {"listen": "127.0.0.1:8080", "routes": {"/": "web", "/static/": "./static"}},
    }
    with open(f"{scratch}/stack.json", "w") as out:
        json.dump(stack, out)
    with open(f"{scratch}/web.env", "w") as out:
        out.write("export A='1 2' # one\n")
    return scratch


def test_good_file(svc, good):
    before = sorted(os.listdir(good))
    done = check(svc, "stack.json", good)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no mistakes" in done.stdout
    assert sorted(os.listdir(good)) == before


def test_dotenv_mistake_has_its_own_place(svc, good):
    with open(f"{good}/.env", "w") as out:
        out.write("A=1\n\nnot a line\n")
    done = check(svc, "stack.json", good)
    assert done.returncode == 2
    assert 'svc: .env:3:1: "not" is not followed by =' in done.stderr


def test_missing_file(svc, good):
    done = check(svc, "nothing.json", good)
    assert done.returncode not in (0, 1)
    assert "nothing.json" in done.stderr
