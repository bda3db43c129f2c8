"""The machines of a test: namespaces on a bridge, breakwater's programs and two PostgreSQL servers
in them, as processes of their own. All that was made carries this process's pid in its name, and is
gone after Lab.close."""

import concurrent.futures
import contextlib
import errno
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))
from cluster import WITNESSES, Cluster, begin_keeper, end_keeper, write_script, write_yaml  # noqa: E402
from lacking import skip_lacking  # noqa: E402
from patience import wait_at_most  # noqa: E402
from verdict import Failed, attempt, run  # noqa: E402

# Others than those that are shipped: to see that a broken one makes a test fail.
SCRIPTS = pathlib.Path(os.environ.get("BREAKWATER_PG_SCRIPTS",
                                      HERE.parents[2] / "deploy/scripts/postgresql"))
ADDRESSES = {"w1": "10.78.0.1", "w2": "10.78.0.2", "w3": "10.78.0.3", "a": "10.78.0.4",
             "b": "10.78.0.5", "c": "10.78.0.6", "hub": "10.78.0.100"}
PEER = {"a": "b", "b": "a"}

# The bounds are computed from these. lease_ttl - fence_window covers a lost leader (design 4).
ELECTION_MS = 400
TTL_MS, FENCE_MS, RENEW_MS, REQUEST_MS, MARGIN_MS = 7500, 3000, 500, 1000, 100
assert TTL_MS - FENCE_MS >= 2 * RENEW_MS + REQUEST_MS + 4 * ELECTION_MS + 4 * MARGIN_MS
CHECK_MS = 2000  # three of them, beside what the scripts take, are how old a lag may be

POSTGRESQL_CONF = """
listen_addresses = '*'
wal_log_hints = on
wal_keep_size = 128MB
min_wal_size = 32MB
max_wal_size = 128MB
shared_buffers = 16MB
wal_receiver_timeout = 3s
wal_sender_timeout = 3s
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
fsync = off
autovacuum = off
"""


def find_postgres():
    found = [path for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin")
             if (path / "pg_rewind").exists()]
    if not found:
        skip_lacking("postgres", "no PostgreSQL server installed")
    return max(found, key=lambda path: int(path.parent.name.split(".")[0]))


def has_words(pid, *words):
    """The process runs and its command line begins so: a pid alone may be somebody else's."""
    try:
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return line[:len(words)] == [str(word).encode() for word in words]


def remove_cgroup(folder):
    """Removes one whose processes were killed: they leave it only when they have ended."""

    def is_removed():
        try:
            folder.rmdir()
        except OSError as error:
            return error.errno != errno.EBUSY  # it is gone, or has the files of a cgroup: no folders
        return True
    wait_at_most(2, is_removed, pause_s=0.05)


class Lab(Cluster):
    """`sites`: a letter each. `is_sync`: what is committed is at another site. `more`: of the group."""

    local_auth = "trust"

    def __init__(self, breakwater, sites="ab", is_sync=True, **more):
        self.sites, self.is_sync, self.more = sites, is_sync, more
        self.nodes = [*WITNESSES, *sites]
        self.bin = find_postgres()
        work = pathlib.Path(tempfile.mkdtemp(prefix="breakwater-e2e."))
        super().__init__(breakwater, work, "e2e", "test",
                         {name: (ADDRESSES[name], 7400, 7401) for name in WITNESSES})
        self.prefix = f"bwe{os.getpid()}"
        self.site_names = {site: f"{site}-{os.getpid()}" for site in sites}
        self.programs = {}
        self.observers = []
        self.work.chmod(0o755)
        self.keeper = begin_keeper(self.clean)

    @property
    def is_provable(self):
        """False: start_script promotes none of three synchronous servers without an answer of another, so no trial can."""
        return not (self.is_sync and len(self.sites) > 2)

    # ---- namespaces ----

    def netns(self, node):
        return f"{self.prefix}-{node}"

    def in_node(self, node, *command):
        # Not `ip netns exec`, which hides the cgroups under a new /sys.
        return ["nsenter", f"--net=/run/netns/{self.netns(node)}", "--", *map(str, command)]

    def outside(self, *command):
        return self.in_node("hub", *command)

    def make_network(self):
        hub = self.netns("hub")
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", hub, "addr", "add", ADDRESSES["hub"] + "/24", "dev", "br0")
        run("ip", "-n", hub, "link", "set", "br0", "up")
        for node in self.nodes:
            run("ip", "netns", "add", self.netns(node))
            run("ip", "-n", hub, "link", "add", f"p-{node}", "type", "veth", "peer", "name", "eth0",
                "netns", self.netns(node))
            run("ip", "-n", hub, "link", "set", f"p-{node}", "master", "br0", "up")
            run("ip", "-n", self.netns(node), "addr", "add", ADDRESSES[node] + "/24", "dev", "eth0")
            run("ip", "-n", self.netns(node), "link", "set", "eth0", "up")
            run("ip", "-n", self.netns(node), "link", "set", "lo", "up")
        self.nft("add table bridge f")
        self.nft("add chain bridge f c { type filter hook forward priority 0 ; policy accept ; }")
        self.nft("add chain bridge f i { type filter hook input priority 0 ; policy accept ; }")
        self.nft("add chain bridge f o { type filter hook output priority 0 ; policy accept ; }")

    def nft(self, rule):
        run(*self.in_node("hub", "nft", rule))

    def cut_off(self, node):
        """Drops all that it sends and all that is sent to it, in silence."""
        for chain, direction in (("c", "iifname"), ("c", "oifname"), ("i", "iifname"),
                                 ("o", "oifname")):
            self.nft(f"add rule bridge f {chain} {direction} p-{node} drop")

    def heal(self):
        for chain in "cio":
            self.nft(f"flush chain bridge f {chain}")

    # ---- breakwater ----

    def start(self, name):
        """Starts `witness w1`, `guard a`, `agent b` …; its output is in NAME.log."""
        kind, node = name.split()
        with open(self.work / f"{kind}-{node}.log", "ab") as log:
            self.programs[name] = subprocess.Popen(
                self.in_node(node, self.breakwater, kind, "-c", self.work / f"{node}.yaml"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def signal(self, name, number):
        self.programs[name].send_signal(number)
        if number == signal.SIGKILL:
            self.programs[name].wait()

    def configure(self):
        self.begin_pki()
        for node in WITNESSES:
            write_yaml(self.work / f"{node}.yaml", self.witness_file(
                node, self.work / node, election_timeout=f"{ELECTION_MS}ms"))
        for site, name in self.site_names.items():
            self.issue(f"agent/{name}/agent", self.work / f"{site}.pem")
            write_yaml(self.work / f"{site}.yaml", self.site_file(
                name, self.tls(site), [self.group_of(site)], state_dir=f"{self.work}/{site}-state",
                run_dir=f"{self.work}/{site}-run", guard_socket=f"{self.work}/{site}-guard.sock",
                allow_writable_scripts=True))  # run where they are: in anybody's checkout
        self.write_groups(["pg"], list(self.site_names.values()), **{
            "lease_ttl": f"{TTL_MS}ms", "fence_window": f"{FENCE_MS}ms", "renew_interval": f"{RENEW_MS}ms",
            "request_timeout": f"{REQUEST_MS}ms", "lease_margin": f"{MARGIN_MS}ms", "switchover_timeout": "40s",
            "max_lag": "0s", **({} if self.is_provable else {"handover_by_time": "always"}), **self.more})

    def group_of(self, site):
        actions = ("status", "start", "stop", "fence", "readiness", "rejoin")
        return {"name": "pg", "stop_method": "cgroup", "check_interval": f"{CHECK_MS}ms",
                "failure_threshold": 3, "script_timeout": "30s", "fence_timeout": "2500ms",
                "kill_grace": "400ms", "status_timeout": "10s", "readiness_timeout": "10s",
                **{f"{action}_script": self.journalled(action) for action in actions},
                "env": self.environment(site)}

    def journalled(self, action):
        """The shipped script, behind one that notes that it was run."""
        path = self.work / f"{action}.sh"
        write_script(path, '#!/bin/bash\nread -r up _ </proc/uptime\n'
                        f'echo "$up $BREAKWATER_SITE {action} $BREAKWATER_EPOCH"'
                        f' >>{self.work}/journal\n'
                        f'exec {SCRIPTS}/{action}.sh 2> >(tee -a {self.work}/scripts.log >&2)\n')
        return str(path)

    def journal(self, *actions):
        """The runs of these actions so far."""
        path = self.work / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[2] in actions]

    def group(self):
        return next(iter(self.status().get("groups", [])), {})

    def holder(self):
        name = self.group().get("holder")
        return next((site for site, known in self.site_names.items() if known == name), None)

    def is_eligible(self, site):
        return any(known["eligible"] for known in self.group().get("sites", [])
                   if known["name"] == self.site_names[site])

    # ---- PostgreSQL ----

    def home(self, site):
        return self.work / site

    def environment(self, site):
        others = [other for other in self.sites if other != site]
        names = " ".join(self.site_names[other] for other in others)
        three = len(others) > 1
        return {"PGDATA": f"{self.home(site)}/data", "PGHOST": str(self.home(site)),
                "PGPORT": "5432", "PG_BIN": str(self.bin), "PG_LOG": f"{self.home(site)}/log",
                "PEER_CONNINFO": f"host={','.join(ADDRESSES[other] for other in others)} port=5432 user=postgres",
                "PG_APPLICATION_NAME": self.site_names[site],
                **({"PG_SYNC_PEER": names} if self.is_sync else {}),
                **({"PG_SLOTS": names} if three else {}),
                **({"PG_SYNC_ALONE": "wait"} if three and self.is_sync else {}),
                "PG_START_TIMEOUT": "20", "PG_STOP_TIMEOUT": "20", "PG_STREAM_TIMEOUT": "5"}

    def script(self, site, action):
        """A shipped script as a person runs it, outside of the guard."""
        return run(*self.in_node(site, SCRIPTS / f"{action}.sh"),
                   env={**os.environ, **self.environment(site)})

    def query(self, site, sql):
        """The answer of the server through its own socket; None when there is none."""
        done = attempt("runuser", "-u", "postgres", "--", self.bin / "psql", "-XAtq", "-h",
                       self.home(site), "-p", "5432", "-d", "postgres", "-c", sql, timeout=30,
                       cwd="/", env={**os.environ, "PGCONNECT_TIMEOUT": "3"})
        return done.stdout.strip() if done.returncode == 0 else None

    def as_postgres(self, node, *command):
        return run(*self.in_node(node, "runuser", "-u", "postgres", "--", *command), cwd="/")

    def prove_sites(self):
        """Shows that a kill of each site's reach ends its server (design 3.4), all at once. A trial promotes: it gets a
        server for that alone, and a network of its own, where no peer refuses that."""
        if not self.is_provable:
            return
        with concurrent.futures.ThreadPoolExecutor() as pool:
            _ = self.made  # once, before they copy it at once
            list(pool.map(self.prove_site, self.sites))  # raises what one has raised
        (self.work / "journal").unlink()  # no script has run for breakwater yet

    def prove_site(self, site):
        self.take_server(site)
        if not self.prove(self.work / f"{site}.yaml", at=("unshare", "--net", "--")):
            raise Failed(f"a kill is not proved to end the server of {site}")
        shutil.rmtree(self.home(site))

    @functools.cached_property
    def made(self):
        """A database that nobody has started yet; each server takes a copy."""
        folder = self.work / "made"
        folder.mkdir(0o700)
        shutil.chown(folder, "postgres", "postgres")
        self.as_postgres("a", self.bin / "initdb", "-D", folder, f"--auth-local={self.local_auth}", "--auth-host=trust", "-N")
        with open(folder / "pg_hba.conf", "a", encoding="ascii") as hba:
            hba.write("host all,replication all all trust\n")
        with open(folder / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(POSTGRESQL_CONF)
        return folder

    def make_home(self, site):
        self.home(site).mkdir()
        shutil.chown(self.home(site), "postgres", "postgres")

    def finish_server(self, site):
        with open(self.home(site) / "data/postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(f"unix_socket_directories = '{self.home(site)}'\n")

    def take_server(self, site):
        self.make_home(site)
        run("cp", "-a", self.made, self.home(site) / "data")
        self.finish_server(site)

    def make_servers(self):
        """A writes, the others follow; then A is stopped, so that breakwater's first grant starts it."""
        self.take_server("a")
        self.as_postgres("a", self.bin / "pg_ctl", "-D", self.home("a") / "data", "-l", self.home("a") / "log", "-w", "start")
        self.query("a", "CREATE TABLE acknowledged(label text, number int, PRIMARY KEY (label, number))")
        for site in self.sites[1:]:
            self.make_home(site)
            # A copy is not under test: it may take longer than a standby may be silent.
            self.as_postgres(site, "env", "PGOPTIONS=-c wal_sender_timeout=0", self.bin / "pg_basebackup", "-h", ADDRESSES["a"],
                             "-D", self.home(site) / "data", "-c", "fast", "--no-sync")
            self.finish_server(site)
        self.script("a", "readiness")  # which makes the slots
        for site in self.sites[1:]:
            self.script(site, "rejoin")
        self.script("a", "stop")

    def server_pids(self, site):
        pids = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.path.samefile(path / "cwd", self.home(site) / "data") and \
                        os.readlink(path / "exe").endswith("/postgres"):
                    pids.append(int(path.name))
        return pids

    def kill_server(self, site):
        while True:
            pids = self.server_pids(site)
            if not pids:
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    # ---- clients ----

    def observe(self, kind, label, node, host):
        path = self.work / f"{kind}.{label}.json"
        self.observers.append(subprocess.Popen(
            self.in_node(node, sys.executable, HERE / "observer", kind, label, host, 5432, path),
            stdin=subprocess.DEVNULL, start_new_session=True))

    def seen(self, kind):
        """What the observers of this kind saw, in the order of sending."""
        events = []
        for path in self.work.glob(f"{kind}.*.json"):
            for line in path.read_text().splitlines():
                with contextlib.suppress(ValueError):  # the last may be half written
                    events.append(json.loads(line))
        return sorted(events, key=lambda event: event["sent"])

    # ---- the end ----

    def clean(self):
        self.kill_all()
        self.remove_all(keep=False)

    def kill_all(self):
        """All that was started with a word of this lab's folder in its command line."""
        mark = f"{self.work}/".encode()
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (path / "cmdline").read_bytes() and int(path.name) != os.getpid():
                    os.kill(int(path.name), signal.SIGKILL)

    def close(self, keep):
        """Ends what was started, by pid, and removes what was made; never fails."""
        processes = [*self.programs.values(), *self.observers]
        for process in processes:
            with contextlib.suppress(OSError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.remove_all(keep)
        end_keeper(self.keeper)

    def remove_all(self, keep):
        for site, name in self.site_names.items():
            self.kill_server(site)
            for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
                top = pathlib.Path(mount) / f"breakwater-{name}@e2e"
                for folder in [*top.glob("*/*/"), *top.glob("*/"), top]:
                    remove_cgroup(folder)
        for node in [*self.nodes, "hub"]:
            subprocess.run(["ip", "netns", "del", self.netns(node)], capture_output=True,
                           check=False)
        if not keep:
            shutil.rmtree(self.work, ignore_errors=True)
