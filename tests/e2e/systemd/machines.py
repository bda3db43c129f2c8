"""Machines with a systemd of their own: each boots this machine's /usr (read only) on a root of its own,
in a network namespace on a bridge, by systemd-nspawn. What was made carries this process's pid in its
name, lies in one cgroup, and is gone after Lab.close, or when this process is killed."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / "tests/support"))
from cluster import WITNESSES, Cluster, begin_keeper, end_keeper, write_script, write_yaml  # noqa: E402
from patience import wait_at_most, wait_ended, wait_for  # noqa: E402
from verdict import Failed, attempt, run  # noqa: E402

ADDRESSES = {"w1": "10.79.0.1", "w2": "10.79.0.2", "w3": "10.79.0.3", "a": "10.79.0.4",
             "b": "10.79.0.5", "hub": "10.79.0.100"}
MACHINES = ["w1", "a", "b"]  # w2 and w3 are ordinary processes
SITES = ["a", "b"]
PEER = {"a": "b", "b": "a"}
GROUPS = ["unit", "tree"]  # reach `units` and reach `cgroup`

ELECTION_MS = 400
TTL_MS, FENCE_MS, RENEW_MS, REQUEST_MS, MARGIN_MS = 10000, 2500, 500, 1000, 100
assert TTL_MS - FENCE_MS >= 2 * RENEW_MS + REQUEST_MS + 4 * ELECTION_MS + 4 * MARGIN_MS

BOOT_S = 60  # it takes a second on an idle machine
PASSWD = """root:x:0:0::/root:/bin/sh
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
breakwater:x:990:990::/var/lib/breakwater:/usr/sbin/nologin
"""
GROUP = """root:x:0:
nogroup:x:65534:
breakwater:x:990:
"""
# What sanitizers ask for besides; the units stay as they are shipped.
SANITIZED = "[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0:disable_coredump=1\n"

RESTARTING = "[Service]\nRestart=on-failure\nRestartSec=200ms\n"

SHOP_UNIT = """[Unit]
Description=the service of group unit
[Service]
Type=forking
EnvironmentFile=/run/shop.epoch
Environment=ASAN_OPTIONS=detect_leaks=0
ExecStart=/usr/local/bin/breakwater dev ledger --site {site} --epoch ${{EPOCH}} --records /srv/unit \
--pid-file /run/shop.pid
[Install]
WantedBy=multi-user.target
"""
# The status script is the one of breakwater-scripts(7).
UNIT_SCRIPTS = {
    "status": re.search(r"\n#!/bin/sh\n(.*?)\.Ed\n", (TOP / "deploy/man/breakwater-scripts.7").read_text(), re.S)[1],
    "start": "echo EPOCH=$BREAKWATER_EPOCH >/run/shop.epoch\nsystemctl start shop.service\n",
    "stop": "systemctl stop shop.service\n",
    "fence": "systemctl kill --signal=KILL shop.service\nsystemctl stop shop.service\n",
}
TREE_HEAD = """is_alive() {
    [ -r /run/tree.pid ] && read -r pid begun </run/tree.pid || return 1
    [ -r /proc/$pid/stat ] && read -r stat 2>/dev/null </proc/$pid/stat || return 1
    set -- ${stat##*) }
    [ "$1" != Z ] && [ "$1" != X ] && [ "${20}" = "$begun" ]
}
"""
TREE_SCRIPTS = {
    "status": "if is_alive; then echo started; else echo stopped; fi\n",
    "start": "is_alive && exit 0\nexec breakwater dev ledger --site {site} --epoch $BREAKWATER_EPOCH "
             "--records /srv/tree --pid-file /run/tree.pid\n",
    "stop": "while is_alive; do kill $pid; sleep 0.02; done\n",
    "fence": "while is_alive; do kill -KILL $pid; sleep 0.02; done\n",
}
READINESS = "echo lag_seconds=0\n"


def hierarchies():
    """Where cgroups are made: of version 2, and, beside it on a hybrid machine, systemd's own."""
    found = attempt("findmnt", "-rnt", "cgroup,cgroup2", "-o", "FSTYPE,TARGET,OPTIONS").stdout
    mounts = [line.split() for line in found.splitlines()]
    unified = [target for kind, target, options in mounts
               if kind == "cgroup2" and "rw" in options.split(",")]
    named = [target for kind, target, options in mounts
             if kind == "cgroup" and "name=systemd" in options.split(",")]
    return [pathlib.Path(target) for target in unified[:1] + named[:1]]


class Lab(Cluster):
    more = {}  # of its groups

    def __init__(self, build):
        work = pathlib.Path(tempfile.mkdtemp(prefix="breakwater-systemd."))
        super().__init__(build / "breakwater", work, "units", "test",
                         {name: (ADDRESSES[name], 7400, 7401) for name in WITNESSES})
        self.build = build
        self.prefix = f"bws{os.getpid()}"
        self.cgroups = [top / self.prefix for top in hierarchies()]
        self.site_names = {site: f"{site}-{os.getpid()}" for site in SITES}
        self.programs = {}
        self.leaders = {}  # machine: pid of its systemd
        self.work.chmod(0o755)
        self.keeper = begin_keeper(self.clean)
        for folder in self.cgroups:
            folder.mkdir()

    # ---- the network ----

    def netns(self, node):
        return f"{self.prefix}-{node}"

    def make_network(self):
        hub = self.netns("hub")
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        for node in ("hub", "w2", "w3"):
            run("ip", "-n", hub, "addr", "add", ADDRESSES[node] + "/24", "dev", "br0")
        for link in ("br0", "lo"):
            run("ip", "-n", hub, "link", "set", link, "up")

    def plug_in(self, node):
        """A network of the machine's own; that of its life before is gone with what sent there."""
        space, hub = self.netns(node), self.netns("hub")
        attempt("ip", "-n", hub, "link", "del", f"p-{node}")
        attempt("ip", "netns", "del", space)
        run("ip", "netns", "add", space)
        run("ip", "-n", hub, "link", "add", f"p-{node}", "type", "veth", "peer", "name", "eth0",
            "netns", space)
        run("ip", "-n", hub, "link", "set", f"p-{node}", "master", "br0", "up")
        run("ip", "-n", space, "addr", "add", ADDRESSES[node] + "/24", "dev", "eth0")
        for link in ("eth0", "lo"):
            run("ip", "-n", space, "link", "set", link, "up")

    # ---- machines ----

    def root(self, node):
        return self.work / node

    def make_root(self, node):
        root = self.root(node)
        for folder in ("usr", "etc/systemd/system", "etc/breakwater", "var/log/journal", "run", "tmp",
                       "root", "proc", "sys", "dev", "srv"):
            (root / folder).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            if (host := pathlib.Path("/") / name).is_symlink():
                (root / name).symlink_to(os.readlink(host))
        for name in ("os-release", "nsswitch.conf", "ld.so.cache"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(pathlib.Path("/etc") / name, root / "etc" / name)
        (root / "etc/passwd").write_text(PASSWD)
        (root / "etc/group").write_text(GROUP)
        (root / "etc/hostname").write_text(node + "\n")
        (root / "etc/machine-id").write_text(os.urandom(16).hex() + "\n")
        units = root / "etc/systemd/system"
        (units / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")
        for unit in ("agent", "guard", "witness"):
            (units / f"breakwater-{unit}.service.d").mkdir()
            (units / f"breakwater-{unit}.service.d/sanitized.conf").write_text(SANITIZED)

    def install(self):
        """As the README says, but for where: what /usr/local holds is this test's own."""
        run("cmake", "--install", self.build, "--prefix", self.work / "local")
        (self.work / "srv").mkdir()
        for group in GROUPS:
            (self.work / "srv" / group).mkdir()

    def usr_options(self, _node):
        """How a machine gets this one's /usr, and breakwater."""
        folders = ["/usr"] + [f"/{name}" for name in ("bin", "sbin", "lib", "lib64")
                              if os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}")]
        return [*(f"--bind-ro={folder}" for folder in folders),
                f"--bind-ro={self.work}/local:/usr/local"]

    def power_on(self, node):
        self.plug_in(node)
        folders = [top / node for top in self.cgroups]
        for folder in folders:
            folder.mkdir(exist_ok=True)

        def enter():
            for folder in folders:
                (folder / "cgroup.procs").write_text("0")
            os.setsid()
        with open(self.work / f"{node}.console", "ab") as log:
            self.programs[node] = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", str(self.root(node)), *self.usr_options(node),
                 f"--bind={self.work}/srv:/srv",
                 f"--machine={self.netns(node)}",
                 f"--network-namespace-path=/run/netns/{self.netns(node)}",
                 "--register=no", "--keep-unit", "--console=pipe", "-b"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=enter,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})

    def is_up(self, node):
        if self.programs[node].poll() is not None:
            raise Failed(f"machine {node} does not boot: "
                         + (self.work / f"{node}.console").read_text(errors="replace")[-800:])
        found = attempt("pgrep", "-P", self.programs[node].pid).stdout.split()
        if not found:
            return False
        self.leaders[node] = int(found[0])
        return self.attempt_in(node, "systemctl", "is-active", "multi-user.target").stdout == "active\n"

    def wait_up(self, *nodes):
        for node in nodes:
            wait_for(f"{node} has booted", BOOT_S, lambda node=node: self.is_up(node))

    def cut_power(self, node):
        """All that runs there ends at once, and nobody is asked."""
        os.kill(self.leaders.pop(node), signal.SIGKILL)
        wait_ended(node, 30, self.programs[node])

    def attempt_in(self, node, *command):
        # Not its user namespace: it has none of its own.
        return attempt("nsenter", "-t", self.leaders[node], "-m", "-u", "-i", "-n", "-p", "-C", "--",
                       *command)

    def do(self, node, *command):
        done = self.attempt_in(node, *command)
        if done.returncode != 0:
            raise Failed(f"{node}: {' '.join(command)}: exit {done.returncode}: "
                         f"{done.stdout[-500:]}{done.stderr[-500:]}")
        return done.stdout

    def inside(self, node, path):
        """The file of that machine as it is mounted there."""
        return pathlib.Path(f"/proc/{self.leaders[node]}/root{path}")

    def show(self, node, unit, what):
        return self.do(node, "systemctl", "show", "-P", what, f"breakwater-{unit}").strip()

    def pids_of(self, node, *words):
        """The processes of that machine whose command line begins so."""
        space = os.readlink(f"/proc/{self.leaders[node]}/ns/pid")
        wanted = b"\0".join(word.encode() for word in words) + b"\0"
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(path / "ns/pid") == space and \
                        (path / "cmdline").read_bytes().startswith(wanted):
                    found.append(int(path.name))
        return found

    # ---- breakwater ----

    def configure_witness(self, name):
        is_machine = name in MACHINES
        content = self.witness_file(
            name, "/var/lib/breakwater" if is_machine else self.work / f"data-{name}",
            "/etc/breakwater" if is_machine else None, election_timeout=f"{ELECTION_MS}ms")
        if not is_machine:
            write_yaml(self.work / f"{name}.yaml", content)
            return
        etc = self.root(name) / "etc/breakwater"
        write_yaml(etc / "witness.yaml", content)
        shutil.copy(self.work / "ca.pem", etc)
        shutil.copy(self.work / f"{name}.pem", etc)
        shutil.chown(etc / f"{name}.pem", 990, 990)
        data = self.root(name) / "var/lib/breakwater"
        data.mkdir(parents=True)
        data.chmod(0o700)
        shutil.chown(data, 990, 990)

    def configure_site(self, site):
        name = self.site_names[site]
        etc = self.root(site) / "etc/breakwater"
        self.issue(f"agent/{name}/agent", etc / "agent.pem")
        shutil.copy(self.work / "ca.pem", etc)
        (self.root(site) / "etc/systemd/system/shop.service").write_text(
            SHOP_UNIT.format(site=name))
        groups = []
        for group, scripts in (("unit", UNIT_SCRIPTS), ("tree", TREE_SCRIPTS)):
            (etc / group).mkdir()
            for action, body in {**scripts, "readiness": READINESS}.items():
                head = TREE_HEAD if group == "tree" else ""
                write_script(etc / group / f"{action}.sh",
                             "#!/bin/sh\n" + head + body.replace("{site}", name))
            groups.append({
                "name": group, "check_interval": "500ms", "failure_threshold": 3,
                **({"stop_method": "units", "units": ["shop.service"]} if group == "unit" else
                   {"stop_method": "cgroup"}),
                "script_timeout": "20s", "fence_timeout": "2s", "kill_grace": "400ms",
                "env": {"ASAN_OPTIONS": "detect_leaks=0"},
                **{f"{action}_script": f"/etc/breakwater/{group}/{action}.sh"
                   for action in ("status", "start", "stop", "fence", "readiness")}})
        write_yaml(etc / "site.yaml", self.site_file(
            name, self.tls("agent", "/etc/breakwater"), groups,
            state_dir="/var/lib/breakwater-agent", guard_socket="/run/breakwater/guard.sock"))

    def configure(self):
        self.begin_pki()
        for name in WITNESSES:
            self.configure_witness(name)
        for site in SITES:
            self.configure_site(site)
        self.write_groups(GROUPS, list(self.site_names.values()), lease_ttl=f"{TTL_MS}ms",
                          fence_window=f"{FENCE_MS}ms", renew_interval=f"{RENEW_MS}ms",
                          request_timeout=f"{REQUEST_MS}ms", lease_margin=f"{MARGIN_MS}ms",
                          retry_backoff="1s", on_lag="allow", **self.more)  # nothing is replicated here

    def prove_sites(self):
        """Before the guards run: a kill of its reach is seen to end each service (design 3.4)."""
        for site in SITES:
            inside = ("nsenter", "-t", self.leaders[site], "-m", "-u", "-i", "-n", "-p", "-C", "--", "systemd-run", "--quiet",
                      "--wait", "--pipe", "-p", "Delegate=yes", "-E", "ASAN_OPTIONS=detect_leaks=0")
            if not self.prove("/etc/breakwater/site.yaml", at=inside, program="/usr/local/bin/breakwater"):
                raise Failed(f"a kill is not proved to end the services of {site}")
        for group in GROUPS:
            for record in (self.work / "srv" / group).iterdir():
                record.unlink()  # the trial's are no records of this cluster

    def start_witness(self, name):
        with open(self.work / f"{name}.log", "ab") as log:
            self.programs[name] = subprocess.Popen(
                self.outside(self.breakwater, "witness", "-c", self.work / f"{name}.yaml"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def outside(self, *command):
        # Not `ip netns exec`, which hides the cgroups under a new /sys.
        return ["nsenter", f"--net=/run/netns/{self.netns('hub')}", "--", *map(str, command)]

    # ---- the end ----

    def clean(self):
        self.kill_witnesses()
        self.remove_all(keep=False)

    def kill_witnesses(self):
        mark = f"{self.work}/".encode()
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (path / "cmdline").read_bytes()
                if mark in line and b"witness\0" in line and int(path.name) != os.getpid():
                    os.kill(int(path.name), signal.SIGKILL)

    def close(self, keep):
        """Ends what was started and removes what was made; never fails."""
        self.kill_machines()
        for process in self.programs.values():
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()
        self.remove_all(keep)
        end_keeper(self.keeper)

    def kill_machines(self):
        """Each lies whole in our cgroup, the systemd-nspawn of it too."""
        with contextlib.suppress(OSError):
            (self.cgroups[0] / "cgroup.kill").write_text("1")

    def remove_all(self, keep):
        self.kill_machines()

        def are_removed():  # a cgroup can be removed after all in it have been reaped
            folders = [path for top in self.cgroups for path in
                       sorted(top.rglob("*/"), key=lambda path: -len(path.parts)) + [top]]
            for folder in folders:
                with contextlib.suppress(OSError):
                    folder.rmdir()
            return not any(top.exists() for top in self.cgroups)
        wait_at_most(5, are_removed, pause_s=0.05)
        for node in [*MACHINES, "hub"]:
            attempt("ip", "netns", "del", self.netns(node))
        for node in MACHINES:
            shutil.rmtree(f"/run/systemd/nspawn/propagate/{self.netns(node)}", ignore_errors=True)
            shutil.rmtree(f"/run/systemd/nspawn/unix-export/{self.netns(node)}", ignore_errors=True)
        if not keep:
            shutil.rmtree(self.work, ignore_errors=True)
