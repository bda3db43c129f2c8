"""Moves between far sites: what a round trip between all machines costs, by `breakwater-chaos weather` in network namespaces.

A run with no round trip is the base of the same moves: what a run needs beyond it, divided by the round trip, is in units of
round trips. Scripts, the lease and the age of the last renewal are in both."""

import os
import pathlib
import re
import statistics
import subprocess

from rows import absent, row

TRIPS_MS = (50, 100, 300)
CALM = "3s"
TIMEOUT_S = 600
LACKING = 77
GAP = re.compile(r"nobody served for +([\d.]+) s: a (failover|planned move)")
TARGETS = {"planned move": 4, "failover": 2}  # in round trips
SETTINGS = {
    "far networks": f"breakwater-chaos weather --terms default (lease_ttl 15 s), 3 witnesses, 2 sites, 1 group; the round trip lies between "
                    f"all of them; moves after {CALM} without a fault",
    "round trips of a move": "(time without service - median of the same without a round trip) / round trip. The protocol needs, one after "
                             "the other: planned move 6 (the end's way to the leader 0.5, Released 1, the position's way to the target 0.5, "
                             "its readiness_script's outcome 0.5, Grant 1, the order's way 0.5, the first renewal with its proof 2); failover "
                             "3.5 (Grant 1, the order's way 0.5, the first renewal 2). An end that is told while a renewal is under way "
                             "needs a second connection, which costs 2 more where none was used for 30 s",
}


def gaps_s(chaos, program, trip_ms):
    """{what: seconds without service} of one run."""
    done = subprocess.run([chaos, "weather", "--program", program, "--terms", "default", "--groups", "1", "--for", CALM,
                           "--rtt", f"{trip_ms}ms"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode in (0, LACKING), done.stdout[-500:] + done.stderr[-500:]
    return {what: float(seconds) for seconds, what in GAP.findall(done.stdout)}


def measure(program, runs):
    chaos = pathlib.Path(f"{program}-chaos")
    if os.geteuid() != 0 or not chaos.exists():
        return [absent("far networks", f"needs root, and {chaos}")]
    found = {trip: [gaps_s(chaos, program, trip) for _ in range(runs)] for trip in (0, *TRIPS_MS)}
    rows = []
    for what, target in TARGETS.items():
        base = [run[what] for run in found[0] if what in run]
        if not base:
            return [*rows, absent(f"far networks: {what}", "breakwater-chaos could not play it here")]
        rows.append(row(f"no round trip: {what}, nobody served", "ms", [1000 * seconds for seconds in base]))
        for trip in TRIPS_MS:
            beyond = [(1000 * run[what] - 1000 * statistics.median(base)) / trip for run in found[trip] if what in run]
            rows.append(row(f"{trip} ms of round trip: {what}", "round trips", beyond, target))
    return rows
