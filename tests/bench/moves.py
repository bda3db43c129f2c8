"""Moves from one site to another: `breakwater dev --fast` breaks something, this reads what came of
it. Overlap is recomputed from the services' own records; nothing that breakwater says counts."""

import json
import pathlib
import subprocess
import sys

from rows import row

sys.path += [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("integration", "support")]
import recompute_overlap
from own_part import covered_ms, line_of, script_spans

TIMEOUT_S = 60
SETTINGS = {
    "timings of the moves": "lease_ttl 1 s, renew_interval 100 ms, request_timeout 100 ms, "
                            "election_timeout 100 ms, lease_margin 25 ms, fence_window 200 ms, "
                            "check_interval 300 ms, drift 1000 ppm; 3 witnesses, 2 sites",
    "service gap": "the longest time in which no service recorded a beat (every 2 ms), from the "
                   "fault on; of an unplanned move it holds the whole wait for the lease",
    "decision": "from the first instant at which the leader may call the lease over (3.3) to the "
                "order's receipt at the other site",
    "switchover overhead": "from the request to the first beat elsewhere, less the time in which a "
                           "script ran that the move waits for: at the old site until the epoch is "
                           "given back, at the new site from then on (guards' logs, to 1 ms)",
}
UNPLANNED = ("kill-site", "cut-site", "freeze-agent", "kill-guard")


def run_dev(program, folder, name, runs, lease="1s"):
    """The report of each run, as far as it came, and the directory of each."""
    work = folder / name
    ended = subprocess.run(
        [program, "dev", "--scenario", name, "--lease", lease, "-o", "json", "--timeout", f"{TIMEOUT_S}s",
         "--runs", str(runs), "--dir", str(work), "--records", str(folder / f"{name}-records")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.stdout, ended.stderr[-500:]
    report = json.loads(ended.stdout.splitlines()[-1])
    for run in report["runs"]:
        if not run["ok"]:
            print(f"{name}: {run['why_not']}", file=sys.stderr)
    folders = [work] if runs == 1 else [work / f"run-{i + 1}" for i in range(runs)]
    return report["runs"], folders


def overlaps_ms(folder, name, runs):
    records = folder / f"{name}-records"
    found = []
    for each in [records] if runs == 1 else [records / f"run-{i + 1}" for i in range(runs)]:
        overlap_us, files, _ = recompute_overlap.overlap_us(each)
        assert files > 0, f"no records in {each}"
        found.append(overlap_us / 1000)
    return found


def timeline_of(run):
    return {entry["phase"]: entry["at_ms"] for entry in run["timeline"]}


def span_ms(run, begin, end):
    timeline = timeline_of(run)
    return timeline[end] - timeline[begin]


# ---- what the scripts took ----------------------------------------------------------------------

def request_boot_ms(folder, run):
    """The origin of the timeline, found through an instant that a log has too."""
    for log in folder.glob("w?.log"):
        for text in log.read_text(encoding="utf-8").splitlines():
            line = line_of(text)
            if line.get("event") == "command.applied" and line.get("command") == "Revoke":
                return int(line["at_boot_ns"]) / 1e6 - timeline_of(run)["revoked"]
    raise AssertionError(f"no Revoke in the logs of {folder}")


def switchover_ms(folder, run):
    """(breakwater's own time, the scripts')"""
    timeline = timeline_of(run)
    origin = request_boot_ms(folder, run)
    logs = {site: script_spans(folder / f"{site}-guard.log") for site in ("alpha", "beta")}
    stops = {site: [span for span in spans if span[0] == "stop"] for site, spans in logs.items()}
    old = next(site for site, spans in stops.items() if spans)
    new = "beta" if old == "alpha" else "alpha"
    back, serving = origin + timeline["given back"], origin + timeline["serving"]
    scripts = covered_ms(logs[old], origin, back) + covered_ms(logs[new], back, serving)
    return timeline["serving"] - scripts, scripts


# ---- rows ---------------------------------------------------------------------------------------

def measure(program, folder, name, runs):
    """Overlap of every run; times of those that ended as they must."""
    reports, folders = run_dev(program, folder, name, runs)
    rows = [row(f"{name}: overlap of services", "ms", overlaps_ms(folder, name, runs), 0, "max")]
    if not all(run["ok"] for run in reports):
        rows.append(row(f"{name}: runs that ended otherwise, in each run", "0 or 1",
                        [0 if run["ok"] else 1 for run in reports], 0, "max"))
    folders = [where for where, run in zip(folders, reports) if run["ok"]]
    reports = [run for run in reports if run["ok"]]
    assert reports, "no run ended as it must"
    gaps = [run["outage_ms"] for run in reports]
    if name in UNPLANNED:
        rows.append(row(f"{name}: service gap", "ms", gaps,
                        1300 if name == "kill-site" else None))
    if name == "kill-site":
        rows.append(row(f"{name}: decision beyond the lease wait", "ms",
                        [span_ms(run, "expiry possible", "order received") for run in reports], 3))
        rows.append(row(f"{name}: order to first beat, start script in it", "ms",
                        [span_ms(run, "order received", "serving") for run in reports]))
    if name == "switchover":
        times = [switchover_ms(*pair) for pair in zip(folders, reports)]
        rows.append(row(f"{name}: service gap", "ms", gaps))
        rows.append(row(f"{name}: request to first beat elsewhere", "ms",
                        [timeline_of(run)["serving"] for run in reports]))
        rows.append(row(f"{name}: scripts in it", "ms", [scripts for _, scripts in times]))
        rows.append(row(f"{name}: overhead beyond the scripts", "ms", [own for own, _ in times],
                        10))
    if name == "lose-witness":
        rows.append(row(f"{name}: service gap", "ms", gaps))
    return rows
