"""`svc import`: a Compose file becomes a stack file as a person would write it, with notes."""
import json
import os
import subprocess

import pytest

COMPOSE = """
version: "3.8"
services:
  web:
    image: registry:5000/nginx
    ports: ["127.0.0.1:8080:80", "9090:90"]
    environment: [A=1, "B=${B:-x}"]
    env_file: [web.env]
    depends_on: {db: {condition: service_started}}
    healthcheck: {test: [CMD-SHELL, "curl x || exit 1"], retries: 2}
    gpus: all
  db:
    image: postgres:16@sha256:1
    environment: [PASSWORD, A=1]
    depends_on: {web: {condition: service_healthy}}
    ports: ["18080:1"]
volumes: {data: }
x-notes: [1]
"""


@pytest.fixture
def run(svc, scratch):
    def call(*args, cwd=None):
        return subprocess.run([svc, *args], cwd=cwd or scratch, timeout=30, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": "/root"})
    return call


@pytest.fixture
def compose(scratch):
    os.makedirs(f"{scratch}/app")
    with open(f"{scratch}/app/docker-compose.yml", "w") as out:
        out.write(COMPOSE)
    return scratch


def test_what_is_written(run, compose):
    done = run("import", "app/docker-compose.yml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "app/stack.json is written" in done.stderr, "beside the old one: relative paths mean the same"
    with open(f"{compose}/app/stack.json") as made:
        model = json.load(made)
    assert list(model) == ["services", "volumes", "x-notes"]
    assert model["services"]["web"] == {
        "image": "registry:5000/nginx", "ports": ["127.0.0.1:8080:80", "9090:90"],
        "environment": {"A": "1", "B": "${B:-x}"}, "env_file": "web.env", "depends_on": ["db"],
        "healthcheck": {"test": "curl x || exit 1", "retries": 2}, "gpus": "all"}
    assert model["services"]["db"]["environment"] == ["PASSWORD", "A=1"]
    assert model["services"]["db"]["depends_on"] == {"web": {"condition": "service_healthy"}}


def test_notes(run, compose):
    lines = run("import", "app/docker-compose.yml", "-o", "-").stderr.splitlines()
    assert lines[:5] == [
        "note: version: has no meaning any more, it was left out",
        "note: services.web.image: name a version, so that it does not change by itself",
        'note: services.web.ports: the proxy could serve this: see "proxy" in `svc spec`',
        "note: services.db: has no healthcheck: nobody notices when it hangs",
        lines[4]]
    assert "to do: services.web.gpus: GPUs are not supported" in lines
    assert not any(line.startswith("note: services.db.ports") for line in lines)
    assert lines[-1] == "to do: the file does not run yet; `svc check` tells where"


def test_nothing_is_overwritten(run, compose):
    first = run("import", cwd=f"{compose}/app")
    assert first.returncode == 0, first.stderr
    again = run("import", "docker-compose.yml", cwd=f"{compose}/app")
    assert (again.returncode, again.stdout) == (4, "")
    assert again.stderr == "svc: stack.json is there already — choose another file with -o, or - for stdout\n"
    assert run("import", "docker-compose.yml", "-o", "other.json", cwd=f"{compose}/app").returncode == 0
    assert run("import", "docker-compose.yml", "-o", "no/x.json", cwd=f"{compose}/app").returncode != 0


def test_what_runs_has_no_to_do(run, scratch):
    with open(f"{scratch}/compose.yaml", "w") as out:
        out.write("services: {a: {rootfs: host, command: a, healthcheck: {tcp: 1}, environment: [A=$$x]}}\n")
    done = run("import")
    assert (done.returncode, done.stderr) == (0, "stack.json is written\n")
    assert run("check", "stack.json").returncode == 0
    old, new = run("config", "-f", "compose.yaml"), run("config", "-f", "stack.json")
    assert old.stdout == new.stdout != ""


def test_mistakes(run, scratch):
    assert run("import").returncode == 2
    with open(f"{scratch}/compose.yaml", "w") as out:
        out.write("services: {a: [}\n")
    done = run("import")
    assert done.returncode == 2 and "compose.yaml:1:" in done.stderr
    assert not os.path.exists(f"{scratch}/stack.json")
