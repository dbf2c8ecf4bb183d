"""Counts writable symbols: no global mutable state but the names of the allow-list.

globals.py ALLOW_FILE ARCHIVE…; a line of the allow-list is `object.o symbol   # reason`.
Constant tables with pointers are writable only until relocation (.data.rel.ro) and do not count.
"""
import re
import subprocess
import sys

SECTION = re.compile(r"\s(\.(?:data|bss|tdata|tbss)\S*|\*COM\*)\s")


def writable(archive):
    text = subprocess.run(["objdump", "-t", archive], stdout=subprocess.PIPE, text=True, check=True).stdout
    member = ""
    for line in text.splitlines():
        if line.endswith(("file format elf64-x86-64", "file format elf64-littleaarch64")):
            member = line.split(":")[0]
        section = SECTION.search(line)
        if not section or section[1].startswith(".data.rel.ro") or " d " in line:
            continue
        name = line.split()[-1]
        # __func__ and friends are constant; the sanitizers' own symbols are not ours
        if not name.startswith((".", "__")):
            yield member, re.sub(r"\.\d+$", "", name)


def main():
    allow_file, archives = sys.argv[1], sys.argv[2:]
    allowed = {tuple(l.split("#")[0].split()) for l in open(allow_file) if l.split("#")[0].strip()}
    found = {(archive, symbol) for path in archives for archive, symbol in writable(path)}
    for member, symbol in sorted(found - allowed):
        print(f"{member}: {symbol} is a writable global (pass a context, or give a reason in {allow_file})")
    return 1 if found - allowed else 0


if __name__ == "__main__":
    sys.exit(main())
