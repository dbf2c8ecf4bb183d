"""Holds every #include against the rank table.

Reads `unit: the units it may include` lines (from `make print-ranks`, so that the Makefile is the one
source of truth) on stdin. Rules:
  * a project include names "dir/file.h" from the top, exists, and goes to the own unit or one it may use;
  * a library's header is included only where ARCHITECTURE's table of libraries allows it;
  * the order is own header, <system>, <library>, project, each group apart by an empty line and sorted.
"""
import os
import re
import sys

# header (or its directory) → files that may include it; LIBRARIES of section 3 of the architecture
LIBRARIES = {
    r"seccomp\.h": r"(no file of the programs)",
    r"sys/capability\.h": r"runtime/caps\.c",
    r"(netlink/.*|libnl.*)": r"netns/nl\.[ch]",
    r"yajl/.*": r"specs/json\.c",
}
# headers that stand before the system's in another C library's build, and no part of the house
FOREIGN = ("runtime/musl", "runtime/musl/sys")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def library_of(name):
    return next((rx for rx in LIBRARIES if re.fullmatch(rx, name)), None)


def unit_of(path, units):
    """The unit of a source file, and of a unit test the unit that it tests."""
    folder = os.path.dirname(path)
    if folder.startswith("tests/unit/"):
        folder = folder.removeprefix("tests/unit/")
    return folder if folder in units else None


def includes(path):
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found[1] == "<", found[2]


def check_ranks(path, units, problems):
    unit = unit_of(path, units)
    is_test = path.startswith("tests/")
    for number, is_system, name in includes(path):
        here = f"{path}:{number}"
        library = library_of(name)
        if library and not re.fullmatch(LIBRARIES[library], path) and not is_test:
            problems.append(f"{here}: <{name}> belongs to {LIBRARIES[library]} alone")
        if is_system:
            continue
        if not os.path.exists(name):
            problems.append(f'{here}: "{name}" is not a path from the top of the tree')
            continue
        target = os.path.dirname(name)
        if unit and target in units and target != unit and target not in units[unit]:
            allowed = ", ".join(units[unit]) or "libc only"
            problems.append(f'{here}: {unit} may not include "{name}" (it may use: {allowed})')


def check_order(path, problems):
    """Groups 0 own, 1 system, 2 library, 3 project: rising, sorted, an empty line between them."""
    own = re.sub(r"(_test)?\.c$", ".h", path).removeprefix("tests/unit/")
    last_group, last_name, last_number = -1, "", 0
    for number, is_system, name in includes(path):
        group = 0 if name == own else 3 if not is_system else 2 if library_of(name) else 1
        if path.startswith("tests/") and group in (0, 3):
            group = 3
        if group < last_group:
            problems.append(f"{path}:{number}: {name} stands after a later group of includes")
        elif group == last_group and number == last_number + 1 and name < last_name:
            problems.append(f"{path}:{number}: {name} is not sorted")
        elif group > last_group >= 0 and number == last_number + 1:
            problems.append(f"{path}:{number}: an empty line is missing between groups of includes")
        last_group, last_name, last_number = group, name, number


def main():
    units = {}
    for line in sys.stdin:
        unit, _, uses = line.partition(":")
        units[unit.strip()] = uses.split()
    problems = []
    files = [
        os.path.join(folder, name)
        for top in ("runtime", "netns", "specs", "supervisor", "tests/unit")
        for folder, _, names in sorted(os.walk(top))
        if folder not in FOREIGN
        for name in sorted(names)
        if name.endswith((".c", ".h"))
    ]
    for path in files:
        folder = os.path.dirname(path)
        if not path.startswith("tests/") and folder not in units:
            problems.append(f"{path}: {folder} is no unit of the Makefile")
        check_ranks(path, units, problems)
        if path.endswith(".c") and not path.startswith("tests/"):
            check_order(path, problems)
    for unit, uses in units.items():
        for other in uses:
            if other not in units:
                problems.append(f"Makefile: {unit} uses {other}, which is no unit")
            elif unit in units[other]:
                problems.append(f"Makefile: {unit} and {other} use each other")
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
