"""Takes note ids from the Redis list `jobs` and counts the words of each note."""
import os
import pathlib
import signal
import sys

import redis

ALIVE = pathlib.Path("/tmp/alive")  # its age is what the health check looks at


def main():
    store = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    print("waiting for jobs")
    while True:
        ALIVE.touch()
        job = store.blpop("jobs", timeout=2)
        if job:
            note = f"note:{job[1]}"
            words = len((store.hget(note, "text") or "").split())
            store.hset(note, "words", words)
            print(f"{note}: {words} words")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # a process 1 ignores signals without a handler
main()
