#!/usr/bin/env python3
"""`breakwater dev`, as a person runs it.

    dev.py PROGRAM scenario NAME   it ends well, and so say the services' records, judged by other
                                   code than its own (recompute_overlap.py)
    dev.py PROGRAM goes_red        a service that somebody starts beside the cluster is an overlap,
                                   and the run fails
    dev.py PROGRAM killed          SIGKILL of `dev` leaves no process behind
    dev.py PROGRAM interrupted     SIGINT leaves no process and no directory behind
    dev.py PROGRAM ledger          the demo service ends with its owner, and on SIGTERM
    dev.py PROGRAM read_only_cgroups NAME   a scenario in a container whose cgroups nobody may write to:
                                   it ends as well, by weaker means, which both guards say
"""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import recompute_overlap

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from lacking import skip_lacking  # noqa: E402
from patience import wait_ended, wait_for  # noqa: E402

WAIT_S = 60
FAILOVER = ["last confirmed renewal", "lapse", "granted", "order received", "first lease",
            "start begun", "serving", "serving confirmed"]
EXPIRY = FAILOVER + ["expiry possible", "expiry committed"]
PHASES = {
    "kill-site": EXPIRY,
    "cut-site": EXPIRY,
    "freeze-agent": EXPIRY,
    "kill-guard": FAILOVER,
    "switchover": ["request", "revoked", "given back", "granted", "order received", "first lease",
                   "start begun", "serving", "serving confirmed"],
    "lose-witness": [],
}


# ---- processes ----------------------------------------------------------------------------------

def stat_of(pid):
    """(state, parent, start time); None: there is no such process."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1]), int(fields[19])


def is_alive(process):
    pid, start = process
    stat = stat_of(pid)
    return stat is not None and stat[2] == start and stat[0] not in "ZX"


def descendants(root):
    """{(pid, start time)} of all below `root`, without it."""
    stats = {int(entry): stat_of(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    found, level = set(), {root}
    while level:
        level = {pid for pid, stat in stats.items() if stat and stat[1] in level}
        found |= {(pid, stats[pid][2]) for pid in level}
    return found


def have_no_cgroups():
    """As in most containers: /sys and all cgroups below it are there to be read. For us and what we start."""
    unshared = ctypes.CDLL(None, use_errno=True).unshare(0x00020000)  # CLONE_NEWNS
    if unshared != 0 or subprocess.run(["mount", "--make-rprivate", "/"], check=False).returncode != 0:
        skip_lacking("mounts")
    mounts = subprocess.run(["findmnt", "-rnt", "cgroup,cgroup2", "-o", "TARGET"], text=True,
                            stdout=subprocess.PIPE, check=False).stdout.split()
    for mount in mounts:
        subprocess.run(["mount", "-o", "remount,bind,ro", mount], check=True)


def read_only_cgroups(program, name):
    have_no_cgroups()
    with tempfile.TemporaryDirectory(prefix="bw-test-dev-", ignore_cleanup_errors=True) as name_of_dir:
        folder = pathlib.Path(name_of_dir)
        scenario(program, name, "--dir", str(folder / "cluster"))
        for site in ("alpha", "beta"):
            log = (folder / f"cluster/{site}-guard.log").read_text()
            warnings = [line for line in log.splitlines() if "event=reach.by_scan" in line]
            assert warnings and "level=warn" in warnings[0] and "no writable cgroup" in warnings[0], log[:2000]
        check = subprocess.run([program, "check", str(folder / "cluster/alpha.yaml")], text=True,
                               stdout=subprocess.PIPE, check=False).stdout
        assert "WARN   cgroup" in check, check


def services_of(folder):
    """The demo services that write below `folder`, whoever their parent is by now."""
    found = set()
    for entry in os.listdir("/proc"):
        try:
            line = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes() if entry.isdigit() else b""
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"\0ledger\0" in line and os.fsencode(str(folder)) in line and stat_of(entry):
            found.add((int(entry), stat_of(entry)[2]))
    return found


def wait_for_end(processes):
    wait_for("all processes to end", WAIT_S, lambda: not any(map(is_alive, processes)), pause_s=0.02)


# ---- the claims ---------------------------------------------------------------------------------

def run(program, *options):
    """With the lease of 5 s that it has without --fast: it outlasts a stall of this machine."""
    return subprocess.run([program, "dev", "-o", "json", "--timeout", "200s", *options],
                          stdout=subprocess.PIPE, timeout=500, check=False)


def is_as_its_schema_says(folder, asked, document):
    """Where the machine has what judges that: the program's own documents are judged by its tests."""
    if subprocess.run(["/usr/bin/python3", "-c", "import jsonschema"], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        print("not judged: python3-jsonschema is missing")
        return
    answers = pathlib.Path(folder) / "answers"
    answers.write_text(json.dumps({"asked": asked, "answer": document}) + "\n")
    subprocess.run([pathlib.Path(__file__).resolve().parents[1] / "support/validate", answers], check=True)


def scenario(program, name, *options):
    with tempfile.TemporaryDirectory(prefix="bw-test-dev-", ignore_cleanup_errors=True) as folder:
        records = pathlib.Path(folder) / "records"
        ended = run(program, "--scenario", name, "--records", str(records), *options)
        report = json.loads(ended.stdout.splitlines()[-1])
        assert ended.returncode == 0 and report["ok"] is True, report
        assert report["scenario"] == name and report["overlap_ms"] == 0, report
        is_as_its_schema_says(folder, f"dev --scenario {name} -o json", report)
        found, files, sites = recompute_overlap.overlap_us(records)
        assert found == 0 and files >= 1, f"{found} us in {files} files of {sites}"
        assert len(sites) == (1 if name == "lose-witness" else 2), sites
        phases = [entry["phase"] for entry in report["timeline"]]
        missing = [phase for phase in PHASES[name] if phase not in phases]
        assert not missing, f"no {missing} in {phases}"
        times = [entry["at_ms"] for entry in report["timeline"]]
        assert times == sorted(times), times
        roles = sorted(entry["role"] for entry in report["processes"])
        assert roles == ["agent"] * 2 + ["guard"] * 2 + ["witness"] * 3, roles
        assert all(entry["rss_anon_kib"] > 0 for entry in report["processes"])
        assert not services_of(folder), "services were left behind"


def begin(program, folder, *options):
    command = [program, "dev", "--timeout", "200s", "--dir", str(folder / "cluster"),
               *options]
    with open(folder / "told", "w") as told:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True)


def beats(folder):
    return [path for path in folder.glob("cluster/records/*.beats") if path.stat().st_size > 0]


def goes_red(program):
    with tempfile.TemporaryDirectory(prefix="bw-test-dev-", ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        dev = begin(program, folder, "--scenario", "lose-witness", "-o", "json")
        # before, each site has had its kill tested, and these records are gone
        wait_for("a grant", WAIT_S, lambda: "is granted to" in (folder / "told").read_text(), pause_s=0.02)
        first = wait_for("the first service", WAIT_S, lambda: beats(folder), pause_s=0.02)[0]
        rogue_site = "beta" if first.name.startswith("alpha") else "alpha"
        subprocess.run([program, "dev", "ledger", "--site", rogue_site, "--epoch", "99",
                        "--records", str(first.parent), "--pid-file", str(folder / "rogue.pid")],
                       check=True)
        output, _ = dev.communicate(timeout=500)
        pid = int((folder / "rogue.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        wait_for_end(services_of(folder))
        report = json.loads(output.splitlines()[-1])
        assert dev.returncode == 1 and report["ok"] is False, report
        assert report["overlap_ms"] > 100, report
        assert "served at once" in report["why_not"], report


def serving(program, folder):
    """A `dev` whose cluster serves, and all its processes."""
    dev = begin(program, folder)
    wait_for("the first service", WAIT_S, lambda: beats(folder), pause_s=0.02)
    for line in dev.stdout:
        if "could take over" in line:
            break
    processes = descendants(dev.pid) | services_of(folder)
    assert len(processes) >= 8, processes
    return dev, processes


def is_removed(folder):
    """What was killed leaves its cgroup a moment after it has ended."""
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def remove_cgroups(pid):
    """What a `dev` of that pid, which nobody gave the time, could not remove: empty directories."""
    top = pathlib.Path("/sys/fs/cgroup")
    for group in [*top.glob(f"breakwater-*/ledger-{pid}"), *top.glob(f"*/breakwater-*/ledger-{pid}")]:
        below = sorted(filter(pathlib.Path.is_dir, group.rglob("*")), key=lambda at: -len(at.parts))
        for folder in [*below, group]:
            wait_for(f"{folder} to be empty", WAIT_S, lambda gone=folder: is_removed(gone), pause_s=0.02)
        with contextlib.suppress(OSError):  # another run's groups are in it
            group.parent.rmdir()


def killed(program):
    with tempfile.TemporaryDirectory(prefix="bw-test-dev-", ignore_cleanup_errors=True) as name:
        dev, processes = serving(program, pathlib.Path(name))
        dev.kill()
        dev.wait()
        wait_for_end(processes)
        assert not services_of(name)
        remove_cgroups(dev.pid)


def interrupted(program):
    with tempfile.TemporaryDirectory(prefix="bw-test-dev-", ignore_cleanup_errors=True) as name:
        os.environ["TMPDIR"] = name
        folder = pathlib.Path(name)
        dev = subprocess.Popen([program, "dev", "--fast"], stdout=subprocess.PIPE, text=True)
        for line in dev.stdout:
            if "Ctrl-C" in line:
                break
        processes = descendants(dev.pid) | services_of(folder)
        assert len(processes) >= 8, processes
        dev.send_signal(signal.SIGINT)
        dev.stdout.read()
        assert wait_ended("dev", WAIT_S, dev) == 0, dev.returncode
        assert not any(map(is_alive, processes)), "processes were left behind"
        assert list(folder.iterdir()) == [], "the directory was left behind"


def ledger(program):
    with tempfile.TemporaryDirectory(prefix="bw-test-dev-", ignore_cleanup_errors=True) as name:
        owner = subprocess.Popen(["sleep", "1000"])
        command = [program, "dev", "ledger", "--site", "alpha", "--epoch", "1", "--records", name,
                   "--pid-file", f"{name}/pid"]
        subprocess.run([*command, "--owner", f"{owner.pid}:{stat_of(owner.pid)[2]}"], check=True)
        service = tuple(map(int, pathlib.Path(f"{name}/pid").read_text().split()))
        assert is_alive(service)
        owner.kill()
        owner.wait()
        wait_for_end([service])

        subprocess.run(command, check=True)
        service = tuple(map(int, pathlib.Path(f"{name}/pid").read_text().split()))
        assert is_alive(service)
        os.kill(service[0], signal.SIGTERM)
        wait_for_end([service])

        gone = subprocess.run([*command, "--owner", f"{owner.pid}:1"], stderr=subprocess.PIPE,
                              check=False)
        assert gone.returncode == 1, "it served without its owner"
        assert len(list(pathlib.Path(name).glob("*.beats"))) == 2


CLAIMS = {"scenario": scenario, "goes_red": goes_red, "killed": killed, "interrupted": interrupted,
          "ledger": ledger, "read_only_cgroups": read_only_cgroups}

if __name__ == "__main__":
    CLAIMS[sys.argv[2]](sys.argv[1], *sys.argv[3:])
