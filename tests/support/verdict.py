"""How a run on real machines comes to its verdict: what was promised is checked, on the clock that all machines
share. Waits are in patience.py."""

import subprocess
import time


class Failed(Exception):
    """What was promised did not happen. `status`: with what the program exits."""

    status = 1


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


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
