"""Prints the ten longest functions and the ten longest files of those named."""
import re
import sys

OPENS = re.compile(r"^\{")
NAME = re.compile(r"(\w+)\(")


def functions(path):
    """(lines, name) for each function: it opens with { and closes with } in the first column."""
    head, start = "", 0
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        if OPENS.match(line):
            start = number
        elif line.startswith("}") and start:
            yield number - start + 1, (NAME.search(head) or ["", "?"])[1]
            start = 0
        elif not start and line[:1].isalpha():
            head = line


def main():
    files = sys.argv[1:]
    lengths = sorted(((len(open(f, encoding="utf-8").readlines()), f) for f in files), reverse=True)
    longest = sorted(((n, name, f) for f in files for n, name in functions(f)), reverse=True)
    for n, name, path in longest[:10]:
        print(f"{n:5} {name}  {path}")
    print()
    for n, path in lengths[:10]:
        print(f"{n:5} {path}")


if __name__ == "__main__":
    main()
