"""The lints of our own are seen to find what they are for."""
import os
import subprocess
import sys

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lint")


def lint(script, folder, *args, stdin=""):
    return subprocess.run([sys.executable, os.path.join(LINT, script), *args], cwd=folder, input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def write(folder, path, text):
    path = os.path.join(folder, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


RANKS = "runtime/base:\nspecs: runtime/base\nsupervisor/proxy: runtime/base\n"


def tree(folder):
    write(folder, "runtime/base/err.h", "")
    write(folder, "specs/json.h", "")
    write(folder, "specs/json.c", '#include "specs/json.h"\n\n#include <stdio.h>\n\n#include <yajl/yajl_parse.h>\n\n'
                                  '#include "runtime/base/err.h"\n')


def test_layers_accept_what_goes_down(scratch):
    tree(scratch)
    done = lint("layers.py", scratch, stdin=RANKS)
    assert (done.returncode, done.stdout) == (0, "")


def test_layers_find_each_kind_of_breach(scratch):
    tree(scratch)
    write(scratch, "runtime/base/up.c", '#include "specs/json.h"\n')
    write(scratch, "supervisor/proxy/side.c", '#include <yajl/yajl_parse.h>\n\n#include "specs/json.h"\n')
    write(scratch, "specs/late.c", '#include "runtime/base/err.h"\n\n#include <stdio.h>\n')
    write(scratch, "specs/gone.c", '#include "err.h"\n')
    done = lint("layers.py", scratch, stdin=RANKS)
    assert done.returncode == 1
    for line in ('runtime/base/up.c:1: runtime/base may not include "specs/json.h" (it may use: libc only)',
                 "supervisor/proxy/side.c:1: <yajl/yajl_parse.h> belongs to",
                 'supervisor/proxy/side.c:3: supervisor/proxy may not include "specs/json.h"',
                 "specs/late.c:3: stdio.h stands after a later group",
                 'specs/gone.c:1: "err.h" is not a path from the top'):
        assert line in done.stdout


def test_sleeps_finds_a_fixed_sleep_and_lets_the_poller_be(scratch):
    write(scratch, "test_a.py", "import time\ndef test_x():\n    time.sleep(1)\n")
    write(scratch, "waiting.py", "import time\ndef wait_for():\n    time.sleep(0.1)\n")
    write(scratch, "b_test.c", "int main(void)\n{\n    usleep(500);\n    usleep(20000);\n    sleep(1);\n}\n")
    done = lint("sleeps.py", scratch, ".")
    assert done.returncode == 1
    assert sorted(line.split(" ")[0] for line in done.stdout.splitlines()) == ["./b_test.c:4:", "./b_test.c:5:", "./test_a.py:3:"]


def test_globals_finds_a_writable_one(scratch):
    write(scratch, "a.c", "int counter = 1; static int hidden; const char *const table[] = {\"x\"};\n"
                          "int *peek(void) { static int inner; return hidden ? &inner : &hidden; }\n")
    write(scratch, "allow", "a.o counter # because\n")
    subprocess.run(["sh", "-c", "gcc -fPIE -O0 -c a.c && ar qcs unit.a a.o"], cwd=scratch, check=True)
    done = lint("globals.py", scratch, "allow", "unit.a")
    assert done.returncode == 1
    assert "a.o: hidden" in done.stdout and "a.o: inner" in done.stdout
    assert "a.o: counter" not in done.stdout and "a.o: table" not in done.stdout
