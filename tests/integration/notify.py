#!/usr/bin/env python3
"""Each daemon tells the manager that started it what systemd's Type=notify waits for.

    tests/integration/notify.py BREAKWATER

Starts a witness, a guard and an agent, each with a NOTIFY_SOCKET of its own, and listens: READY=1 once
they run (a unit that never says so is killed at its start limit), READY=1 again after a reload (witness:
its start only), WATCHDOG=1 again and again while its loop turns and not when it stands still, STOPPING=1
when they end. Exits 0 or 1.
"""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

BREAKWATER = str(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) == 2 else sys.exit(__doc__)
WATCHDOG_S = 1  # what it is told that the manager wants
PATIENCE_S = 20


sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, free_ports, write_script, write_yaml  # noqa: E402
from patience import Late, wait_ended, wait_for  # noqa: E402
from verdict import run  # noqa: E402


def configure(work):
    cluster = Cluster(BREAKWATER, work, "told", "test", {"w1": ("127.0.0.1", *free_ports(2))})
    cluster.begin_pki()
    cluster.issue("agent/dc-a/one", work / "a.pem")
    status = str(work / "status.sh")
    write_script(work / "status.sh", "#!/bin/sh\necho stopped\n")
    write_yaml(work / "witness.yaml", cluster.witness_file("w1", work / "data"))
    write_yaml(work / "site.yaml", cluster.site_file(
        "dc-a", cluster.tls("a"), [{"name": "shop", "stop_method": "cgroup", "status_script": status,
                                    "start_script": status, "stop_script": status}],
        name="one", state_dir=str(work / "state"), run_dir=str(work / "run"),
        guard_socket=str(work / "guard.sock")))
    run(BREAKWATER, "witness", "init", "-c", work / "witness.yaml")


class Daemon:
    def __init__(self, work, verb, config):
        self.verb = verb
        self.received = ""
        path = str(work / f"{verb}.notify")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.listener.bind(path)
        self.log = open(work / f"{verb}.log", "wb")  # kept until it has ended
        self.process = subprocess.Popen([BREAKWATER, verb, "-c", str(config)], stdout=self.log,
                                        stderr=self.log,
                                        env={**os.environ, "NOTIFY_SOCKET": path,
                                             "WATCHDOG_USEC": str(WATCHDOG_S * 1000000)})

    def must_say(self, word):
        """Until it does; what it says besides is not asked for."""
        def is_said():
            with contextlib.suppress(BlockingIOError):
                while word not in self.received.split("\n"):
                    self.received += self.listener.recv(4096, socket.MSG_DONTWAIT).decode() + "\n"
            return word in self.received.split("\n")
        try:
            wait_for(f"{self.verb} sends {word}", PATIENCE_S, is_said, pause_s=0.01)
        except Late as late:
            raise Late(f"{late}; it sent {self.received.split()}; status {self.process.poll()}") from None
        print(f"  ok     {self.verb} says {word}", flush=True)
        self.received = ""

    def must_stand_still(self):
        """Stopped, it says nothing more: what it said before is read first."""
        self.process.send_signal(signal.SIGSTOP)
        wait_for(f"{self.verb} stands still", PATIENCE_S, lambda: "T" == pathlib.Path(
            f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0], pause_s=0.01)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.listener.recv(4096, socket.MSG_DONTWAIT)
        self.listener.settimeout(WATCHDOG_S)
        try:
            sys.exit(f"BROKEN {self.verb} says {self.listener.recv(4096)!r} though it stands still")
        except TimeoutError:
            print(f"  ok     {self.verb} says nothing while it stands still", flush=True)
        self.process.send_signal(signal.SIGCONT)
        self.must_say("WATCHDOG=1")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.listener.close()
        self.log.close()


def main():
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(
            prefix="bw-test-notify-")))
        configure(work)
        daemons = []
        for verb, config in (("witness", "witness.yaml"), ("guard", "site.yaml"),
                             ("agent", "site.yaml")):
            daemons.append(Daemon(work, verb, work / config))
            stack.callback(daemons[-1].end)
            daemons[-1].must_say("READY=1")
            daemons[-1].must_say("WATCHDOG=1")
            daemons[-1].must_say("WATCHDOG=1")
        daemons[2].process.send_signal(signal.SIGHUP)
        daemons[2].must_say("RELOADING=1")
        daemons[2].must_say("READY=1")
        for daemon in daemons:
            daemon.must_stand_still()
        for daemon in reversed(daemons):
            daemon.process.send_signal(signal.SIGTERM)
            daemon.must_say("STOPPING=1")
            wait_ended(daemon.verb, PATIENCE_S, daemon.process)
    return 0


if __name__ == "__main__":
    sys.exit(main())
