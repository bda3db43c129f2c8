"""What a quiet cluster costs: CPU and private memory of each process, all settings at their
defaults, processes started as an operator starts them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

from rows import row

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import WITNESSES, Cluster, free_ports, write_script, write_yaml
from patience import wait_for
from verdict import attempt, run

SETTINGS = {
    "timings of the idle cluster": "all defaults: lease_ttl 15 s, renew_interval 1 s, "
                                   "election_timeout 1 s, check_interval 10 s; 3 witnesses, 2 "
                                   "sites, 1 group, log level info, nobody asks for the status",
    "idle CPU": "utime + stime of /proc/PID/stat over the interval, in percent of one core, "
                "counted in ticks of 10 ms; scripts are children and not in it",
    "memory": "RssAnon of /proc/PID/status at the end of the interval",
}
SETTLE_S = 3
WAIT_S = 60
CPU_PERCENT_MAX = 0.5
MEMORY_MIB_MAX = {"witness": 12, "agent": 6, "guard": 3}
SITES = ("alpha", "beta")
SCRIPTS = {
    "start": "setsid sleep 1000000 > /dev/null 2>&1 < /dev/null & echo $! > '{folder}/service.pid'",
    "stop": "kill \"$(cat '{folder}/service.pid')\" && rm '{folder}/service.pid'",
    "status": "if [ -e '{folder}/service.pid' ]; then echo started; else echo stopped; fi",
    "readiness": "echo lag_seconds=0",
}


class Bench(Cluster):
    """On loopback, each daemon a child of this process; settings that are not named are defaults."""

    def __init__(self, program, folder):
        ports = free_ports(6)
        super().__init__(str(program), folder, "bench", "bench",
                         {name: ("127.0.0.1", ports[i], ports[3 + i])
                          for i, name in enumerate(WITNESSES)})
        self.group = f"bench-{os.getpid()}"
        self.groups = [self.group]
        self.sites = SITES
        self.of_witness, self.of_group = {}, {"on_lag": "allow"} # keys; nothing is replicated here
        self.scripts = SCRIPTS
        self.processes = {} # (role, name) -> Popen

    def set_up(self):
        self.work.mkdir()
        self.begin_pki()
        for name in WITNESSES:
            write_yaml(self.work / f"{name}.yaml", self.witness_file(name, self.work / name, **self.of_witness))
        for site in self.sites:
            self.issue(f"agent/{site}/agent", self.work / f"{site}.pem")
            self.write_scripts(site)
            write_yaml(self.work / f"{site}.yaml", self.site_file(
                site, self.tls(site), [self.group_of(site, name) for name in self.groups_at(site)],
                state_dir=f"{self.work}/{site}/state", run_dir=self.run_dir_of(site),
                guard_socket=f"{self.work}/{site}/guard.sock"))
        self.write_groups_file()

    def groups_at(self, site):
        return self.groups

    def write_groups_file(self):
        self.write_groups(self.groups, self.sites, **self.of_group)

    def run_dir_of(self, site):
        return f"{self.work}/{site}/run"

    def write_scripts(self, site):
        folder = self.work / site
        folder.mkdir()
        # A fence is what makes a stop fast; here they are the same.
        for action, body in {**self.scripts, "fence": self.scripts["stop"]}.items():
            write_script(folder / f"{action}.sh", "#!/bin/sh\n" + body.format(folder=folder) + "\n")

    def group_of(self, site, name):
        return {"name": name, "stop_method": "cgroup",
                **{f"{action}_script": f"{site}/{action}.sh" for action in [*self.scripts, "fence"]}}

    def spawn(self, role, name):
        with open(self.work / f"{name}-{role}.log", "ab") as log:
            self.processes[role, name] = subprocess.Popen(
                [self.breakwater, role, "-c", str(self.work / f"{name}.yaml")], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL)

    def wait_for(self, what, condition, seconds=WAIT_S):
        def is_so():
            value = condition()
            for (role, name), process in self.processes.items():
                assert value or process.poll() is None, f"{role} {name} has ended: " + \
                    (self.work / f"{name}-{role}.log").read_text(encoding="utf-8")[-500:]
            return value
        wait_for(what, seconds, is_so, pause_s=0.1)

    def apply(self):
        return attempt(*self.cli("apply", "-f", self.work / "groups.yaml", "--yes")).returncode == 0

    def begin_witnesses(self):
        files = [self.work / f"{name}.yaml" for name in WITNESSES]
        self.found(lambda: run(self.breakwater, "witness", "init", "-c", files[0]), *files[1:])
        for name in WITNESSES:
            self.spawn("witness", name)
        self.wait_for("the spec to be applied", self.apply)

    def begin_sites(self):
        for role in ("guard", "agent"):
            for site in self.sites:
                self.spawn(role, site)

    def start(self):
        self.begin_witnesses()
        self.begin_sites()
        self.wait_for("a site to serve", self.pids)

    def pids(self):
        """The files in which the services that run wrote their pids."""
        files = [self.work / site / "service.pid" for site in self.sites]
        return [each for each in files if each.exists()]

    def logged(self, words):
        """How often agents and guards have logged one of the words."""
        logs = [(self.work / f"{site}-{role}.log").read_bytes() for site in self.sites for role in ("agent", "guard")]
        return sum(log.count(word) for log in logs for word in words)

    def end(self):
        guards = [self.processes[key] for key in self.processes if key[0] == "guard"]
        for process in [each for each in self.processes.values() if each not in guards]:
            process.kill()
            process.wait()
        for path in self.pids():
            with contextlib.suppress(ValueError, ProcessLookupError): # half-written, or ended by its guard
                os.kill(int(path.read_text(encoding="ascii")), signal.SIGKILL)
        for process in guards:  # last, and well: then they remove their cgroups
            process.terminate()
            process.wait()


# ---- measuring ----------------------------------------------------------------------------------

def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    return sum(map(int, fields.split()[11:13]))


def rss_anon_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no RssAnon of {pid}")


def measure(program, folder, seconds):
    cluster = Bench(program, folder / "idle")
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    try:
        cluster.set_up()
        cluster.start()
        time.sleep(SETTLE_S) # not a condition: what is measured is a stretch of quiet time
        before = {key: cpu_ticks(process.pid) for key, process in cluster.processes.items()}
        begun = time.monotonic()
        time.sleep(seconds)
        after = {key: cpu_ticks(process.pid) for key, process in cluster.processes.items()}
        took = time.monotonic() - begun
        memory = {key: rss_anon_mib(process.pid) for key, process in cluster.processes.items()}
    finally:
        cluster.end()
    rows = []
    for role, limit in MEMORY_MIB_MAX.items():
        keys = [key for key in memory if key[0] == role]
        cpu = [(after[key] - before[key]) * tick_s / took * 100 for key in keys]
        rows.append(row(f"{role}: idle CPU over {took:.0f} s", "%", cpu, CPU_PERCENT_MAX, "max"))
        rows.append(row(f"{role}: private memory", "MiB", [memory[key] for key in keys], limit,
                        "max"))
    return rows
