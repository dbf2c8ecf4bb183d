"""`svc config`: the resolved model, its lists, its masks; its output is a stack file that means the same. And what
`--lenient` and a .env that was not read make of a file."""
import glob
import json
import os
import subprocess

import pytest
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "examples")
FILES = sorted(glob.glob(f"{HERE}/check_cases/*.json") + glob.glob(f"{EXAMPLES}/*/stack.json"))


@pytest.fixture
def run(svc, scratch):
    def call(*args, cwd=None, stdin="", env=None):
        environment = {"PATH": os.environ["PATH"], "HOME": "/root", **(env or {})}
        return subprocess.run([svc, *args], cwd=cwd or scratch, env=environment, input=stdin, timeout=30,
                              capture_output=True, text=True)
    return call


def write(directory, name, model):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name), "w") as out:
        out.write(model if isinstance(model, str) else json.dumps(model))


def stack(**service):
    return {"name": "t", "services": {"web": {"rootfs": "host", "command": "w", **service}}}


@pytest.mark.parametrize("path", FILES, ids=lambda path: os.path.relpath(path, os.path.dirname(HERE)))
def test_output_means_the_same(run, path):
    """Through JSON and through YAML, and again; files with mistakes only when --lenient takes them."""
    first = run("config", "--lenient", "--show-secrets", "-f", path)
    if first.returncode:
        assert (first.returncode, first.stdout) == (2, "")
        return
    model = json.loads(first.stdout)
    as_yaml = run("config", "--lenient", "--show-secrets", "--format", "yaml", "-f", path)
    assert yaml.safe_load(as_yaml.stdout) == model, "readers of YAML 1.1 see the same"
    for text in (first.stdout, as_yaml.stdout):
        again = run("config", "--show-secrets", "-f", "-", stdin=text)
        assert again.returncode == 0, again.stderr
        assert again.stdout == first.stdout
        assert "warning" not in again.stderr


def test_some_files_load(run):
    loaded = [path for path in FILES if run("config", "-q", "--lenient", "-f", path).returncode == 0]
    assert {f"{EXAMPLES}/hello/stack.json", f"{EXAMPLES}/notes/stack.json"} < set(loaded)


def test_odd_values_survive(run, scratch):
    odd = {"A": "no", "B": "22:22", "C": "$$HOME ${X}", "D": "a\nb: #c", "E": "", "F": "0x1f", "G": "é\u2028", "H": "~"}
    write(scratch, "stack.json", stack(environment=odd))
    wanted = {**odd, "C": "$$HOME $$x"}
    for form in ("json", "yaml"):
        text = run("config", "--format", form, env={"X": "$x"}).stdout
        assert yaml.safe_load(text)["services"]["web"]["environment"] == wanted
        assert run("config", "-f", "-", "--format", form, stdin=text).stdout == text


def test_secrets_are_masked(run, scratch):
    env = {"PGPASSWORD": "hidden1", "api_key": "hidden2", "APP.TOKEN": "hidden3", "URL": "redis://u:hidden4@h/0",
           "KEYBOARD": "qwerty", "EMPTY_SECRET": "", "SITE": "http://h:80/@x"}
    write(scratch, "stack.json", stack(environment=env))
    shown = json.loads(run("config").stdout)["services"]["web"]["environment"]
    assert shown == {**env, "PGPASSWORD": "********", "api_key": "********", "APP.TOKEN": "********",
                     "URL": "redis://u:********@h/0"}
    assert "hidden" not in run("config", "--no-interpolate").stdout
    assert json.loads(run("config", "--show-secrets").stdout)["services"]["web"]["environment"] == env


def test_masks_in_lists_and_secrets(run, scratch):
    model = stack(environment=["PASSWORD=hidden", "A=b", "TOKEN"])
    model["secrets"] = {"s": {"environment": "VALUE"}}
    model["services"]["web"]["secrets"] = ["s"]
    write(scratch, "stack.json", model)
    raw = json.loads(run("config", "--no-interpolate").stdout)
    assert raw["services"]["web"]["environment"] == ["PASSWORD=********", "A=b", "TOKEN"]
    done = run("config", env={"VALUE": "hidden"})
    assert done.returncode == 0, done.stderr
    assert "hidden" not in done.stdout and "********" in done.stdout


def test_lists(run, scratch):
    model = stack(volumes=["data:/d"], networks=["back"])
    model["services"]["job"] = {"rootfs": "host", "command": "j", "profiles": ["late", "z"]}
    model.update(volumes={"data": None}, networks={"back": None})
    write(scratch, "stack.json", model)
    assert run("config", "--services").stdout == "web\n"
    assert run("config", "--services", "--profile", "late").stdout == "web\njob\n"
    assert run("config", "--volumes").stdout == "data\n"
    assert run("config", "--networks").stdout == "back\n"
    assert run("config", "--profiles").stdout == "late\nz\n"
    quiet = run("config", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_hash_changes_with_the_service_only(run, scratch):
    model = stack()
    model["services"]["other"] = {"rootfs": "host", "command": "o"}
    write(scratch, "stack.json", model)
    before = dict(line.split() for line in run("config", "--hash").stdout.splitlines())
    model["services"]["web"].update(command="w2", scale=1)
    write(scratch, "stack.json", model)
    after = dict(line.split() for line in run("config", "--hash").stdout.splitlines())
    assert before.keys() == after.keys() == {"web", "other"}
    assert before["other"] == after["other"] and before["web"] != after["web"]
    assert run("config", "--hash", "web").stdout == f"web {after['web']}\n"


def test_where_variables_came_from(run, scratch):
    write(scratch, "stack.json", stack(environment={"X": "${A} ${B:-b} ${C} ${PASSWORD}"}))
    write(scratch, "one.env", "A=1\nC=1\nPASSWORD=hidden\n")
    write(scratch, "two.env", "C=2\n")
    done = run("config", "--environment", "--env-file", "one.env", "--env-file", "two.env", env={"A": "0"})
    assert done.stdout.splitlines() == ["A=0 (environment)", "B is not set", "C=2 (two.env)",
                                        "PASSWORD=******** (one.env)"]
    write(scratch, ".env", "A=1\nC=3\nPASSWORD=hidden\n")
    lines = run("config", "--environment").stdout.splitlines()
    assert lines[0] == "A=1 (.env)" and lines[2] == "C=3 (.env)"


def test_no_interpolate_keeps_what_is_written(run, scratch):
    write(scratch, "stack.json", stack(environment={"A": "${A:?must be}"}, scale="${N}"))
    write(scratch, "over.yaml", "services: {web: {environment: {B: $$x}}}\n")
    done = run("config", "--no-interpolate", "-f", "stack.json", "-f", "over.yaml")
    assert done.returncode == 0, done.stderr
    web = json.loads(done.stdout)["services"]["web"]
    assert web["environment"] == ["A=${A:?must be}", "B=$$x"] and web["scale"] == "${N}"


@pytest.mark.parametrize("args, line", [
    (["--format", "xml"], 'svc: config: --format is json or yaml, not "xml"'),
    (["stack.json"], 'svc: config: "stack.json" is too much — a stack file is named with -f'),
    (["--hash", "wbe"], 'svc: there is no service "wbe" in stack.json — a stack file is named with -f'),
])
def test_mistakes(run, scratch, args, line):
    write(scratch, "stack.json", stack())
    done = run("config", *args)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line + "\n")


def test_errors_are_those_of_check(run, scratch):
    write(scratch, "stack.json", stack(comand="x"))
    config, check = run("config"), run("check")
    assert (config.returncode, config.stdout, config.stderr) == (2, "", check.stderr)


def test_lenient_leaves_out_what_is_not_supported(run, scratch):
    write(scratch, "stack.json", stack(gpus="all"))
    strict = run("check")
    assert strict.returncode == 2
    for verb in ("check", "config"):
        done = run(verb, "--lenient")
        assert done.returncode == 0
        assert "warning: services.web.gpus: left out: " in done.stderr
    assert "gpus" not in run("config", "--lenient").stdout
    write(scratch, "stack.json", stack(comand="x"))
    assert run("check", "--lenient").returncode == 2, "a mistake stays one"


def test_unread_env_file_is_named(run, scratch):
    """The .env beside the user, or above the stack, while the stack's own directory has none."""
    write(f"{scratch}/deploy", "stack.json", stack(environment={"A": "${A:-none}"}))
    write(scratch, ".env", "A=1\n")
    wanted = (f"svc: warning: variables come from the environment and {scratch}/deploy/.env, which is not there "
              f"({scratch}/.env is not read; --env-file {scratch}/.env reads it)\n")
    for verb in ("check", "config"):
        assert run(verb, "-f", "deploy/stack.json").stderr == wanted
        assert run(verb, cwd=f"{scratch}/deploy").stderr == wanted
    assert run("check", "-f", "deploy/stack.json", "--env-file", ".env").stderr == ""
    assert run("check", "-f", "deploy/stack.json", env={"A": "2"}).stderr == "", "nothing was missing"
    write(f"{scratch}/deploy", ".env", "")
    assert run("check", "-f", "deploy/stack.json").stderr == "", "its own is there"


def test_unset_variable_tells_what_was_read(run, scratch):
    write(scratch, "stack.json", stack(environment={"A": "${A}"}))
    end = "variables come from the environment and"
    assert f"svc: warning: {end} {scratch}/.env, which is not there\n" in run("check").stderr
    write(scratch, "x.env", "B=1\n")
    assert f"svc: warning: {end} x.env\n" in run("check", "--env-file", "x.env").stderr
    write(scratch, ".env", "A=1\n")
    assert run("check").stderr == ""
