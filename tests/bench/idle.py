"""What a quiet cluster costs: CPU and private memory of each process, all settings at their
defaults, processes started as an operator starts them."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from rows import row

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


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    def __init__(self, program, folder):
        self.program, self.folder = str(program), folder
        self.group = f"bench-{os.getpid()}"
        self.ports = free_ports(6)
        self.processes = {} # (role, name) -> Popen

    def call(self, *arguments):
        return subprocess.run([self.program, *arguments], cwd=self.folder, check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="ascii")

    def set_up(self):
        self.folder.mkdir()
        self.call("pki", "init", "--cluster", "bench", "--dir", ".")
        subjects = [f"witness/w{i}" for i in (1, 2, 3)] + [f"agent/{site}/agent" for site in SITES]
        for subject in [*subjects, "operator/bench"]:
            self.call("pki", "issue", subject, "--dir", ".",
                      *(["--san", "ip:127.0.0.1"] if subject.startswith("witness") else []))
        members = "".join(
            f"  - {{name: w{i + 1}, id: {i + 1}, address: 127.0.0.1:{self.ports[i]}, "
            f"raft: 127.0.0.1:{self.ports[3 + i]}, failure_domain: zone-{i + 1}}}\n"
            for i in range(3))
        for i in range(3):
            self.write(f"w{i + 1}.yaml",
                       f"cluster: bench\nname: w{i + 1}\ndata_dir: w{i + 1}\n"
                       f"listen: 127.0.0.1:{self.ports[i]}\n"
                       f"raft_listen: 127.0.0.1:{self.ports[3 + i]}\n"
                       f"tls: {{ca: ca.pem, identity: w{i + 1}.pem}}\nwitnesses:\n{members}")
        for site in SITES:
            self.write_site(site)
        self.write("groups.yaml", f"groups:\n  - name: {self.group}\n"
                                  "    sites: [{name: alpha, priority: 100}, {name: beta}]\n")

    def write_site(self, site):
        folder = self.folder / site
        folder.mkdir()
        for name, body in SCRIPTS.items():
            self.write(f"{site}/{name}.sh", "#!/bin/sh\n" + body.format(folder=folder) + "\n")
        # A fence is what makes a stop fast; here they are the same.
        shutil.copy(folder / "stop.sh", folder / "fence.sh")
        scripts = "".join(f"    {name}_script: {site}/{name}.sh\n" for name in [*SCRIPTS, "fence"])
        for script in folder.glob("*.sh"):
            script.chmod(0o755)
        witnesses = ", ".join(f"127.0.0.1:{port}" for port in self.ports[:3])
        self.write(f"{site}.yaml",
                   f"cluster: bench\nsite: {site}\nname: agent\nstate_dir: {site}/state\n"
                   f"run_dir: {site}/run\nguard_socket: {folder}/guard.sock\n"
                   f"tls: {{ca: ca.pem, identity: {site}-agent.pem}}\nwitnesses: [{witnesses}]\n"
                   f"groups:\n  - name: {self.group}\n    enforce: cgroup\n{scripts}")

    def spawn(self, role, name):
        with open(self.folder / f"{name}-{role}.log", "ab") as log:
            self.processes[role, name] = subprocess.Popen(
                [self.program, role, "-c", f"{name}.yaml"], cwd=self.folder, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

    def wait_for(self, what, condition, seconds=WAIT_S):
        limit = time.monotonic() + seconds
        while not condition():
            for (role, name), process in self.processes.items():
                assert process.poll() is None, f"{role} {name} has ended: " + \
                    (self.folder / f"{name}-{role}.log").read_text(encoding="utf-8")[-500:]
            assert time.monotonic() < limit, f"waited {seconds} s for {what}"
            time.sleep(0.1)

    def apply(self):
        return subprocess.run(
            [self.program, "apply", "-f", "groups.yaml", "--yes", "--ca", "ca.pem", "--identity",
             "bench.pem", "--endpoint", f"127.0.0.1:{self.ports[0]}"], cwd=self.folder, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def begin_witnesses(self):
        cluster_id = self.call("witness", "init", "-c", "w1.yaml").split()[-1]
        for i in (2, 3):
            self.call("witness", "init", "-c", f"w{i}.yaml", "--cluster-id", cluster_id)
        for i in (1, 2, 3):
            self.spawn("witness", f"w{i}")
        self.wait_for("the spec to be applied", self.apply)

    def begin_sites(self):
        for role in ("guard", "agent"):
            for site in SITES:
                self.spawn(role, site)

    def start(self):
        self.begin_witnesses()
        self.begin_sites()
        self.wait_for("a site to serve", self.pids)

    def pids(self):
        """The files in which the services that run wrote their pids."""
        files = [self.folder / site / "service.pid" for site in SITES]
        return [each for each in files if each.exists()]

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
    cluster = Cluster(program, folder / "idle")
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
