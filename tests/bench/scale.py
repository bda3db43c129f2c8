"""What N groups at a site cost: three witnesses and two sites with the same N groups each, all on this
machine, all settings at their defaults. Is every group granted and served, how long does that take,
and does a lease or the link between agent and guard get lost while nothing happens?"""

import argparse
import os
import pathlib
import re
import resource
import shutil
import sys
import subprocess
import tempfile
import time

import idle
from rows import absent, row

COUNTS = (1, 10, 100, 256, 1024)
SETTINGS = {
    "groups at a site": "3 witnesses and 2 sites on this one machine, all defaults (lease_ttl 15 s, "
                        "renew_interval 1 s, check_interval 10 s), the same groups at both sites; "
                        "start, stop, fence and status are shell scripts, each service is a sleep; "
                        "run_dir in memory",
    "lost leases": "lines lease.ended and fence.begun of agents and guards; lost links: guard.lost "
                   "of agents, from the moment on when all groups are served",
}
SCRIPTS = {
    "start": "setsid sleep 1000000 > /dev/null 2>&1 < /dev/null & "
             "echo $! > '{folder}/pids/'\"$BREAKWATER_GROUP\"",
    "stop": "read pid < '{folder}/pids/'\"$BREAKWATER_GROUP\" && kill \"$pid\"; "
            "rm -f '{folder}/pids/'\"$BREAKWATER_GROUP\"",
    "status": "if [ -e '{folder}/pids/'\"$BREAKWATER_GROUP\" ]; then echo started; "
              "else echo stopped; fi",
}
LOST_LEASE = (b"event=lease.ended ", b"event=fence.begun ")
LOST_LINK = (b"event=guard.lost ",)
MEMORY_DIR = "/dev/shm"
LIMITS = pathlib.Path(__file__).resolve().parents[2] / "include/breakwater/base/limits.h"
SERVED_S_MAX = 60
WAIT_S = 75
FILES_MIN = 16384 # descriptors: a guard keeps some of each group


class Scaled(idle.Bench):
    """An idle cluster, of many groups."""

    def __init__(self, program, folder, count):
        super().__init__(program, folder)
        self.count = count
        self.groups = [f"{self.group}-{i}" for i in range(count)]
        self.scripts = SCRIPTS
        self.took = {}
        self.lost_before = 0 # leases, until all were served
        self.run_dir = None # in memory, as /run is

    def set_up(self):
        self.run_dir = tempfile.mkdtemp(prefix="bw-scale-", dir=MEMORY_DIR)
        super().set_up()

    def run_dir_of(self, site):
        return self.run_dir

    def write_scripts(self, site):
        super().write_scripts(site)
        (self.work / site / "pids").mkdir()

    def apply(self):
        begun = time.monotonic()
        is_applied = super().apply()
        self.took["apply"] = time.monotonic() - begun
        return is_applied

    def pids(self):
        return [path for site in idle.SITES for path in (self.work / site / "pids").iterdir()]

    def start(self):
        self.begin_witnesses()
        begun = time.monotonic()
        self.begin_sites()
        self.wait_for(f"{self.count} groups to be served", lambda: len(self.pids()) >= self.count,
                      WAIT_S)
        self.took["served"] = time.monotonic() - begun
        self.lost_before = self.logged(LOST_LEASE)

    def logged(self, words, roles=("agent", "guard")):
        count = 0
        for role in roles:
            for site in idle.SITES:
                text = (self.work / f"{site}-{role}.log").read_bytes()
                count += sum(text.count(word) for word in words)
        return count

    def granted(self):
        groups = self.status()["groups"] # its exit status is not 0: something needs attention
        return sum(group["phase"].lower() == "granted" for group in groups)

    def end(self):
        super().end()
        shutil.rmtree(self.run_dir, ignore_errors=True)


def limit():
    text = LIMITS.read_text(encoding="ascii")
    return int(re.search(r"^#define BW_SITE_GROUPS_MAX (\d+)$", text, re.MULTILINE).group(1))


def may_open_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES_MIN:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES_MIN, hard), hard))


def cpu_of(cluster):
    return {key: idle.cpu_ticks(process.pid) for key, process in cluster.processes.items()}


def measure_stretch(cluster, seconds):
    """Losses, CPU in percent and memory by role over a quiet stretch."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    losses = {"leases": -cluster.logged(LOST_LEASE), "links": -cluster.logged(LOST_LINK)}
    before, begun = cpu_of(cluster), time.monotonic()
    time.sleep(seconds) # not a condition: what is measured is a stretch of quiet time
    after, took = cpu_of(cluster), time.monotonic() - begun
    losses["leases"] += cluster.logged(LOST_LEASE)
    losses["links"] += cluster.logged(LOST_LINK)
    cpu = {key: (after[key] - before[key]) * tick_s / took * 100 for key in after}
    memory = {key: idle.rss_anon_mib(cluster.processes[key].pid) for key in after}
    return losses, cpu, memory


def rows_of(cluster, seconds, losses, cpu, memory, granted):
    name = f"{cluster.count} group{'s' * (cluster.count > 1)} at a site"
    rows = [row(f"{name}: apply", "s", [cluster.took["apply"]]),
            row(f"{name}: agents started to all served", "s", [cluster.took["served"]],
                SERVED_S_MAX),
            row(f"{name}: not granted at the end", "groups", [cluster.count - granted], 0),
            row(f"{name}: leases lost until then", "leases", [cluster.lost_before], 0),
            row(f"{name}: leases lost in {seconds:.0f} s", "leases", [losses["leases"]], 0),
            row(f"{name}: links to the guard lost", "links", [losses["links"]], 0)]
    for role in ("witness", "agent", "guard"):
        keys = [key for key in cpu if key[0] == role]
        rows.append(row(f"{name}: CPU of a {role}", "%", [cpu[key] for key in keys]))
        rows.append(row(f"{name}: memory of a {role}", "MiB", [memory[key] for key in keys]))
    return rows


def measure(program, folder, count, seconds):
    may_open_files()
    cluster = Scaled(program, folder / f"scale-{count}", count)
    try:
        cluster.set_up()
        cluster.start()
        time.sleep(idle.SETTLE_S) # likewise no condition
        stretch = measure_stretch(cluster, seconds)
        return rows_of(cluster, seconds, *stretch, cluster.granted())
    finally:
        cluster.end()


def measure_all(program, folder, counts, seconds):
    """A row for each count; one that no site file may have says so."""
    rows = []
    for count in counts:
        if count > limit():
            rows.append(absent(f"{count} groups at a site", f"a site file names at most {limit()}"))
        else:
            rows += measure(program, folder, count, seconds)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("counts", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--keep", action="store_true", help="leave the directory, with its logs")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bw-scale-")
    print(folder, file=sys.stderr)
    for count in arguments.counts:
        for each in measure(arguments.program, pathlib.Path(folder), count, arguments.seconds):
            print(f"{each['what']:60} {each['min']:9.2f} {each['median']:9.2f} {each['max']:9.2f}")
    if not arguments.keep:
        subprocess.run(["rm", "-rf", folder], check=True)


if __name__ == "__main__":
    main()
