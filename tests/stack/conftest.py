"""Fixtures of the whole-stack tests: a stack needs root, and svc and svc-runtime built."""
import json
import os

import pytest
from stacks import Stack, free_port


@pytest.fixture
def make_stack(svc, svc_runtime, needs_root, scratch, project):
    """make_stack({…}): a stack file of this test as a Stack, taken down at the end."""
    made = []

    def make(model, name="", env=None):
        file = os.path.join(scratch, f"stack{len(made)}.json")
        with open(file, "w") as out:
            json.dump(model, out, indent=2)
        made.append(Stack(svc, file, project + name, env))
        return made[-1]

    yield make
    for stack in made:
        stack.remove()


@pytest.fixture
def make_example(svc, svc_runtime, needs_root, top, project):
    """make_example("notes"): a stack of examples/ under a project name and a port of its own."""
    made = []

    def make(name, tag=""):
        port = free_port()
        file = os.path.join(top, "examples", name, "stack.json")
        stack = Stack(svc, file, project + tag, {f"{name.upper()}_PORT": str(port)})
        stack.port = port
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.remove()
