"""A small cluster as tests and benchmarks in Python make it: certificates, configuration files, witnesses
that are made, and the command line that asks them. Those in C have src/lab.

A file is JSON, which is YAML. Who runs the programs elsewhere than here says where (`outside`)."""

import contextlib
import json
import os
import signal
import socket

from verdict import attempt, run

WITNESSES = ("w1", "w2", "w3")
os.umask(0o022)  # a daemon refuses what others than its user can change, whoever runs the test
WARNS = 3  # of a trial: it has proved it, and something else could be better
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


kept_ports = []


def free_ports(count):
    """They stay this process's, as in test_port.h: bound, and never listened on. Who sets SO_REUSEADDR may listen."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after bind: nobody's port is shared
    kept_ports.extend(sockets)
    return [each.getsockname()[1] for each in sockets]


def write_script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def write_yaml(path, content):
    path.write_text(json.dumps(content, indent=1) + "\n")


class Cluster:
    """`hosts`: witness -> (host, port of the API, port of Raft)."""

    def __init__(self, breakwater, work, name, person, hosts):
        self.breakwater, self.work = breakwater, work
        self.name, self.person, self.hosts = name, person, hosts

    def outside(self, *command):
        """The command, as it is run where people give orders."""
        return [str(word) for word in command]

    # ---- certificates ----

    def issue(self, subject, out, host=None):
        run(self.breakwater, "pki", "issue", subject, "--dir", self.work, "--out", out,
            *(["--san", f"ip:{host}"] if host else []))

    def begin_pki(self):
        """The CA and the person's certificate."""
        run(self.breakwater, "pki", "init", "--cluster", self.name, "--dir", self.work)
        self.issue(f"operator/{self.person}", self.work / "person.pem")

    def tls(self, name, folder=None):
        folder = folder or self.work
        return {"ca": f"{folder}/ca.pem", "identity": f"{folder}/{name}.pem"}

    # ---- files ----

    def address(self, name, which=1):
        host = self.hosts[name]
        return f"{host[0]}:{host[which]}"

    def witness_file(self, name, data_dir, folder=None, **more):
        """With its certificate, which is in `folder` by then."""
        self.issue(f"witness/{name}", self.work / f"{name}.pem", self.hosts[name][0])
        return {"cluster": self.name, "name": name, "data_dir": str(data_dir),
                "listen": self.address(name), "raft_listen": self.address(name, 2),
                "tls": self.tls(name, folder),
                "witnesses": [{"name": other, "id": int(other[1:]), "failure_domain": other,
                               "address": self.address(other), "raft": self.address(other, 2)}
                              for other in self.hosts], **more}

    def site_file(self, site, tls, groups, **more):
        return {"cluster": self.name, "site": site, "name": "agent", "tls": tls,
                "witnesses": [self.address(name) for name in self.hosts], "groups": groups, **more}

    def write_groups(self, names, sites, **more):
        """The first site of each is preferred."""
        write_yaml(self.work / "groups.yaml", {"groups": [
            {"name": name, "sites": [{"name": site, "priority": 100 if site == sites[0] else 50}
                                     for site in sites], **more} for name in names]})

    def prove(self, config, at=(), program=None):
        """Tries a site's scripts before its guard runs, as a new installation does: a kill is seen to stop the service
        (design 3.4). `at`: the command that enters the site's machine; `program`: breakwater there. True: it is proved."""
        done = attempt(*at, f"{program or self.breakwater}-chaos", "scripts", "--reach", "--no-namespace",
                       "--other-sites-are-off", "--yes", "-c", config, timeout=120)
        if done.returncode not in (0, WARNS):
            print(f"  not proved: {done.stdout[-2000:]}{done.stderr[-1000:]}", flush=True)
        return done.returncode in (0, WARNS)

    # ---- witnesses, and what they say ----

    def found(self, first, *others):
        """`first` makes the first witness, and returns what that said; `others`: files of the others."""
        words = first().split()
        cluster = next(word for word in words if len(word.strip(".,;:")) == 32).strip(".,;:")
        for config in others:
            run(self.breakwater, "witness", "init", "-c", config, "--cluster-id", cluster)

    def cli(self, *words):
        return self.outside(self.breakwater, *words, "--ca", self.work / "ca.pem", "--identity",
                            self.work / "person.pem",
                            *[word for name in self.hosts
                              for word in ("--endpoint", self.address(name))])

    def status(self):
        """As `status -o json` tells it, or {} while nobody answers."""
        try:
            return json.loads(attempt(*self.cli("status", "-o", "json"), timeout=30).stdout)
        except ValueError:
            return {}

    def table(self):
        """The same for people."""
        done = attempt(*self.cli("status"), timeout=30)
        return done.stdout + done.stderr


def begin_keeper(clean):
    """A process beside this one: when this one ends without end_keeper, it calls `clean`."""
    inner, outer = os.pipe()
    if os.fork() != 0:
        os.close(inner)
        return outer
    os.setsid()
    os.close(outer)
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    if not os.read(inner, 1):  # its end, without a word before it
        clean()
    os._exit(0)


def end_keeper(keeper):
    os.write(keeper, b"done")
    os.close(keeper)
