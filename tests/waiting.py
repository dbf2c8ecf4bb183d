"""The one loop of the tests that polls: waits for the event, with a deadline."""
import time


def wait_for(predicate, deadline=10.0, what="", every=0.02):
    """Calls PREDICATE until it gives something true, and returns that; fails after DEADLINE seconds.

    An exception of the predicate counts as "not yet", and is shown when the time is over."""
    end = time.monotonic() + deadline
    while True:
        error = None
        try:
            value = predicate()
            if value:
                return value
        except Exception as caught:  # the thing waited for may not be there at all yet
            error = caught
        if time.monotonic() >= end:
            what = what or getattr(predicate, "__name__", "the condition")
            raise AssertionError(f"{what}: not so after {deadline} s" + (f" ({error!r})" if error else "")) from error
        time.sleep(every)
