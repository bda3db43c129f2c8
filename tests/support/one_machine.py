"""A cluster all of whose daemons are processes of this machine, each of which a test starts and ends. What
they leave behind (services, scripts, cgroups) goes with it, also when the test itself is killed."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from cluster import Cluster, begin_keeper, end_keeper, free_ports
from patience import wait_at_most, wait_ended
from verdict import Failed, attempt

END_S = 20

# A service is a process, named by a file beside it with the time at which it began.
SCRIPT_IS_ALIVE = """is_alive() {
    [ -r $pid_file ] && read -r pid begun <$pid_file || return 1
    [ -r /proc/$pid/stat ] && read -r stat 2>/dev/null </proc/$pid/stat || return 1
    set -- ${stat##*) }
    [ "$1" != Z ] && [ "$1" != X ] && [ "${20}" = "$begun" ]
}
"""


def on_loopback(witness_count):
    ports = free_ports(2 * witness_count)
    return {f"w{i + 1}": ("127.0.0.1", ports[2 * i], ports[2 * i + 1]) for i in range(witness_count)}


class Machine(Cluster):
    """`roles`: every daemon by its name, with the words that begin it."""

    def __init__(self, breakwater, name, hosts, sites):
        os.umask(0o022)  # what others could change would be refused
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"breakwater-{name}."))
        super().__init__(breakwater, work, f"{name}{os.getpid()}", "test", hosts)
        self.witnesses = list(self.hosts)
        self.site_names = sites  # as the test calls them -> as the cluster does
        self.sites = {there: here for here, there in sites.items()}
        self.keeper = begin_keeper(self.clean)
        self.roles = {name: ("witness", "-c", work / f"{name}.yaml") for name in self.witnesses}
        for site in sites:
            for role in ("guard", "agent"):
                self.roles[f"{role}-{site}"] = (role, "-c", work / f"{site}.yaml")
        self.daemons = {}   # name -> process
        self.binary = {}    # name -> what it runs

    # ---- daemons ----

    def at(self, _name, *command):
        """The command, as it is run where that daemon is."""
        return [str(word) for word in command]

    def start(self, name, binary=None):
        binary = binary or self.breakwater
        with open(self.work / f"{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                self.at(name, binary, *self.roles[name]), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        self.binary[name] = binary

    def stop(self, name, number=signal.SIGTERM):
        process = self.daemons.pop(name)
        process.send_signal(number)
        code = wait_ended(name, END_S, process)
        if code not in (0, -number):
            raise Failed(f"{name} ended with {code}: {self.tail(name)}")

    def tail(self, name, size=1500):
        return (self.work / f"{name}.log").read_text(errors="replace")[-size:]

    # ---- the end ----

    def clean(self):
        mark = f"{self.work}/".encode()
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (path / "cmdline").read_bytes() and int(path.name) != os.getpid():
                    os.kill(int(path.name), signal.SIGKILL)
        self.remove()

    def remove(self):
        for top in self.cgroup_tops():
            for site in self.site_names.values():
                for folder in top.glob(f"breakwater-{site}@{self.name}"):
                    self.remove_cgroup(folder)
        shutil.rmtree(self.work, ignore_errors=True)

    @staticmethod
    def cgroup_tops():
        found = attempt("findmnt", "-rnt", "cgroup2", "-o", "TARGET").stdout.split()
        return [pathlib.Path(top) for top in found]

    @staticmethod
    def remove_cgroup(folder):
        with contextlib.suppress(OSError):
            (folder / "cgroup.kill").write_text("1")

        def is_removed():
            for path in sorted(folder.rglob("*/"), key=lambda path: -len(path.parts)) + [folder]:
                with contextlib.suppress(OSError):
                    path.rmdir()
            return not folder.exists()
        wait_at_most(3, is_removed, pause_s=0.05)

    def close(self, keep):
        for name in list(self.daemons):
            process = self.daemons.pop(name)
            process.kill()
            process.wait()
        # The services and the enforcers are no children of ours.
        if keep:
            print(f"kept: {self.work}", flush=True)
        else:
            self.clean()
        end_keeper(self.keeper)
