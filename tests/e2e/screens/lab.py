"""A pair of sites and three witnesses around one group, in which one thing breaks; what people are shown of
it; and the commands that they are shown, typed as they stand there."""

import contextlib
import datetime
import http.client
import itertools
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "integration"))
import recompute_overlap  # noqa: E402
from cluster import WITNESSES, write_script, write_yaml  # noqa: E402
from net import Net  # noqa: E402
from one_machine import SCRIPT_IS_ALIVE, Machine  # noqa: E402
from patience import wait_for  # noqa: E402
from verdict import Failed, attempt, now_ns, run  # noqa: E402

GROUP = "shop"
SITES = ("dc-a", "dc-b")  # the first is where the group begins
ELECTION_MS, CHECK_MS = 900, 700
TTL_MS, FENCE_MS, RENEW_MS, REQUEST_MS, MARGIN_MS = 9000, 2000, 500, 1500, 100
BEGIN_S = 45
PATIENCE_S = 45
ASK_S = 3

# What the scripts and the service do is said by files of the site: `elsewhere` (the service is begun by
# somebody else), `refuses` (stop and fence fail), `hangs` (stop does not end), `start_fails`, `verify_fails`,
# `lag` (how far behind it is, in s; empty: that cannot be said).
HEAD = """#!/bin/sh
here={work}/{site}
pid_file=$here/pid
"""
SERVE = "{program} dev ledger --site {site} --epoch $epoch --records {work}/records --pid-file $pid_file\n"
SCRIPTS = {
    "status": "[ ! -e $here/status_hangs ] || exec sleep 1000\n"
              "if is_alive; then echo started; else echo stopped; fi\n",
    "start": "is_alive && exit 0\n"
             "if [ -e $here/start_fails ]; then echo 'cannot open database: no such file' >&2; exit 1; fi\n"
             "epoch=$BREAKWATER_EPOCH\n"
             "if [ -e $here/elsewhere ]; then echo $epoch >$here/wanted; "
             "until is_alive; do sleep 0.05; done; exit 0; fi\nexec " + SERVE,
    "stop": "if [ -e $here/hangs ]; then trap '' TERM; while :; do sleep 1; done; fi\n"
            "if [ -e $here/refuses ]; then echo 'permission denied' >&2; exit 1; fi\n"
            "while is_alive; do kill $pid; sleep 0.02; done\n",
    "fence": "if [ -e $here/refuses ]; then echo 'permission denied' >&2; exit 1; fi\n"
             "while is_alive; do kill -KILL $pid; sleep 0.02; done\n",
    "verify": "if [ -e $here/verify_fails ]; then echo 'no answer on port 443' >&2; exit 1; fi\n",
    "readiness": "if [ ! -e $here/lag ]; then lag=0; else read -r lag <$here/lag; fi\n"
                 "[ -z \"$lag\" ] || echo lag_seconds=$lag\n",
    "serve": "read -r epoch <$here/wanted\nexec " + SERVE,
}

# What differs from run to run.
MASKS = (
    (re.compile(r"by witness/w\d"), "by witness/w1"),  # whoever led at that moment
    (re.compile(r"\n {4}(?!current|ended|by |do: )(?=\S)"), " "),  # where history wraps, its numbers say
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "DATE"),
    (re.compile(r"\b\d+(\.\d+)? (s|ms|min|h|days?)\b"), "TIME"),
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"\bterm \d+"), "term N"),
    (re.compile(r"(?<=  )TIME left at most(?=  )"), "expired"),  # a lease that ends
    # An alarm's age, and how often it came: known once the witness that answers has looked at its alarms.
    (re.compile(r", alarm on for TIME(, raised (twice|\d+ times))?"), ""),
    (re.compile(r"^\d+( +DATE)", re.MULTILINE), r"N\1"),
    (re.compile(r" {2,}(?=\S)"), "  "),
    (re.compile(r"[ ]+$", re.MULTILINE), ""),
)
# Of two scripts that failed within a second either may be named first.
FAILURES = re.compile(r"(?:^ *dc-\w: (?:start|verify|stop|fence|status) .*\n)+", re.MULTILINE)
numbers = itertools.count(1)


class Lab(Machine):
    """`spec`: what the group has beside its sites and terms; `without`: scripts that the sites lack."""

    def __init__(self, breakwater, spec=None, without=()):
        tag = f"{os.getpid() % 46656:x}{next(numbers)}"
        self.net = Net(tag, SITES, WITNESSES)
        super().__init__(breakwater, "screens", self.net.hosts, {site: f"{site}{tag}" for site in SITES})
        self.spec, self.without = spec or {}, without
        self.links = {}     # witness -> connection that is kept
        self.ttl_s = self.spec.get("lease_ttl_ms", TTL_MS) / 1000
        self.by_hand = []   # epochs under which somebody began a service beside the guard
        self.lost_ns = {}   # site -> since when nobody hears it (CLOCK_BOOTTIME)
        self.wall_ns = self.wall_now_ns()

    # ---- files ----

    def configure(self):
        self.begin_pki()
        (self.work / "records").mkdir()
        for name in self.witnesses:
            write_yaml(self.work / f"{name}.yaml", self.witness_file(
                name, self.work / f"data-{name}", election_timeout=f"{ELECTION_MS}ms"))
        for site in SITES:
            self.configure_site(site)
        self.write_spec(**self.spec)
        write_yaml(self.work / "cli.yaml", {"endpoints": [self.address(name) for name in self.hosts],
                                            "tls": self.tls("person")})

    def write_spec(self, **more):
        ttl_ms = more.pop("lease_ttl_ms", TTL_MS)
        terms = {"lease_ttl": f"{ttl_ms}ms", "fence_window": f"{FENCE_MS}ms", "lease_margin": f"{MARGIN_MS}ms",
                 "renew_interval": f"{RENEW_MS}ms", "request_timeout": f"{REQUEST_MS}ms"}
        self.write_groups([GROUP], list(self.sites), **{
            **terms, "retry_backoff": "1s", "failback": "never", **more})

    def configure_site(self, site):
        name = self.site_names[site]
        folder = self.work / name
        folder.mkdir()
        self.issue(f"agent/{name}/agent", self.work / f"{site}.pem")
        for action, body in SCRIPTS.items():
            values = {"site": name, "work": self.work, "program": self.breakwater}
            write_script(folder / action, HEAD.format(**values) + SCRIPT_IS_ALIVE +
                         re.sub(r"\{(\w+)\}", lambda found, known=values: str(known[found[1]]), body))
        group = {"name": GROUP, "stop_method": "cgroup", "check_interval": f"{CHECK_MS}ms",
                 "failure_threshold": 2, "script_timeout": "20s", "stop_timeout": "3s", "status_timeout": "6s",
                 "fence_timeout": "1300ms", "kill_grace": "300ms",
                 "env": {"ASAN_OPTIONS": "detect_leaks=0"},
                 **{f"{action}_script": str(folder / action) for action in SCRIPTS
                    if action not in ("serve", *self.without)}}
        write_yaml(self.work / f"{site}.yaml", self.site_file(
            name, self.tls(site), [group], state_dir=str(folder / "state"), run_dir=str(folder / "run"),
            guard_socket=str(folder / "run/guard.sock")))
        self.prove(self.work / f"{site}.yaml")
        for record in (self.work / "records").iterdir():
            record.unlink()  # of the trial

    def put(self, site, name, text=""):
        (self.work / self.site_names[site] / name).write_text(text + "\n" if text else "")

    def drop(self, site, name):
        (self.work / self.site_names[site] / name).unlink()

    # ---- its life ----

    def at(self, name, *command):
        site = name.partition("-")[2]
        return self.net.within(site, command) if site else [str(word) for word in command]

    def begin(self, is_whole=True):
        """Until the first site serves and (`is_whole`) the other one could follow."""
        self.net.make()
        self.net.enter()
        self.configure()
        self.found(lambda: run(self.breakwater, "witness", "init", "-c", self.work / "w1.yaml"),
                   *[self.work / f"{name}.yaml" for name in self.witnesses[1:]])
        for name in self.roles:
            self.start(name)
        wait_for("a leader", BEGIN_S, self.leader)
        run(*self.cli("apply", "-f", self.work / "groups.yaml", "--initial-primary",
                      self.site_names["dc-a"], "--yes"))
        wait_for("the first site to serve", BEGIN_S, lambda: self.serves("dc-a"))
        if is_whole:
            self.green("its begin", served_by="dc-a")

    def start(self, name, binary=None):
        """As its unit does: one that comes after a guard begins when that one answers."""
        super().start(name, binary)
        role, _, site = name.partition("-")
        if role == "guard":
            wait_for(f"{name} to answer", BEGIN_S, lambda: self.guard_listens(site))

    def guard_listens(self, site):
        with socket.socket(socket.AF_UNIX) as link, contextlib.suppress(OSError):
            link.connect(str(self.guard_socket(site)))
            return True
        return False

    def guard_socket(self, site):
        return self.work / self.site_names[site] / "run/guard.sock"

    def cli(self, *words):
        return [str(word) for word in (self.breakwater, *words, "--config", self.work / "cli.yaml")]

    def cli_run(self, *words):
        return run(*self.cli(*words), timeout=180)

    def power_off(self, site):
        """Everything of that machine ends at once."""
        self.cut(site)
        for role in ("agent", "guard"):
            self.stop(f"{role}-{site}", signal.SIGKILL)
        for top in self.cgroup_tops():
            for folder in top.glob(f"breakwater-{self.site_names[site]}@{self.name}"):
                with contextlib.suppress(OSError):
                    (folder / "cgroup.kill").write_text("1")
        self.kill_service(site)

    def power_on(self, site):
        self.net.heal()
        for role in ("guard", "agent"):
            self.start(f"{role}-{site}")

    def cut(self, site, witnesses=(), only_answers=False):
        self.net.cut(site, witnesses, only_answers)
        self.lost_ns[site] = now_ns()

    def signal(self, name, number):
        self.daemons[name].send_signal(number)

    def freeze(self, name):
        self.signal(name, signal.SIGSTOP)
        self.lost_ns[name.partition("-")[2]] = now_ns()

    def systemctl(self, where, verb, unit):
        """As systemd would do it: here its units are processes of the test."""
        role = unit.removeprefix("breakwater-")
        name = where if role == "witness" else f"{role}-{where}"
        if verb == "restart":
            self.stop(name, signal.SIGKILL)
        self.start(name)

    # ---- services ----

    def service(self, site):
        """Its process; None: it does not live."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid, begun = (self.work / self.site_names[site] / "pid").read_text().split()
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if stat[0] not in "ZX" and stat[19] == begun:
                return int(pid)
        return None

    def kill_service(self, site):
        pid = self.service(site)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            wait_for("the service's end", BEGIN_S, lambda: self.service(site) is None)

    def begin_service(self, site, epoch=1):
        """By hand, where no guard can end it."""
        self.by_hand.append(epoch)
        self.put(site, "wanted", str(epoch))
        run(self.work / self.site_names[site] / "serve")

    # ---- where things stand ----

    def ask(self, witness, path="/v1/status"):
        """Its answer over a connection that is kept: a program for each look would take more than what is
        looked at. {}: none."""
        for _ in range(2):  # one that was kept may have been closed there
            is_new = witness not in self.links
            try:
                if is_new:
                    context = ssl.create_default_context(cafile=self.work / "ca.pem")
                    context.load_cert_chain(self.work / "person.pem")
                    host, port, _ = self.hosts[witness]
                    self.links[witness] = http.client.HTTPSConnection(host, port, timeout=ASK_S,
                                                                      context=context)
                self.links[witness].request("GET", path)
                return json.loads(self.links[witness].getresponse().read())
            except (OSError, ValueError, http.client.HTTPException):
                self.forget(witness)
                if is_new:
                    break
        return {}

    def forget(self, witness):
        with contextlib.suppress(OSError, KeyError):
            self.links.pop(witness).close()

    def answers(self):
        found = {witness: self.ask(witness) for witness in self.hosts if witness in self.daemons}
        return {witness: answer for witness, answer in found.items() if "groups" in answer}

    def status(self):
        """The leader's answer, or {}."""
        return next((answer for answer in self.answers().values() if answer.get("leads")), {})

    def leader(self):
        return self.status().get("leader")

    def hears(self, witness, site):
        """Itself, not through another one."""
        for member in self.ask(witness).get("witnesses", []):
            if member["name"] == witness:
                return self.site_names[site] in (member.get("reaches") or [])
        return False

    @staticmethod
    def only(status):
        return next(iter(status.get("groups", [])), {})

    def group(self):
        return self.only(self.status())

    def of(self, group, site):
        name = self.site_names[site]
        return next((each for each in group.get("sites", []) if each["name"] == name), {})

    def site(self, site):
        return self.of(self.group(), site)

    def has_alarm(self, word):
        """As the witness that leads has noted it, once a second."""
        return any(each["alarm"] == word and each["on_ms"] is not None for each in self.group().get("alarms", []))

    def serves(self, site):
        group = self.group()
        return group.get("holder") == self.site_names[site] and \
            self.of(group, site).get("serving") and self.service(site) is not None

    def status_exit(self):
        return attempt(*self.cli("status"), timeout=30).returncode

    def is_whole(self, site):
        """It serves, and the other one could follow: what `status` is asked for after that."""
        group = self.group()
        return self.serves(site) and all(
            each["connected"] and (each["eligible"] or each["role"] == "primary")
            for each in group.get("sites", []))

    def green(self, after, served_by):
        """Nothing needs attention, as `status` itself says, and it is served there."""
        self.must(f"{served_by} to serve, and the other site to be ready, after {after}",
                  lambda: self.is_whole(served_by))
        self.must(f"green again after {after}",
                  lambda: self.status_exit() == 0 and self.is_whole(served_by))

    def must(self, what, condition):
        try:
            wait_for(what, PATIENCE_S, condition)
        except Failed as failed:
            raise type(failed)(f"{failed}\n{self.table()}\n{self.screen('explain')}") from None

    def lead(self, witness):
        """Who leads is shown: the same one in each run."""
        def leads():
            if self.leader() == witness:
                return True
            attempt(*self.cli("members", "lead", witness, "--yes"), timeout=60)
            return False
        self.must(f"{witness} to lead", leads)

    # ---- screens ----

    def mask(self, text):
        for site, name in self.site_names.items():
            text = text.replace(name, site)
        text = text.replace(self.name, "prod").replace(str(self.work), "DIR")
        for mask, word in MASKS:
            text = mask.sub(word, text)
        return FAILURES.sub(lambda found: "".join(sorted(found[0].splitlines(True))), text)

    def look(self, verb):
        """What it shows, and its exit status; not in the moment in which a proposal is on its way."""
        def shows():
            done = attempt(*self.cli(*((verb,) if verb == "status" else (verb, GROUP))), timeout=60)
            seen.append((done.stderr + done.stdout, done.returncode))  # as a terminal shows them
            return "decision_pending" not in done.stdout
        seen = []
        wait_for("no proposal to be on its way", PATIENCE_S, shows)
        return seen[-1]

    def shown(self, prompt, text, code):
        """As a person sees it, but for its numbers."""
        return f"{prompt}\n{self.mask(text)}[exit {code}]\n"

    def screen(self, verb):
        return self.shown(f"$ breakwater {verb if verb == 'status' else f'{verb} {GROUP}'}",
                          *self.look(verb))

    def screen_at(self, site):
        """What the guard of that site shows to whoever stands before its machine."""
        done = attempt(*self.net.within(site, [self.breakwater, "status", "--site", "--socket",
                                               self.guard_socket(site)]), timeout=60)
        return self.shown(f"{site}$ breakwater status --site", done.stderr + done.stdout,
                          done.returncode)

    def type_from(self, screens, beginning, answer=""):
        """The command that begins so, as the screens name it: what they do not name nobody types. Its words
        end at the end of a line or sentence."""
        found = re.search(rf"\bbreakwater ({re.escape(beginning)}[^\n;,]*?)[.]?(?=$|[\n;,])", screens)
        if found is None:
            raise Failed(f"no screen names `breakwater {beginning}`:\n{screens}")
        words = [word for word in shlex.split(found[1]) if word != "--plan"]  # looked at, it is typed without
        for site, name in self.site_names.items():
            words = [re.sub(rf"\b{site}\b", name, word) for word in words]
        return self.cli_run(*[self.work / word if word == "groups.yaml" else word for word in words],
                            *answer.split())

    def at_its_machine(self, where, command):
        """With the files of this test for those of the machine."""
        own = {"/etc/breakwater/witness.yaml": self.work / f"{where}.yaml",
               "/etc/breakwater/site.yaml": self.work / f"{where}.yaml", "GROUP": GROUP,
               "breakwater": self.breakwater}
        run(*self.at(f"at-{where}" if where in SITES else where,
                     *[own.get(word, word) for word in command.split()]))

    # ---- what the services wrote down ----

    def beats(self):
        """Of each process: site, epoch, and when it served first and last (CLOCK_BOOTTIME)."""
        found = []
        for path in (self.work / "records").glob("*.beats"):
            lines = [line.split(" ") for line in path.read_text().split("\n")[:-1]]
            if lines:
                found.append((lines[0][0], int(lines[0][1]), int(lines[0][2]), int(lines[-1][2])))
        return found

    def history(self):
        """Its epochs; []: at this moment nobody leads, or answers."""
        leader = self.leader()
        return self.ask(leader, f"/v1/groups/{GROUP}/history?n=32").get("entries", []) if leader else []

    @staticmethod
    def wall_now_ns():
        """What a wall clock shows beyond the clock of the records."""
        return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall_moved_ns(self):
        """Somebody else sets it: by how much since this lab began."""
        return abs(self.wall_now_ns() - self.wall_ns)

    def boot_ns(self, text):
        """Of a time that people read, on the clock of the records."""
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return int(at.timestamp() * 1e9) - self.wall_ns

    def overlap_us(self):
        return recompute_overlap.overlap_us(self.work / "records")[0]

    # ---- the end ----

    def remove(self):
        self.net.remove()
        super().remove()

    def close(self, keep):
        for witness in list(self.links):
            self.forget(witness)
        super().close(keep)
