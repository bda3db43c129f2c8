#!/usr/bin/env python3
"""The same question put to others, where they are installed: the holder is killed with SIGKILL, how
long until another one has the right? Both answer for the right alone: neither starts a service.

    peers.py booth-inside FOLDER     one run of booth, in a network namespace made for it
"""

import json
import os
import pathlib
import selectors
import shutil
import subprocess
import sys
import tempfile
import time

from idle import free_ports  # it knows where the next one is
from patience import wait_for
from rows import absent, row

WAIT_S = 40
SETTINGS = {
    "etcd": "3 members, no TLS, heartbeat 10 ms, election 100 ms; `etcdctl lock --ttl 1`: the "
            "holder is killed 1 s after it got the lock, a second one waits",
    "booth": "2 sites and an arbitrator in one network namespace, UDP; expire 10 s, timeout 1 s, "
             "retries 3: the shortest expire whose retries fit; crm_ticket is a stand-in that "
             "does nothing, there is no Pacemaker; seen by `booth list` every 100 ms",
}
ETCD = "etcd: holder killed to lock held by another"
BOOTH = "booth: holder killed to ticket granted elsewhere"


def line_within(process, seconds):
    """The next line of its output; "" when none came."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        ready = selector.select(seconds)
    return process.stdout.readline() if ready else ""


def end(processes):
    for process in processes:
        process.kill()
        process.wait()


# ---- etcd ---------------------------------------------------------------------------------------

def start_etcd(folder):
    ports = free_ports(6)
    clients = [f"http://127.0.0.1:{port}" for port in ports[:3]]
    members = [f"http://127.0.0.1:{port}" for port in ports[3:]]
    cluster = ",".join(f"m{i}={url}" for i, url in enumerate(members))
    processes = []
    for i in range(3):
        with open(folder / f"m{i}.log", "wb") as log:
            processes.append(subprocess.Popen(
                ["etcd", "--name", f"m{i}", "--data-dir", str(folder / f"m{i}"),
                 "--listen-client-urls", clients[i], "--advertise-client-urls", clients[i],
                 "--listen-peer-urls", members[i], "--initial-advertise-peer-urls", members[i],
                 "--initial-cluster", cluster, "--heartbeat-interval", "10",
                 "--election-timeout", "100"], stdout=log, stderr=log))
    return processes, ",".join(clients)


def take_etcd_lock(endpoints, name):
    return subprocess.Popen(["etcdctl", "--endpoints", endpoints, "lock", "--ttl", "1", name],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            env=dict(os.environ, ETCDCTL_API="3"))


def measure_etcd_once(endpoints, name):
    clients = []
    try:
        clients.append(take_etcd_lock(endpoints, name))
        assert line_within(clients[0], WAIT_S), "nobody got the lock"
        clients.append(take_etcd_lock(endpoints, name))
        time.sleep(1.0) # the second one waits by then, and the first has renewed
        begun = time.monotonic()
        clients[0].kill()
        assert line_within(clients[1], WAIT_S), "the second one never got the lock"
        return (time.monotonic() - begun) * 1000
    finally:
        end(clients)


def why_not(*programs):
    """"" when all of them are there and it is safe to run them."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return "not run with real-time priority: threads that spin would stop the machine"
    missing = [program for program in programs if shutil.which(program) is None]
    return f"not installed ({', '.join(missing)})" if missing else ""


def measure_etcd(folder, runs):
    if why_not("etcd", "etcdctl"):
        return [absent(ETCD, why_not("etcd", "etcdctl"))]
    work = folder / "etcd"
    work.mkdir()
    processes, endpoints = start_etcd(work)
    try:
        return [row(ETCD, "ms", [measure_etcd_once(endpoints, f"lock{i}") for i in range(runs)])]
    finally:
        end(processes)


# ---- booth --------------------------------------------------------------------------------------

ADDRESSES = ("10.99.0.1", "10.99.0.2", "10.99.0.3")
BOOTH_CONF = f"""transport = UDP
port = 9929
site = {ADDRESSES[0]}
site = {ADDRESSES[1]}
arbitrator = {ADDRESSES[2]}
ticket = "t"
    expire = 10
    timeout = 1
    retries = 3
"""


def booth(folder, *arguments):
    return subprocess.run(["booth", *arguments, "-c", str(folder / "booth.conf")], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                          timeout=10).stdout


def wait_for_leader(folder, asked, leader):
    wait_for(f"{asked} sees the ticket at {leader}", WAIT_S,
             lambda: f"leader: {leader}" in booth(folder, "list", "-s", asked), pause_s=0.1)


def booth_inside(folder):
    """In a namespace of its own. booth's client hangs where the kernel has an IPv6 address."""
    for interface in ("all", "lo"):
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("1")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    environment = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}")
    processes = []
    try:
        for i, address in enumerate(ADDRESSES):
            with open(folder / f"log{i}", "wb") as log:
                processes.append(subprocess.Popen(
                    ["boothd", "daemon", "-S", "-D", "-s", address, "-l", str(folder / f"lock{i}"),
                     "-c", str(folder / "booth.conf")], stdout=log, stderr=log, env=environment))
        wait_for_leader(folder, ADDRESSES[1], "NONE")
        time.sleep(2) # their first exchange, after which a grant is taken
        booth(folder, "grant", "-F", "-s", ADDRESSES[0], "t")
        wait_for_leader(folder, ADDRESSES[1], ADDRESSES[0])
        time.sleep(1)
        begun = time.monotonic()
        processes[0].kill()
        wait_for_leader(folder, ADDRESSES[1], ADDRESSES[1])
        return (time.monotonic() - begun) * 1000
    finally:
        end(processes)


def measure_booth_once():
    # boothd becomes another user, who must be able to run the stand-in.
    with tempfile.TemporaryDirectory(prefix="bw-bench-booth-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "booth.conf").write_text(BOOTH_CONF, encoding="ascii")
        (folder / "crm_ticket").write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
        (folder / "crm_ticket").chmod(0o755)
        namespace = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-r", "-n"]
        ended = subprocess.run([*namespace, sys.executable, __file__, "booth-inside", name],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               check=False)
        assert ended.returncode == 0, ended.stderr[-300:]
        return json.loads(ended.stdout)


def measure_booth(_, runs):
    if why_not("booth", "boothd", "unshare"):
        return [absent(BOOTH, why_not("booth", "boothd", "unshare"))]
    return [row(BOOTH, "ms", [measure_booth_once() for _ in range(runs)])]


if __name__ == "__main__":
    print(json.dumps(booth_inside(pathlib.Path(sys.argv[2]))))
