"""Harbor in two Kubernetes clusters under breakwater's real programs, as tests of this folder make it, and the
judge of what ran where, which asks the kubelets alone.

Each cluster is in a network namespace of its own, with a witness and a second enforcer; agent and guard of a
site are in another one, as on another node; the third witness and the person are outside of both:

    [a] [agent-a] -- br-a -- br-0 (10.77.0.1) -- br-b -- [b] [agent-b]

All of it is in namespaces of the test's own, of which nothing is left."""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import page  # noqa: E402
from cluster import write_script, write_yaml  # noqa: E402
from lacking import skip_lacking  # noqa: E402
from one_machine import Machine  # noqa: E402
from patience import pass_late, run_patient, wait_for  # noqa: E402
from verdict import Failed, attempt, check, now_ns, run  # noqa: E402

SCRIPTS = HERE.parents[1] / "deploy/scripts/harbor-operator"
KUBE = os.environ.get("BREAKWATER_KUBE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "breakwater/kube")
REPLACED = HERE / "replaced"
FOLDER = pathlib.Path("/scripts")  # where the seven keys, as they were printed, look for them
SITES = ("a", "b")
PEER = {"a": "b", "b": "a"}
PARTS = ("etcd", "apiserver", "controller-manager", "scheduler")
COMPONENTS = ("core", "portal", "jobservice", "registry", "trivy")
OUTSIDE = "10.77.0.1"
ADDRESS = {"a": "10.77.0.11", "agent-a": "10.77.0.12", "b": "10.77.0.21", "agent-b": "10.77.0.22"}
PORT = 20100
ADMISSION_PORT = 20310
NODES = 2
NODE_GRACE_S, EVICT_AFTER_S = 20, 10
MS = 1_000_000
KEPT_NS = 2000 * MS
FRESH_NS = 4000 * MS
CLONE_NEWNET = 0x40000000

ELECTION_MS = 1000
TTL_S, FENCE_S = 60, 40
MOVE_S = 150
PROOFS = 3
LEASE_S = TTL_S + 20  # what is left of one, a new leader, the fence


# ---- the judge ----------------------------------------------------------------------------------

class Kubelet(threading.Thread):
    """Asks one kubelet again and again what its runtime has. `samples`: (since, received, pods), which was so at
    some instant between them: a kubelet keeps its answer for two seconds. One whose process is gone runs
    nothing; one that says nothing may still run what it ran."""

    def __init__(self, space, port, is_alive):
        super().__init__(daemon=True)
        self.space, self.is_alive = space, is_alive
        self.url = f"http://127.0.0.1:{port}/runningpods/"
        self.samples = []

    def ask(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url, timeout=5) as answer:
            items = json.load(answer)["items"] or []
        return sorted(item["metadata"]["name"] for item in items
                      if item["metadata"]["name"].startswith("dr-harbor-"))

    def run(self):
        with open(f"/proc/{self.space}/ns/net", "rb") as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        while True:
            sent = now_ns()
            try:
                pods = self.ask()
                self.samples.append((sent - KEPT_NS, now_ns(), pods))
            except (OSError, ValueError):
                if not self.is_alive():
                    self.samples.append((now_ns(), now_ns(), []))
            time.sleep(0.05)

    def may_run(self):
        """From when until when pods of Harbor may have run there: from the last answer without one to the next."""
        begun = idle = None
        for since, received, pods in list(self.samples):
            if pods:
                begun = (idle or since) if begun is None else begun
            else:
                if begun is not None:
                    yield begun, received
                begun, idle = None, since
        if begun is not None:
            yield begun, now_ns()

    def pods(self):
        """What it says now, or said at last, if it says nothing."""
        asked = now_ns()
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            if self.samples and self.samples[-1][0] + KEPT_NS >= asked:
                break
            time.sleep(0.02)
        return self.samples[-1][2] if self.samples else []


def component(pod):
    return pod.split("-")[2]


class Judge:
    """What ran where, by the kubelets of both sites."""

    def __init__(self):
        self.kubelets = {site: [] for site in SITES}

    def pods(self, site):
        return [pod for kubelet in self.kubelets[site] for pod in kubelet.pods()]

    def is_whole(self, site):
        return {component(pod) for pod in self.pods(site)} == set(COMPONENTS)

    def spans(self, site, begun_ns=0):
        """When pods may have run there, whole or not: the union over its nodes."""
        merged = []
        for start, end in sorted(span for kubelet in self.kubelets[site] for span in kubelet.may_run()):
            if end <= begun_ns:
                continue
            start = max(start, begun_ns)
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(end, merged[-1][1])
            else:
                merged.append([start, end])
        return merged

    def overlaps(self, begun_ns=0):
        """For how long, in ms, pods may have run at both sites, each time."""
        return [(min(a[1], b[1]) - max(a[0], b[0])) // MS
                for a in self.spans("a", begun_ns) for b in self.spans("b", begun_ns)
                if min(a[1], b[1]) > max(a[0], b[0])]

    def whole(self, site, begun_ns):
        """The instants at which each component was seen to run there."""
        events = sorted((received, number, pods) for number, kubelet in enumerate(self.kubelets[site])
                        for _, received, pods in list(kubelet.samples) if received > begun_ns - FRESH_NS)
        latest = {}
        for received, number, pods in events:
            latest[number] = (received, {component(pod) for pod in pods})
            there = set().union(*(parts for at, parts in latest.values() if received - at < FRESH_NS))
            if there == set(COMPONENTS) and received >= begun_ns:
                yield received

    def outage_ms(self, begun_ns):
        """The longest time since then without a whole Harbor."""
        seen = sorted([begun_ns, *(at for site in SITES for at in self.whole(site, begun_ns)), now_ns()])
        return max(later - sooner for sooner, later in zip(seen, seen[1:])) // MS

    def write(self, path):
        """A line for each change: the instant in ms, the site, its node, its pods."""
        lines = []
        for site in SITES:
            for number, kubelet in enumerate(self.kubelets[site]):
                last = None
                for _, received, pods in list(kubelet.samples):
                    if pods != last:
                        lines.append((received // MS, f"{site} node{number + 1} {' '.join(pods) or '-'}"))
                    last = pods
        path.write_text("".join(f"{at} {what}\n" for at, what in sorted(lines)))


# ---- the lab ------------------------------------------------------------------------------------

class Lab(Machine):
    """`scripts`: what the group of both sites is run with, besides the limits; see harbor_scripts."""

    spec = {"lease_ttl": f"{TTL_S}s", "fence_window": f"{FENCE_S}s", "switchover_timeout": "5m", "retry_backoff": "5s",
            "on_lag": "allow", "failback": "never"}

    def __init__(self, breakwater):
        hosts = {"w1": (ADDRESS["a"], 20201, 20202), "w2": (ADDRESS["b"], 20201, 20202),
                 "w3": (OUTSIDE, 20201, 20202)}
        # The cgroups of this machine are everybody's, and named by the cluster; this process is always number 2.
        name = f"kube{uuid.uuid4().hex[:8]}-"
        super().__init__(breakwater, name, hosts, {site: f"dc-{site}" for site in SITES})
        self.judge = Judge()
        self.operators, self.spaces = {}, {}
        for site in SITES:
            self.roles[f"second-{site}"] = ("second-enforcer", "-c", self.work / f"{site}-second.yaml")
        self.places = {"w1": "a", "w2": "b"}
        for site in SITES:
            self.places.update({f"agent-{site}": f"agent-{site}", f"guard-{site}": f"agent-{site}",
                                f"second-{site}": site})

    # ---- networks ----

    def make_networks(self):
        run("ip", "link", "set", "lo", "up")
        for bridge in ("br-0", "br-a", "br-b"):
            run("ip", "link", "add", bridge, "type", "bridge")
            run("ip", "link", "set", bridge, "up")
        run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "br-0")
        for site in SITES:
            run("ip", "link", "add", f"up-{site}", "type", "veth", "peer", "name", f"to-{site}")
            for end, bridge in ((f"up-{site}", f"br-{site}"), (f"to-{site}", "br-0")):
                run("ip", "link", "set", end, "master", bridge, "up")
        for place, address in ADDRESS.items():
            holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
            self.spaces[place] = holder.pid
            own = os.readlink("/proc/self/ns/net")
            wait_for(f"a namespace for {place}", 20,
                     lambda pid=holder.pid: os.readlink(f"/proc/{pid}/ns/net") != own)
            run("ip", "link", "add", f"p-{place}", "type", "veth", "peer", "name", "e0", "netns", holder.pid)
            run("ip", "link", "set", f"p-{place}", "master", f"br-{place[-1]}", "up")
            for words in (("address", "add", f"{address}/24", "dev", "e0"), ("link", "set", "e0", "up"),
                          ("link", "set", "lo", "up")):
                run(*self.inside(place, "ip", *words))

    def inside(self, place, *command):
        return ["nsenter", f"--net=/proc/{self.spaces[place]}/ns/net", *map(str, command)]

    @staticmethod
    def link(name, state):
        run("ip", "link", "set", name, state)

    # ---- Kubernetes ----

    def kubeconfig(self, site):
        return self.work / site / "kubeconfig"

    def kubectl(self, site, *words):
        return run(*self.inside(site, f"{KUBE}/bin/kubectl", "--kubeconfig", self.kubeconfig(site),
                                "--request-timeout=20s", "-n", "harbor-ns", *words),
                   env={**os.environ, "HOME": str(self.work)})

    def up(self, site, nodes=NODES):
        run_patient(*self.inside(site, HERE / "up", site, PORT, "--dir", self.work, "--address", ADDRESS[site],
                                 "--nodes", nodes, "--node-grace", NODE_GRACE_S, "--evict-after", EVICT_AFTER_S),
                    timeout=400)

    def begin_beside(self, site, name, *command):
        """A program in the namespace of a cluster."""
        with open(self.work / f"{name}-{site}.log", "ab") as log:
            return subprocess.Popen(self.inside(site, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @staticmethod
    def health(site):
        """Who says how Harbor is: the operator's stand-in."""
        return "--health", f"{ADDRESS[site]}:80"

    def start_operator(self, site):
        self.operators[site] = self.begin_beside(
            site, "operator", sys.executable, HERE / "operator", "--kubeconfig", self.kubeconfig(site), "--kubectl",
            f"{KUBE}/bin/kubectl", *self.health(site))

    def define(self, site, kinds):
        run(*self.inside(site, HERE / "define", self.kubeconfig(site), HERE / kinds),
            env={**os.environ, "HOME": str(self.work), "BREAKWATER_KUBE": str(KUBE)})

    def make_site(self, site):
        self.up(site)
        self.define(site, "kinds.yaml")
        self.kubectl(site, "apply", "-f", HERE / "samples.yaml")
        self.start_operator(site)
        for number in range(NODES):
            kubelet = Kubelet(self.spaces[site], PORT + 3 + number,
                              lambda name=f"node{number + 1}": self.part(site, name) is not None)
            self.judge.kubelets[site].append(kubelet)
            kubelet.start()

    def wants_no_pod(self, site):
        """By its API server: its counts are 0, and no controller makes a pod any more by what it has not seen yet. Where
        nodes are away, pods that are being deleted stay."""
        def asked(*words):
            return attempt(*self.inside(site, f"{KUBE}/bin/kubectl", "--kubeconfig", self.kubeconfig(site), "-n", "harbor-ns",
                                        "--request-timeout=20s", "get", *words)).stdout.split()
        return (asked("harbor", "dr-harbor", "-o", "jsonpath={.spec.helmValues.*.replicas}") == ["0"] * len(COMPONENTS) and
                set(asked("replicasets", "-o", "jsonpath={.items[*]['spec.replicas', 'status.replicas']}")) == {"0"})

    def part(self, site, name):
        """The process of a part of a cluster, or None when it has ended."""
        found = attempt("bash", "-c", f". {HERE}/lab.bash && pid_of {self.work}/{site} {name}")
        return int(found.stdout) if found.returncode == 0 else None

    def kill_cluster(self, site):
        for name in [f"node{number + 1}" for number in range(NODES)] + list(PARTS):
            with contextlib.suppress(ProcessLookupError, TypeError):
                os.kill(self.part(site, name), signal.SIGKILL)
        self.operators[site].kill()
        self.operators[site].wait()

    def pods(self, site):
        return self.judge.pods(site)

    # ---- breakwater ----

    def journalled(self, action):
        """A script of harbor-operator, behind one that notes that it was run."""
        path = self.work / f"{action}.sh"
        note = "" if action in ("status", "readiness") else \
            f'echo "$BREAKWATER_SITE {action} $BREAKWATER_EPOCH" >>{self.work}/journal\n'
        write_script(path, f"#!/bin/bash\n{note}exec {SCRIPTS}/{action}.sh\n")
        return str(path)

    def harbor_scripts(self):
        """The set that comes with breakwater, and its limits."""
        return {"check_interval": "2s", "failure_threshold": 3, "status_timeout": "40s", "readiness_timeout": "40s",
                "start_timeout": "2m", "stop_timeout": "2m",
                **{f"{action}_script": self.journalled(action)
                   for action in ("status", "start", "stop", "fence", "readiness")}}

    def variables(self, site):
        return {"KUBECONFIG": str(self.kubeconfig(site)), "HARBOR_NAME": "dr-harbor",
                "HARBOR_HEALTH_URL": f"http://{ADDRESS[site]}/api/v2.0/health",
                "HARBOR_FENCE_TIMEOUT": str(FENCE_S - 5), "HARBOR_POD_GRACE": "8", "HOME": str(self.work),
                "PATH": f"{KUBE}/bin:{os.environ['PATH']}"}

    def write_site(self, site, scripts):
        """What agent, guard and second enforcer of a site read."""
        name = self.site_names[site]
        group = {"name": "harbor", "stop_method": "cgroup", "fence_timeout": f"{FENCE_S - 2}s",
                 "env": self.variables(site), **scripts}
        own = self.site_file(
            name, self.tls(site), [group], state_dir=str(self.work / f"{site}-state"),
            run_dir=str(self.work / f"{site}-run"), allow_writable_scripts=True,
            guard_socket=str(self.work / f"{site}-run" / "guard.sock"),
            second_enforcer={which: f"{ADDRESS[f'agent-{site}']}:20300" for which in ("listen", "agent")})
        write_yaml(self.work / f"{site}.yaml", {**own, "admission_listen": f"{ADDRESS[f'agent-{site}']}:{ADMISSION_PORT}"})
        write_yaml(self.work / f"{site}-second.yaml", {
            **own, "name": "second", "tls": self.tls(f"{site}-second"),
            "state_dir": str(self.work / f"{site}-second-state")})

    def configure(self, scripts):
        self.begin_pki()
        for name in self.witnesses:
            write_yaml(self.work / f"{name}.yaml", self.witness_file(
                name, self.work / f"data-{name}", election_timeout=f"{ELECTION_MS}ms"))
        for site, name in self.site_names.items():
            self.issue(f"agent/{name}/agent", self.work / f"{site}.pem", ADDRESS[f"agent-{site}"])
            self.issue(f"agent/{name}/second", self.work / f"{site}-second.pem")
            self.write_site(site, scripts)
            (self.work / f"{site}.hosts").write_text(
                f"127.0.0.1 localhost\n{ADDRESS[site]} dr-harbor-core.harbor-ns.svc\n")
        self.write_groups(["harbor"], list(self.site_names.values()), **self.spec)

    def at(self, name, *command):
        """Where a daemon is: in its namespace, with the names that its cluster has. A second enforcer is on
        another machine of its site: one that has booted another time."""
        place = self.places.get(name)
        command = super().at(name, *command)
        if place is None:
            return command
        if name in self.witnesses:
            return self.inside(place, *command)
        mounts = f"mount --bind {self.work}/{place[-1]}.hosts /etc/hosts"
        if name.startswith("second-"):
            boot = self.work / f"{name}.boot"
            boot.write_text(f"{uuid.uuid4()}\n")
            mounts += f" && mount --bind {boot} /proc/sys/kernel/random/boot_id"
        return self.inside(place, "unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh", *command)

    def second_word(self, site):
        return self.site_of(site).get("second_enforcer")

    def prove_second(self):
        """The second enforcer of the site that serves counts from here on: by one outage, if nobody has proved it yet, or
        by another if its fence was too slow for its window (PROOFS in all)."""
        for left in reversed(range(PROOFS)):
            wait_for("a second enforcer that can be proved, or counts", 2 * LEASE_S, lambda: self.holder() and self.serves(
                self.holder()) and self.second_word(self.holder()) in ("fence_untested", "seen"))
            site = self.holder()
            if self.second_word(site) == "seen":
                break
            prove = (self.breakwater, "prove", "harbor", "-c", self.work / f"{site}.yaml", "--yes")
            done = attempt(*prove, timeout=FENCE_S + 2 * MOVE_S)
            pass_late(done)
            if done.returncode == 0:
                break
            if left == 0 or "(not_fenced)" not in done.stdout + done.stderr:
                raise Failed(f"prove at {site}: exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
            print(f"  again: the fence of {site}'s second enforcer was not seen to end it in {FENCE_S} s", flush=True)
        wait_for(f"{site}'s second enforcer is counted on", 2 * LEASE_S, lambda: self.time_ends(site))

    def time_ends(self, site):
        """The second enforcer of the holder is seen, and that is committed."""
        return self.serves(site) and self.site_of(site).get("second_enforcer") == "seen" and \
            (self.group().get("end") or {}).get("by_time")

    def journal(self, *actions):
        path = self.work / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[1] in actions]

    def group(self):
        return next(iter(self.status().get("groups", [])), {})

    def holder(self):
        return self.sites.get(self.group().get("holder"))

    def site_of(self, site):
        return next((known for known in self.group().get("sites", [])
                     if known["name"] == self.site_names[site]), {})

    def serves(self, site):
        return self.holder() == site and self.site_of(site).get("service") == "started" and \
            len(self.pods(site)) == len(COMPONENTS)

    def found_witnesses(self):
        self.found(lambda: run(self.breakwater, "witness", "init", "-c", self.work / "w1.yaml"),
                   self.work / "w2.yaml", self.work / "w3.yaml")

    def begin(self):
        self.found_witnesses()
        for name in self.roles:
            self.start(name)
        wait_for("a leader", 60, lambda: "groups" in self.status())
        run(*self.cli("apply", "-f", self.work / "groups.yaml", "--yes"))
        wait_for("A serves", MOVE_S, lambda: self.serves("a"))


def check_never_both(lab, begun_ns=0):
    """I1: at no instant may pods of Harbor have run in both clusters."""
    overlaps = lab.judge.overlaps(begun_ns)
    answers = sum(len(kubelet.samples) for site in SITES for kubelet in lab.judge.kubelets[site])
    check("Harbor never runs in both clusters (I1)", not overlaps and answers > 0,
          f"{sum(overlaps)} ms with two, {answers} answers of kubelets")


# ---- who types what a page prints ------------------------------------------------------------------

def make_people(lab):
    """A folder at each site and one outside, as the pages take them for granted."""
    (lab.work / "bin").mkdir()
    write_script(lab.work / "bin/breakwater", f"""#!/bin/sh
case $1 in apply | mode | delete | switchover | failover) set -- "$@" --yes ;; esac
exec {lab.breakwater} "$@"
""")
    (lab.work / ".config/breakwater").mkdir(parents=True)
    write_script(lab.work / "bin/breakwater-chaos", f"""#!/bin/sh
exec {lab.breakwater}-chaos "$@" --yes --other-sites-are-off
""")
    write_yaml(lab.work / ".config/breakwater/cli.yaml", {
        "endpoints": [lab.address(name) for name in lab.hosts], "tls": lab.tls("person")})
    for site in SITES:
        folder = lab.work / f"at-{site}"
        folder.mkdir()
        (folder / "site.yaml").symlink_to(lab.work / f"{site}.yaml")


def typed(lab, block, places):
    """A block of a page, whose first line says where: `places` has for each such line the sites, None where people are,
    and the variables there."""
    where = block.splitlines()[0]
    print(f"  {where[2:]}:", *[f"    {line}" for line in block.splitlines()[1:]], sep="\n", flush=True)
    for site, variables in places[where].items():
        words = {"ASAN_OPTIONS": "detect_leaks=0", **variables, "HOME": str(lab.work),
                 "PATH": f"{lab.work}/bin:{variables.get('PATH', os.environ['PATH'])}"}
        command = ["env", "-i", *[f"{key}={value}" for key, value in words.items()], "bash", "-euo", "pipefail", "-c",
                   page.script(block)]
        done = attempt(*(lab.inside(f"agent-{site}", *command) if site else lab.outside(*command)),
                       cwd=lab.work / f"at-{site}" if site else lab.work, timeout=900)
        pass_late(done)
        check(f"{site or 'it'}: it worked", done.returncode == 0, done.returncode and done.stdout + done.stderr)


# ---- the scripts as they were printed, where their keys say -------------------------------------

def enter_root():
    """The root of this machine, and /scripts in it."""
    top = pathlib.Path("/mnt")
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", top)
    for path in pathlib.Path("/").iterdir():
        place = top / path.name
        if path.is_symlink():
            place.symlink_to(os.readlink(path))
        elif path.is_dir() and path != top:
            place.mkdir()
            run("mount", "--rbind", path, place)
    (top / "scripts").mkdir(exist_ok=True)
    here = os.getcwd()
    os.chroot(top)
    os.chdir(here)
    for path in REPLACED.iterdir():
        shutil.copyfile(path, FOLDER / path.name)


def printed_scripts(lab):
    """What a site has besides the seven keys."""
    fence = lab.work / "fence.sh"
    write_script(fence, f"""#!/bin/bash
begun=$(date +%s%3N)
{SCRIPTS}/fence.sh
code=$?
echo "$BREAKWATER_SITE fence $BREAKWATER_EPOCH $code $(($(date +%s%3N) - begun))" >>{lab.work}/journal
exit $code
""")
    return {"legacy_config": str(FOLDER / "config.yaml"), "fence_script": str(fence)}


# ---- the program --------------------------------------------------------------------------------

def begin_inside(program, words):
    """This program, in namespaces of its own, whose end is the end of all that it has started. Number one there is a shell,
    which buries what others have left."""
    if os.geteuid() != 0:
        skip_lacking("root", "for the kubelet, and for namespaces")
    for tool in ("unshare", "nsenter", "ip", "openssl", "curl"):
        if shutil.which(tool) is None:
            skip_lacking("nets", f"no {tool} installed")
    made = subprocess.run([HERE / "build"], check=False).returncode
    if made != 0:
        sys.exit(made)
    os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                          "sh", "-c", '"$@"; exit', "sh", sys.executable, "-B", program, "inside", *words])


def tell_more(lab):
    print(lab.table())
    print(attempt(*lab.cli("explain", "harbor")).stdout)
    for name in [*lab.roles, "operator-a", "operator-b"]:
        with contextlib.suppress(OSError):
            print(f"---- {name}\n{lab.tail(name, 4000)}")


def in_a_lab(make_scripts, story, keep=False, record=None, begin=Lab.begin, make=Lab):
    """`story(lab)`, once both clusters are there and A serves (`begin`); the exit status of the program."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    build = pathlib.Path(os.environ.get("BREAKWATER_BUILD", HERE.parents[1] / "build/test"))
    os.environ["BREAKWATER_KUBE"] = KUBE
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    lab = make(build / "breakwater")
    begun = time.monotonic()
    try:
        lab.make_networks()
        for site in SITES:
            lab.make_site(site)
        lab.configure(make_scripts(lab))
        begin(lab)
        print(f"  {time.monotonic() - begun:.1f} s to set up", flush=True)
        story(lab)
        return 0
    except Failed as failed:
        print(f"FAILED {failed}")
        tell_more(lab)
        return failed.status
    finally:
        if record:
            lab.judge.write(record)
        for site in SITES:
            attempt(HERE / "down", site, "--dir", lab.work)
        lab.close(keep)
        print(f"{time.monotonic() - begun:.1f} s in all")
