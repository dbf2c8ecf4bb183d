"""`svc spec`: the reference out of the decoding tables, and the JSON Schema, held against what `svc check` takes."""
import glob
import json
import os
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "examples")
FILES = sorted(glob.glob(f"{HERE}/check_cases/*.json") + glob.glob(f"{EXAMPLES}/*/stack.json"))
MODELS = {
    "short forms": {
        "command": "w", "ports": ["8080:80", 9000], "environment": ["A=1", "B"], "depends_on": ["db"], "user": 5,
        "volumes": ["data:/d"], "networks": ["default"], "healthcheck": {"http": "80/x"}, "restart": False,
        "ulimits": {"nofile": 5000}, "env_file": [], "expose": ["90"], "stop_grace_period": "5s", "cpus": 1.5},
    "long forms": {
        "command": ["w"], "ports": [{"target": 80, "published": "8080"}], "environment": {"A": 1, "B": None, "C": True},
        "depends_on": {"db": {"condition": "service_started"}}, "networks": {"default": None}, "read_only": "yes",
        "volumes": [{"type": "volume", "source": "data", "target": "/d"}], "scale": "1", "x-mine": [1],
        "x-on_unhealthy": "kill", "healthcheck": {"test": ["CMD", "x"], "interval": "1s"}, "user": None,
        "ulimits": {"nofile": {"soft": 1, "hard": 2}}, "deploy": {"resources": {"limits": {"memory": "64m"}}}},
}
WRONG = [{"comand": "x"}, {"ports": "80"}, {"read_only": []}, {"on_unhealthy": 5}, {"gpus": "all"}, {"volumes": {"a": "b"}},
         {"depends_on": {"db": {"condition": "started"}}}, {"healthcheck": {"intervall": "1s"}}]


def run(svc, *args, **how):
    return subprocess.run([svc, *args], timeout=30, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={"PATH": os.environ["PATH"], "HOME": "/root"}, **how)


def stack_of(service):
    return {"name": "t", "services": {"web": {"rootfs": "host", **service}, "db": {"rootfs": "host", "command": "d"}},
            "volumes": {"data": None}, "include": []}


@pytest.fixture
def validator(svc):
    jsonschema = pytest.importorskip("jsonschema", reason="needs python3-jsonschema")
    schema = json.loads(run(svc, "spec", "--schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_both_forms_say_the_same(svc):
    keys = json.loads(run(svc, "spec", "--json").stdout)
    text = run(svc, "spec").stdout
    assert len(keys) > 250 and len({key["key"] for key in keys}) == len(keys)
    for key in keys:
        assert f"{key['key']}: {key['type']}" in text and f"    {key['doc']}\n" in text
    support = {key["key"]: key["support"] for key in keys}
    assert support["services.*.command"] == "full"
    assert support["services.*.gpus"] == "refused"
    assert support["services.*.pull_policy"] == "no effect"


def test_what_loads_is_valid(svc, validator):
    """Each file that has no mistakes, as it is and as `svc config` prints it."""
    good = [(path, run(svc, "config", "--show-secrets", "-f", path)) for path in FILES]
    good = [(path, done.stdout) for path, done in good if done.returncode == 0]
    assert {f"{EXAMPLES}/hello/stack.json", f"{EXAMPLES}/notes/stack.json"} <= {path for path, _ in good}
    for path, config in good:
        with open(path) as source:
            assert [(path, e.message) for e in validator.iter_errors(json.load(source))] == []
        assert [(path, e.message) for e in validator.iter_errors(json.loads(config))] == []


@pytest.mark.parametrize("name", MODELS)
def test_forms_are_valid(svc, validator, scratch, name):
    model = stack_of(MODELS[name])
    with open(f"{scratch}/stack.json", "w") as out:
        json.dump(model, out)
    done = run(svc, "config", cwd=scratch)
    assert done.returncode == 0, done.stderr
    assert [e.message for e in validator.iter_errors(model)] == []
    assert [e.message for e in validator.iter_errors(json.loads(done.stdout))] == []


@pytest.mark.parametrize("service", WRONG, ids=lambda service: next(iter(service)))
def test_mistakes_are_not(svc, validator, scratch, service):
    model = stack_of({"command": "w", **service})
    with open(f"{scratch}/stack.json", "w") as out:
        json.dump(model, out)
    assert run(svc, "check", cwd=scratch).returncode == 2
    assert not validator.is_valid(model)
