"""The last lines of `make test`: what each part counted, then all of it in one line.

closing.py SUMMARY_DIR [FAILED_PART…]; each file of the directory holds one `NAME: N passed, N failed[, N skipped]`.
Exits 1 when a part failed, also one that counts nothing (lint).
"""
import os
import re
import sys

LINE = re.compile(r"^\w+: (\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


def main():
    folder, failed_parts = sys.argv[1], sys.argv[2:]
    totals = [0, 0, 0]
    print()
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        line = open(os.path.join(folder, name)).read().strip()
        print(line)
        totals = [total + int(count or 0) for total, count in zip(totals, LINE.match(line).groups())]
    if failed_parts:
        print("failed parts:", " ".join(failed_parts))
    passed, failed, skipped = totals
    if failed_parts and not failed:
        failed = len(failed_parts)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
