#!/usr/bin/env python3
"""Each daemon tells the manager that started it what systemd's Type=notify waits for.

    tests/integration/notify.py BREAKWATER

Starts a witness, a guard and an agent, each with a NOTIFY_SOCKET of its own, and listens: READY=1 once
they run (a unit that never says so is killed at its start limit), READY=1 again after a reload (witness:
its start only), WATCHDOG=1 again and again while its loop turns and not when it stands still, STOPPING=1
when they end. Exits 0 or 1.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

BREAKWATER = str(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) == 2 else sys.exit(__doc__)
WATCHDOG_S = 1  # what it is told that the manager wants
PATIENCE_S = 20  # of a machine that has much else to do; what is waited for comes within one


def run(*words):
    return subprocess.run([BREAKWATER, *map(str, words)], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def write(path, content):
    path.write_text(json.dumps(content) + "\n")  # which is YAML


def configure(work):
    port, raft_port = free_ports(2)
    address, raft = f"127.0.0.1:{port}", f"127.0.0.1:{raft_port}"
    run("pki", "init", "--cluster", "told", "--dir", work)
    run("pki", "issue", "witness/w1", "--dir", work, "--out", work / "w1.pem", "--san",
        "ip:127.0.0.1")
    run("pki", "issue", "agent/dc-a/one", "--dir", work, "--out", work / "a.pem")
    status = work / "status.sh"
    status.write_text("#!/bin/sh\necho stopped\n")
    status.chmod(0o755)
    write(work / "witness.yaml", {
        "cluster": "told", "name": "w1", "data_dir": str(work / "data"), "listen": address,
        "raft_listen": raft, "tls": {"ca": str(work / "ca.pem"), "identity": str(work / "w1.pem")},
        "witnesses": [{"name": "w1", "id": 1, "address": address, "raft": raft,
                       "failure_domain": "here"}]})
    write(work / "site.yaml", {
        "cluster": "told", "site": "dc-a", "name": "one", "state_dir": str(work / "state"),
        "run_dir": str(work / "run"), "guard_socket": str(work / "guard.sock"),
        "tls": {"ca": str(work / "ca.pem"), "identity": str(work / "a.pem")},
        "witnesses": [address],
        "groups": [{"name": "shop", "enforce": "cgroup", "status_script": str(status), "start_script": str(status),
                    "stop_script": str(status)}]})
    run("witness", "init", "-c", work / "witness.yaml")


class Daemon:
    def __init__(self, work, verb, config):
        self.verb = verb
        self.heard = ""
        path = str(work / f"{verb}.notify")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.listener.bind(path)
        self.listener.settimeout(PATIENCE_S)
        self.log = open(work / f"{verb}.log", "wb")  # kept until it has ended
        self.process = subprocess.Popen([BREAKWATER, verb, "-c", str(config)], stdout=self.log,
                                        stderr=self.log,
                                        env={**os.environ, "NOTIFY_SOCKET": path,
                                             "WATCHDOG_USEC": str(WATCHDOG_S * 1000000)})

    def must_say(self, word):
        """Until it does; what it says besides is not asked for."""
        while word not in self.heard.split("\n"):
            try:
                self.heard += self.listener.recv(4096).decode() + "\n"
            except TimeoutError:
                sys.exit(f"BROKEN {self.verb} does not say {word}; it said {self.heard.split()}; "
                         f"status {self.process.poll()}")
        print(f"  ok     {self.verb} says {word}", flush=True)
        self.heard = ""

    def must_stand_still(self):
        """Stopped, it says nothing more: what it said before is read first."""
        self.process.send_signal(signal.SIGSTOP)
        while pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)
        self.listener.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.listener.recv(4096)
        self.listener.settimeout(WATCHDOG_S)
        try:
            sys.exit(f"BROKEN {self.verb} says {self.listener.recv(4096)!r} though it stands still")
        except TimeoutError:
            print(f"  ok     {self.verb} says nothing while it stands still", flush=True)
        self.process.send_signal(signal.SIGCONT)
        self.listener.settimeout(PATIENCE_S)
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
            daemon.process.wait(PATIENCE_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
