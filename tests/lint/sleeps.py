"""A test that sleeps for a fixed time is a bug: it is flaky when slow and slow when not.

sleeps.py DIR: finds calls of time.sleep outside wait_for (the one loop that polls with a deadline) in
Python, and in the C of unit tests every sleep, and usleep for more than a polling loop's step. A program
that a test runs in a container may sleep as long as it likes: those are strings.
"""
import ast
import os
import re
import sys

C_SLEEP = re.compile(r"\b(u?)sleep\s*\(\s*(\w+)")
STEP_US_MAX = 10000
POLLING = {"wait_for"}


def python_sleeps(path):
    tree = ast.parse(open(path, encoding="utf-8").read(), path)

    def walk(node, inside):
        if isinstance(node, ast.FunctionDef):
            inside = node.name
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "sleep" and inside not in POLLING:
                yield node.lineno
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(tree, "")


def c_sleeps(path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            for micro, amount in C_SLEEP.findall(line):
                if not (micro and amount.isdigit() and int(amount) <= STEP_US_MAX):
                    yield number


def main():
    bad = 0
    for folder, _, names in os.walk(sys.argv[1]):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".py"):
                lines = python_sleeps(path)
            elif name.endswith("_test.c"):
                lines = c_sleeps(path)
            else:
                continue
            for line in lines:
                print(f"{path}:{line}: sleeps for a fixed time; wait for the event with wait_for")
                bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
