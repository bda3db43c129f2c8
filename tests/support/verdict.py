"""How a run on real machines comes to its verdict: what was promised is waited for and checked, on the
clock that all machines share."""

import subprocess
import time


class Failed(Exception):
    """What was promised did not happen."""


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def wait_at_most(seconds, condition):
    """Until condition() is true, and no longer than that; what it said at last."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.2)  # most conditions run a program


def wait_for(what, seconds, condition):
    """Waits until condition() is true, and returns what it said."""
    value = wait_at_most(seconds, condition)
    if not value:
        raise Failed(f"not within {seconds} s: {what}")
    return value


def wait_steady(what, limit_s, hold_s, condition):
    """Until it has held at each look for so long: what one witness says is then known to all."""
    since = None

    def holds():
        nonlocal since
        since = (since or time.monotonic()) if condition() else None
        return since is not None and time.monotonic() - since >= hold_s

    wait_for(what, limit_s, holds)


def check(what, holds, detail=""):
    print(f"  {'ok    ' if holds else 'BROKEN'} {what}{': ' + str(detail) if detail else ''}", flush=True)
    if not holds:
        raise Failed(f"{what}: {detail}")


def attempt(*command, timeout=120, **options):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=timeout, check=False, **options)


def run(*command, **options):
    done = attempt(*command, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit {done.returncode}: "
                     f"{done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout
