"""Runs unit test programs side by side and prints one line for each, all of its output when it fails.

run.py --name unit [--summary DIR] PROGRAM[:CORPUS]…
A cmocka program counts as its tests do; a corpus replay counts its files. The last line is
`NAME: N passed, N failed`, written to DIR/NAME too.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

PASSED = re.compile(r"^\[  PASSED  \] (\d+) test", re.M)
FAILED = re.compile(r"^\[  FAILED  \] .*?(\d+) test", re.M)
SKIPPED = re.compile(r"^\[  SKIPPED \] .*?(\d+) test", re.M)
SECONDS_MAX = 300


def run(target):
    """(target, passed, failed, skipped, output)"""
    program, _, corpus = target.partition(":")
    files = sorted(os.path.join(corpus, name) for name in os.listdir(corpus)) if corpus else []
    try:
        done = subprocess.run([program, *files], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=SECONDS_MAX, errors="replace", text=True)
        code, text = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        code, text = 1, f"{late.stdout or ''}\nstill running after {SECONDS_MAX} s"
    if corpus:
        return target, len(files) if code == 0 else 0, 1 if code else 0, 0, text
    passed, failed, skipped = (sum(map(int, rx.findall(text))) for rx in (PASSED, FAILED, SKIPPED))
    if code and not failed:  # crashed, or a sanitizer spoke after the tests
        failed = 1
        text += f"\n{program}: exit status {code}"
    return target, passed, failed, skipped, text


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--name", required=True)
    options.add_argument("--summary")
    options.add_argument("targets", nargs="*")
    args = options.parse_args()
    totals = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for target, *counts, text in pool.map(run, args.targets):
            totals = [a + b for a, b in zip(totals, counts)]
            passed, failed, skipped = counts
            label = re.sub(r".*?tests/", "", target.partition(":")[0])
            print(f"{'FAIL' if failed else 'ok  '} {label}: {passed} passed"
                  + (f", {failed} failed" if failed else "") + (f", {skipped} skipped" if skipped else ""))
            if failed:
                print(text)
    line = f"{args.name}: {totals[0]} passed, {totals[1]} failed" + (f", {totals[2]} skipped" if totals[2] else "")
    if args.summary:
        os.makedirs(args.summary, exist_ok=True)
        with open(os.path.join(args.summary, args.name), "w") as out:
            out.write(line + "\n")
    print(line)
    return 1 if totals[1] or not args.targets else 0


if __name__ == "__main__":
    sys.exit(main())
