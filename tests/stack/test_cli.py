"""What the command line does without any running stack: help, mistakes, suggestions, exit codes."""
import json
import os
import pty
import re
import subprocess

import pytest

STACK = {"name": "cli-test", "services": {"web": {"rootfs": "host", "command": ["sleep", "9"]}}}


@pytest.fixture
def run(svc, scratch):
    """run(ARG…): svc in an empty directory, with run and state directories of its own."""

    def call(*args, cwd=scratch, env=None, **more):
        environment = {
            "PATH": os.environ["PATH"],
            "SVC_RUN_ROOT": os.path.join(scratch, "run"),
            "SVC_STATE_ROOT": os.path.join(scratch, "state"),
            **(env or {}),
        }
        return subprocess.run([svc, *args], cwd=cwd, env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, **more)

    return call


@pytest.fixture
def stack_file(scratch):
    path = os.path.join(scratch, "stack.json")
    with open(path, "w") as file:
        json.dump(STACK, file)
    return path


def test_alone_it_teaches(run):
    done = run()
    assert done.returncode == 0 and done.stderr == ""
    assert len(done.stdout.splitlines()) <= 24
    for word in ("svc check", "svc run", "svc up -d", "svc help"):
        assert word in done.stdout


def verbs(run):
    page = run("help").stdout
    listed = page.split("Verbs:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def test_every_verb_has_help(run):
    names = verbs(run)
    assert {"run", "up", "down", "ps", "logs", "exec", "stop", "start", "restart", "check", "version"} <= set(names)
    for name in names:
        by_help, by_option = run("help", name), run(name, "--help")
        assert by_help.returncode == by_option.returncode == 0
        assert by_help.stdout == by_option.stdout
        assert f"Usage: svc {name}" in by_help.stdout
        assert max(len(line) for line in by_help.stdout.splitlines()) <= 100


def test_version(run):
    assert re.fullmatch(r"svc \d+\.\d+\.\d+\n", run("version").stdout)
    assert run("--version").stdout == run("version").stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+", json.loads(run("version", "--json").stdout)["version"])


MISTAKES = [
    (["lgos"], 2, 'svc: unknown command "lgos" — did you mean "logs"?'),
    (["validate"], 2, 'svc: unknown command "validate" — did you mean "check"?'),
    (["zzzzzz"], 2, 'svc: unknown command "zzzzzz" — `svc help` lists the commands'),
    (["help", "lgos"], 2, 'svc: unknown command "lgos" — did you mean "logs"?'),
    (["--projct", "x", "ps"], 2, 'svc: unknown option "--projct" — did you mean "--project"?'),
    (["logs", "--folow"], 2, 'svc: logs: unknown option "--folow" — did you mean "--follow"?'),
    (["logs", "-x"], 2, 'svc: logs: unknown option "-x"'),
    (["logs", "--tail"], 2, "svc: logs: --tail needs a value (N)"),
    (["logs", "-n", "many"], 2, 'svc: logs: --tail: "many" is not a number from 0 to 100000000 or "all"'),
    (["ps", "--json=1"], 2, "svc: ps: --json takes no value"),
    (["exec", "web"], 2, "svc: exec: something is missing — usage: svc exec [OPTION…] SERVICE COMMAND [ARG…]"),
    (["down", "web"], 2, 'svc: down: "web" is too much — usage: svc down [OPTION…]'),
    (["run", "web", "bash"], 2, 'svc: run: takes one stack file, "bash" is too much — a command in a running '
                                "service: svc exec web bash"),
    (["run"], 2, "svc: there is no stack.json or compose.yaml here — name the file: svc run FILE, or -f FILE"),
    (["check", "other.json"], 2, "svc: other.json: no such file — give the path of a stack file"),
    (["run", "compose.yaml"], 2, "svc: compose.yaml: no such file — give the path of a stack file"),
    (["up", "--wait"], 2, "svc: --wait is for starting in the background — svc up -d --wait"),
    (["-p", "Big", "ps"], 2, 'svc: "Big" is not a stack name (lower case letters, digits, \'_\', \'-\')'),
    (["-p", "../x", "ps"], 2, 'svc: "../x" is not a stack name (lower case letters, digits, \'_\', \'-\')'),
    (["-p", "nothing", "ps"], 4, "svc: stack nothing is not running — `svc up -d FILE` starts a stack"),
    (["-p", "nothing", "logs"], 4, "svc: stack nothing is not running — `svc up -d FILE` starts a stack"),
    (["-p", "nothing", "exec", "web", "ls"], 4, "svc: stack nothing is not running — `svc up -d FILE` starts a stack"),
    (["-p", "nothing", "restart"], 4, "svc: stack nothing is not running — `svc up -d FILE` starts a stack"),
    (["down"], 2, "svc: no stack is named, and there is no stack.json or compose.yaml here — name it: -p NAME or -f FILE"),
    (["stop"], 2, "svc: no stack is named, and there is no stack.json or compose.yaml here — name it: -p NAME or -f FILE"),
    (["restart", "web"], 2, "svc: no stack is named, and there is no stack.json or compose.yaml here — name it: -p NAME or -f FILE"),
    (["run", "/"], 2, "svc: / is a directory, not a stack file — name the file in it: /stack.json"),
    (["down", "-v", "-p", "nothing"], 4, "svc: stack nothing is not running, and volumes of a stopped stack are removed "
                                         "only with its file; nothing was removed — svc down -v -p nothing -f FILE"),
    (["ps"], 4, "svc: no stack is running — `svc up -d FILE` starts a stack"),
    (["completion", "zsh"], 2, 'svc: there is no completion for "zsh", only for bash'),
]


@pytest.mark.parametrize("args,code,line", MISTAKES, ids=[" ".join(row[0]) for row in MISTAKES])
def test_mistakes_are_one_line(run, scratch, args, code, line):
    done = run(*args)
    assert (done.returncode, done.stderr, done.stdout) == (code, line + "\n", "")
    assert not os.path.exists(os.path.join(scratch, "run"))


def test_down_needs_a_file_that_names_the_stack(run, scratch):
    with open(os.path.join(scratch, "stack.json"), "w") as file:
        file.write('{ "services": { "web": ')
    for verb in ("down", "stop", "restart"):
        done = run(verb)
        assert done.returncode == 2 and done.stderr.startswith("svc: ") and "stack.json:1:" in done.stderr, done.stderr


def test_down_with_volumes_needs_the_file_of_that_stack(run, stack_file):
    wrong = run("down", "-v", "-p", "other")
    assert wrong.returncode == 4 and "nothing was removed" in wrong.stderr
    for args in (["-p", "cli-test"], ["-p", "other", "-f", stack_file], []):
        done = run("down", "-v", *args)
        assert done.returncode == 0 and "volume" not in done.stderr


def test_logs_of_a_stopped_stack_lead_to_its_files(run, scratch):
    logs = os.path.join(scratch, "state", "nothing", "logs")
    os.makedirs(logs)
    done = run("-p", "nothing", "logs")
    assert (done.returncode, done.stderr) == (4, f"svc: stack nothing is not running — what it wrote is in {logs}\n")


def test_files_are_looked_for_as_compose_does(run, scratch):
    def make(name, service):
        with open(os.path.join(scratch, name), "w") as file:
            file.write(f"{{ services: {{ {service}: {{ rootfs: host, command: 'true', wrong_{service}: 1 }} }} }}\n")

    for name, service in (("docker-compose.yaml", "four"), ("docker-compose.yml", "three"), ("compose.yml", "two"),
                          ("compose.yaml", "one")):
        make(name, service)
        done = run("check")
        assert done.returncode == 2 and f"svc: {name}:1:" in done.stderr, done.stderr
        assert f"services.{service}: unknown key" in done.stderr, done.stderr


def test_down_of_nothing_is_done(run):
    done = run("-p", "nothing", "down")
    assert (done.returncode, done.stderr) == (0, "nothing is not running\n")


def test_name_comes_from_the_file_here(run, stack_file):
    assert "stack cli-test is not running" in run("ps").stderr
    assert "stack cli-test is not running" in run("-f", stack_file, "ps", cwd="/").stderr
    assert "stack other is not running" in run("-p", "other", "ps").stderr


def test_name_of_a_broken_file(run, stack_file):
    with open(stack_file, "w") as file:
        json.dump({**STACK, "servces": {}}, file)
    assert run("down").stderr == "cli-test is not running\n"


def test_check(run, stack_file):
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cli-test" in done.stdout
    report = run("check", "--json")
    assert report.returncode == 0 and json.loads(report.stdout) == {"ok": True, "problems": []}
    assert run("check", stack_file, cwd="/").returncode == 0


def test_check_tells_all_mistakes(run, stack_file):
    with open(stack_file, "w") as file:
        file.write('{\n "name": "cli-test",\n "servces": {},\n "services": {"web": {"rootfs": "host",\n'
                   ' "command": ["x"], "restrat": "no"}}\n}\n')
    done = run("check")
    assert done.returncode == 2 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and all(line.startswith("svc: stack.json:") for line in lines)
    assert 'did you mean "services"?' in lines[0] and lines[0].startswith("svc: stack.json:3:")
    assert 'did you mean "restart"?' in lines[1] and lines[1].startswith("svc: stack.json:5:")
    report = run("check", "--json")
    assert report.returncode == 2
    problems = json.loads(report.stdout)["problems"]
    assert [(p["level"], p["line"]) for p in problems] == [("error", 3), ("error", 5)]


def test_a_broken_file_starts_nothing(run, scratch, stack_file):
    with open(stack_file, "w") as file:
        file.write("{")
    for verb in (["run"], ["up", "-d"]):
        done = run(*verb)
        assert done.returncode == 2 and done.stderr.startswith("svc: stack.json:1:")
    assert not os.path.exists(os.path.join(scratch, "run"))
    assert not os.path.exists(os.path.join(scratch, "state"))


def test_starting_needs_root(run, svc, scratch, stack_file):
    if os.geteuid() != 0:
        done = run("run")
    else:
        if not os.access(svc, os.X_OK) or subprocess.run(["setpriv", "--version"], stdout=subprocess.DEVNULL).returncode:
            pytest.skip("setpriv (util-linux) is needed to become somebody else")
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", svc, "run", stack_file], text=True,
                              stderr=subprocess.PIPE, stdout=subprocess.PIPE, timeout=20,
                              env={"PATH": os.environ["PATH"], "SVC_RUN_ROOT": os.path.join(scratch, "run")})
        if "Permission denied" in done.stderr or done.returncode in (126, 127):
            pytest.skip("svc lies where others cannot run it")
    assert (done.returncode, done.stderr) == (3, "svc: starting a stack needs root — try sudo\n")


def test_output_that_cannot_be_written(svc):
    with open("/dev/full", "w") as full:
        done = subprocess.run([svc, "help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (5, "svc: write to stdout: no space left on device\n")


def on_terminal(svc, args, env):
    """What svc prints on a terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(svc, [svc, *args], {"PATH": os.environ["PATH"], **env})
    out = b""
    while True:
        try:
            piece = os.read(fd, 4096)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(fd)
    os.waitpid(pid, 0)
    return out.decode()


def test_help_on_a_terminal_is_plain(svc):
    assert "\x1b" not in on_terminal(svc, ["help"], {"TERM": "xterm"})


def test_completion_is_a_script(run, scratch):
    script = run("completion").stdout
    done = subprocess.run(["bash", "-c", script + "\nCOMP_WORDS=(svc lo); COMP_CWORD=1; _svc; echo ${COMPREPLY[@]}"],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.stdout.strip(), done.stderr) == ("logs", "")
    done = subprocess.run(
        ["bash", "-c", script + "\nCOMP_WORDS=(svc logs --fol); COMP_CWORD=2; _svc; echo ${COMPREPLY[@]}"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.stdout.strip(), done.stderr) == ("--follow", "")
