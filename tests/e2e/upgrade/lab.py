"""A cluster whose programs are of two releases: three witnesses or more, two sites, each daemon ended and begun again
with another binary as a package's upgrade does it. What the services and their scripts wrote down is the
record; of breakwater's own words only the epoch and where things stand."""

import contextlib
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from cluster import write_script, write_yaml  # noqa: E402
from one_machine import SCRIPT_IS_ALIVE, Machine, on_loopback  # noqa: E402
from patience import wait_for  # noqa: E402
from verdict import Failed, attempt, run  # noqa: E402

HOME = {"east": "a", "west": "b"}  # groups that stay where they are: no script of theirs may run
MOVER = "mover"                    # one that is moved between the steps
GROUPS = [*HOME, MOVER]
FILLERS = 100                      # groups that nobody starts: an order about them is so many entries
SITES = ("a", "b")
PEER = {"a": "b", "b": "a"}
TOUCHING = ("start", "stop", "fence", "rejoin")

ELECTION_MS = 400
CHECK_MS = 1500
TTL_MS, FENCE_MS, RENEW_MS, REQUEST_MS, MARGIN_MS = 15000, 3000, 1000, 1000, 100  # the first: as by default
SETTLE_S = 60

HEAD = """#!/bin/sh
echo "$(cut -d' ' -f1 /proc/uptime) {group} {site} {action} $BREAKWATER_EPOCH" >>{work}/scripts
pid_file={work}/{site}-{group}.pid
"""
BODIES = {
    "status": "if is_alive; then echo started; else echo stopped; fi\n",
    "start": "is_alive && exit 0\nsleep 0.3\nexec {program} dev ledger --site {site} --epoch $BREAKWATER_EPOCH "
             "--records {work}/records/{group} --pid-file $pid_file\n",
    "stop": "sleep 0.3\nwhile is_alive; do kill $pid; sleep 0.02; done\n",
    "fence": "while is_alive; do kill -KILL $pid; sleep 0.02; done\n",
    "readiness": "echo lag_seconds=0\n",
}


class Lab(Machine):
    """`old`, `new`: the two binaries."""

    def __init__(self, old, new, witness_count):
        super().__init__(new, "upgrade", on_loopback(witness_count),
                         {site: f"{site}-{os.getpid()}" for site in SITES})
        self.old, self.new = old, new
        self.older_guards = set()  # of which sites
        self.stopping = threading.Event()
        self.asked = self.refused = 0
        self.loads = []

    # ---- files ----

    def configure(self):
        self.begin_pki()
        for name in self.witnesses:
            write_yaml(self.work / f"{name}.yaml", self.witness_file(
                name, self.work / f"data-{name}", election_timeout=f"{ELECTION_MS}ms"))
        for group in GROUPS:
            (self.work / "records" / group).mkdir(parents=True)
        for site in SITES:
            self.configure_site(site)
        self.write_spec(1000)

    def configure_site(self, site):
        name = self.site_names[site]
        self.issue(f"agent/{name}/agent", self.work / f"{site}.pem")
        groups = []
        for group in GROUPS:
            for action, body in BODIES.items():
                values = {"group": group, "site": name, "action": action, "work": self.work,
                          "program": self.new}
                text = HEAD.format(**values) + SCRIPT_IS_ALIVE
                text = "#!/bin/sh\n" if action == "readiness" else text
                text += body.format(**values) if action == "start" else body
                if action == "status":  # it changes nothing, and comes too often
                    text = "\n".join(line for line in text.split("\n") if "/proc/uptime" not in line)
                write_script(self.work / f"{site}-{group}-{action}.sh", text)
            groups.append({  # former names: the release before reads this file too
                "name": group, "enforce": "cgroup", "check_interval": f"{CHECK_MS}ms", "failure_threshold": 3,
                "script_timeout": "20s", "fence_timeout": "2s", "kill_grace": "400ms",
                "env": {"ASAN_OPTIONS": "detect_leaks=0"},
                **{f"{action}_script": str(self.work / f"{site}-{group}-{action}.sh")
                   for action in BODIES}})
        write_yaml(self.work / f"{site}.yaml", self.site_file(
            name, self.tls(site), groups, state_dir=str(self.work / f"{site}-state"),
            run_dir=str(self.work / f"{site}-run"),
            guard_socket=str(self.work / f"{site}-run" / "guard.sock")))

    def write_spec(self, backoff_ms, fillers=0):
        """What operators apply again and again: each time it differs a little."""
        terms = {"lease_ttl": f"{TTL_MS}ms", "fence_timeout": f"{FENCE_MS}ms",
                 "renew_interval": f"{RENEW_MS}ms", "request_timeout": f"{REQUEST_MS}ms",
                 "margin": f"{MARGIN_MS}ms"}
        groups = []
        for group in GROUPS:
            home = HOME.get(group, "a")
            groups.append({"name": group, **terms, "failback": "never", "sites": [
                {"name": name, "priority": 100 if site == home else 50}
                for site, name in self.site_names.items()],
                "retry_backoff": f"{backoff_ms if group == MOVER else 1000}ms"})
        groups += [{"name": f"filler-{i}", **terms, "mode": "observe",
                    "retry_backoff": f"{backoff_ms}ms",
                    "sites": [{"name": name, "priority": 50} for name in self.sites]}
                   for i in range(fillers)]
        write_yaml(self.work / "groups.yaml", {"groups": groups})

    # ---- daemons ----

    def replace(self, name, binary, number=signal.SIGTERM, meanwhile=lambda: None):
        """One daemon becomes one of that release: it ends, and begins on what it left."""
        self.stop(name, number)
        meanwhile()
        if name.startswith("guard-"):
            (self.older_guards.add if binary == self.old else self.older_guards.discard)(name.removeprefix("guard-"))
        begun = len(self.tail(name, 1 << 30))
        self.start(name, binary)
        wait_for(f"{name} is at work again", SETTLE_S, lambda: self.is_at_work(name, begun))

    def is_at_work(self, name, begun):
        """A witness says so; the others by what they have logged since then, at that size of the log."""
        logged = self.tail(name, 1 << 30)[begun:]
        role = self.roles[name][0]
        if role == "witness":
            return "event=witness.started" in logged and self.is_ready(name)
        events = ("agent.connected", "agent.welcome") if role == "guard" else ("guard.greeted",)  # the second: of the release before
        return any(f"event={event}" in logged for event in events)

    def is_ready(self, witness):
        context = ssl.create_default_context(cafile=self.work / "ca.pem")
        context.load_cert_chain(self.work / "person.pem")
        try:
            with urllib.request.urlopen(f"https://{self.address(witness)}/readyz", timeout=5,
                                        context=context) as answer:
                return answer.status == 200
        except OSError:
            return False

    def begin(self):
        """A cluster of the old release, all of which serves."""
        self.found(lambda: run(self.old, "witness", "init", "-c", self.work / "w1.yaml"),
                   *[self.work / f"{name}.yaml" for name in self.witnesses[1:]])
        for name in self.roles:
            self.start(name, self.old)
        wait_for("a leader", SETTLE_S, lambda: "groups" in self.status())
        run(*self.cli("apply", "-f", self.work / "groups.yaml", "--yes"))

    def found(self, first, *others):
        self.breakwater, new = self.old, self.breakwater
        super().found(first, *others)
        self.breakwater = new

    # ---- where things stand ----

    def groups(self):
        return {group["name"]: group for group in self.status().get("groups", [])}

    def holder(self, group):
        return self.sites.get(self.groups().get(group, {}).get("holder"))

    def is_settled(self):
        """All serve, the other site of each could take over, and every witness is in contact."""
        status = self.status()
        groups = {group["name"]: group for group in status.get("groups", [])}
        if not set(GROUPS) <= set(groups):
            return False
        for group in (groups[name] for name in GROUPS):
            for site in group["sites"]:
                is_here = site["name"] == group["holder"]
                if is_here and (site.get("service") != "started" or not self.is_reach_seen(site)):
                    return False
                if not is_here and not site.get("eligible"):
                    return False
            if not group["holder"]:
                return False
        return self.are_witnesses_whole(status)

    def is_reach_seen(self, site):
        """An older guard takes what it knows by a newer digest for scripts that were changed: until the next start."""
        return site.get("reach_seen") == "inside" or any(self.site_names[older] == site["name"] for older in self.older_guards)

    def are_witnesses_whole(self, status):
        members = status.get("witnesses", [])
        return len(members) == len(self.witnesses) and all(
            member.get("heard") for member in members)

    def is_standby_measured(self, group):
        """The other site could take over if its holder ended now: how far behind it is was measured just now."""
        found = self.groups().get(group, {})
        return any(site["name"] != found["holder"] and site.get("eligible") and
                   site.get("loss_ms") is not None and
                   (site.get("readiness") or {}).get("age_ms", CHECK_MS) < CHECK_MS
                   for site in found.get("sites", []))

    def settle(self, what):
        try:
            wait_for(f"all is well again after {what}", SETTLE_S, self.is_settled)
        except Failed as failed:
            raise type(failed)(f"{failed}\n{self.table()}") from None

    def epochs(self):
        return {name: group["epoch"] for name, group in self.groups().items()}

    def scripts(self):
        """What was run of the groups that stay, in the scripts' own words."""
        path = self.work / "scripts"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[1] in HOME]

    def processes(self, group):
        return sorted(path.name for path in (self.work / "records" / group).glob("*.beats"))

    def lost_leases(self):
        """As the agents' logs count them, of the groups that stay."""
        return [line for site in SITES for line in
                (self.work / f"agent-{site}.log").read_text(errors="replace").splitlines()
                if "event=lease.ended" in line and any(f"group={group} " in line for group in HOME)]

    # ---- load ----

    def cli_of(self, binary, *words):
        line = self.cli(*words)
        return [str(binary), *line[1:]]

    def load(self, number):
        """A person's commands, one after the other: every second one writes."""
        turn = 0
        while not self.stopping.is_set():
            turn += 1
            if turn % 2 == 0:
                words = (("status",), ("history", "east"), ("explain", MOVER), ("feature-level",))[
                    turn // 2 % 4]
            else:
                self.write_spec(1000 + 2 * (turn % 50) + number)
                words = ("apply", "-f", self.work / "groups.yaml", "--yes")
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = attempt(*self.cli(*words), timeout=30)
                self.asked += 1
                if done.returncode not in (0, 3, 4):
                    self.refused += 1
                    with open(self.work / "load.log", "a", encoding="utf-8") as log:
                        log.write(f"{time.monotonic():.1f} {words[0]}: {done.returncode} {done.stdout}{done.stderr}\n")
            self.stopping.wait(0.2)

    def write_much(self, entries):
        """The log goes on by so many: further than a leader keeps for who is away."""
        for turn in range(-(-entries // FILLERS)):
            self.write_spec(5000 + turn, FILLERS)
            run(*self.cli("apply", "-f", self.work / "groups.yaml", "--yes"))

    def begin_load(self):
        self.loads = [threading.Thread(target=self.load, args=(0,))]
        for thread in self.loads:
            thread.start()

    def end_load(self):
        self.stopping.set()
        for thread in self.loads:
            thread.join()
        self.loads = []

    # ---- the end ----

    def close(self, keep):
        self.end_load()
        super().close(keep)
