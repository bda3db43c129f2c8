"""What N groups of a cluster cost: three witnesses and pairs of sites, all on this machine, all settings at their defaults.
A site has at most 256 groups: 1,024 are four pairs. Is every group granted and served, how long does that take, does a
lease or the link between agent and guard get lost while nothing happens, and how do processor, memory and bytes grow?"""

import argparse
import ctypes
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
from rows import row

COUNTS = (1, 10, 100, 256, 1024)
SETTINGS = {
    "groups of a cluster": "3 witnesses and pairs of sites on this one machine, all defaults (lease_ttl 15 s, "
                           "renew_interval 1 s, check_interval 10 s), at most 256 groups at both sites of a pair; "
                           "start, stop, fence and status are shell scripts, each service is a sleep; run_dir in memory",
    "lost leases": "lines lease.ended and fence.begun of agents and guards; lost links: guard.lost "
                   "of agents, from the moment on when all groups are served",
    "bytes": "on the wire: of the loopback interface of a network namespace that holds this cluster alone, with all headers, for each "
             "group and second; to disk: write_bytes of /proc/PID/io, for each process and second",
    "one more group": "what it adds between neighbouring counts: a growing figure means that cost grows faster than the groups",
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
CLONE_NEWNET = 0x40000000
WITNESS_CPU_MAX, WITNESS_MIB_MAX = 4, 96  # with 1,024 groups
ROLES = {"witness": "a witness", "agent": "an agent", "guard": "a guard"}


class Scaled(idle.Bench):
    """An idle cluster, of many groups."""

    def __init__(self, program, folder, count):
        super().__init__(program, folder)
        self.count = count
        self.at_most = limit()
        self.groups = [f"{self.group}-{i}" for i in range(count)]
        self.pairs = [self.groups[first:first + self.at_most] for first in range(0, count, self.at_most)]
        self.sites = [f"{site}{'' if number == 0 else number + 1}" for number in range(len(self.pairs)) for site in idle.SITES]
        self.scripts = SCRIPTS
        self.took = {}
        self.lost_before = 0 # leases, until all were served
        self.run_dir = None # in memory, as /run is

    def groups_at(self, site):
        return self.pairs[self.sites.index(site) // 2]

    def write_groups_file(self):
        idle.write_yaml(self.work / "groups.yaml", {"groups": [
            {"name": name, "on_lag": "allow", "sites": [{"name": self.sites[2 * pair], "priority": 100},
                                                        {"name": self.sites[2 * pair + 1], "priority": 50}]}
            for pair, names in enumerate(self.pairs) for name in names]})

    def set_up(self):
        self.run_dir = tempfile.mkdtemp(prefix="bw-scale-", dir=MEMORY_DIR)
        super().set_up()

    def run_dir_of(self, site):
        return f"{self.run_dir}/{site}"

    def write_scripts(self, site):
        super().write_scripts(site)
        (self.work / site / "pids").mkdir()

    def apply(self):
        begun = time.monotonic()
        is_applied = super().apply()
        self.took["apply"] = time.monotonic() - begun
        return is_applied

    def pids(self):
        return [path for site in self.sites for path in (self.work / site / "pids").iterdir()]

    def start(self):
        self.begin_witnesses()
        begun = time.monotonic()
        self.begin_sites()
        self.wait_for(f"{self.count} groups to be served", lambda: len(self.pids()) >= self.count,
                      WAIT_S)
        self.took["served"] = time.monotonic() - begun
        self.lost_before = self.logged(LOST_LEASE)

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


def enter_own_network():
    """From here on the loopback interface is this process's and its children's alone. False: not allowed."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return False
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return True


def wire_bytes():
    """What the loopback interface has carried; each packet is sent once and received once."""
    for line in pathlib.Path("/proc/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise AssertionError("no loopback interface")


def disk_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise AssertionError(f"no write_bytes of {pid}")


def of_each(cluster, what):
    return {key: what(process.pid) for key, process in cluster.processes.items()}


def measure_stretch(cluster, seconds):
    """Losses, CPU in percent, memory, and bytes over a quiet stretch; all but losses and wire by process."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    losses = {"leases": -cluster.logged(LOST_LEASE), "links": -cluster.logged(LOST_LINK)}
    wire, disk, cpu, begun = wire_bytes(), of_each(cluster, disk_bytes), of_each(cluster, idle.cpu_ticks), time.monotonic()
    time.sleep(seconds) # not a condition: what is measured is a stretch of quiet time
    after, took = of_each(cluster, idle.cpu_ticks), time.monotonic() - begun
    wire, written = wire_bytes() - wire, of_each(cluster, disk_bytes)
    losses["leases"] += cluster.logged(LOST_LEASE)
    losses["links"] += cluster.logged(LOST_LINK)
    return {"losses": losses, "wire": wire / took,
            "cpu": {key: (after[key] - cpu[key]) * tick_s / took * 100 for key in after},
            "disk": {key: (written[key] - disk[key]) / took for key in written},
            "memory": of_each(cluster, idle.rss_anon_mib)}


def name_of(count):
    return f"{count} group{'s' * (count > 1)} of a cluster"


def rows_of(cluster, seconds, found, granted, is_alone):
    name = name_of(cluster.count)
    most = cluster.count == max(COUNTS)
    rows = [row(f"{name}: apply", "s", [cluster.took["apply"]]),
            row(f"{name}: agents started to all served", "s", [cluster.took["served"]],
                SERVED_S_MAX),
            row(f"{name}: not granted at the end", "groups", [cluster.count - granted], 0),
            row(f"{name}: leases lost until then", "leases", [cluster.lost_before], 0),
            row(f"{name}: leases lost in {seconds:.0f} s", "leases", [found["losses"]["leases"]], 0),
            row(f"{name}: links to the guard lost", "links", [found["losses"]["links"]], 0)]
    if is_alone:
        rows.append(row(f"{name}: on the wire for a group", "B/s", [found["wire"] / cluster.count]))
    for role in ROLES:
        keys = [key for key in found["cpu"] if key[0] == role]
        limits = (WITNESS_CPU_MAX, WITNESS_MIB_MAX) if most and role == "witness" else (None, None)
        rows.append(row(f"{name}: CPU of {ROLES[role]}", "%", [found["cpu"][key] for key in keys], limits[0], "max"))
        rows.append(row(f"{name}: memory of {ROLES[role]}", "MiB", [found["memory"][key] for key in keys], limits[1], "max"))
        rows.append(row(f"{name}: to disk by {ROLES[role]}", "B/s", [found["disk"][key] for key in keys]))
    return rows


def measure(program, folder, count, seconds, is_alone):
    may_open_files()
    cluster = Scaled(program, folder / f"scale-{count}", count)
    try:
        cluster.set_up()
        cluster.start()
        time.sleep(idle.SETTLE_S) # likewise no condition
        found = measure_stretch(cluster, seconds)
        return rows_of(cluster, seconds, found, cluster.granted(), is_alone)
    finally:
        cluster.end()


# ---- how it grows -------------------------------------------------------------------------------

def growth(rows, counts):
    """One row for each figure: what one more group adds, between neighbouring counts."""
    medians = {each["what"]: each["median"] for each in rows}
    made = []
    for role in ROLES:
        per_site = (lambda count: count) if role == "witness" else (lambda count: min(count, limit()))
        for figure, unit, factor in (("CPU", "%", 1), ("memory", "MiB", 1024), ("to disk", "B/s", 1)):
            words = f"{figure} {'by' if figure == 'to disk' else 'of'} {ROLES[role]}"
            points = sorted({per_site(count): factor * medians[f"{name_of(count)}: {words}, {unit}"] for count in counts}.items())
            if len(points) > 1:
                made.append(row(f"one more group: {words}", "KiB" if figure == "memory" else unit,
                                [(more[1] - less[1]) / (more[0] - less[0]) for less, more in zip(points, points[1:])]))
    return made


def measure_all(program, folder, counts, seconds):
    """The rows of each count, each in a network of its own, and how they grow."""
    rows = []
    for count in counts:
        rows += measure(program, folder, count, seconds, enter_own_network())
    return rows + growth(rows, counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("counts", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--keep", action="store_true", help="leave the directory, with its logs")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bw-scale-")
    print(folder, file=sys.stderr)
    for each in measure_all(arguments.program, pathlib.Path(folder), arguments.counts, arguments.seconds):
        print(f"{each['what']:60} {each['min']:9.2f} {each['median']:9.2f} {each['max']:9.2f}")
    if not arguments.keep:
        subprocess.run(["rm", "-rf", folder], check=True)


if __name__ == "__main__":
    main()
