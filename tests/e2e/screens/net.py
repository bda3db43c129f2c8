"""A network of its own for each site, behind one in which the witnesses and people are. Nothing of it leaves
this machine."""

import ctypes
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from verdict import Failed, attempt, run  # noqa: E402

PORT, RAFT_PORT = 7400, 7401
CLONE_NEWNET = 0x40000000


class Net:
    """`tag`: what tells it from those of others; at most 8 characters (names of links have 15)."""

    def __init__(self, tag, sites, witnesses):
        self.prefix, self.sites = f"bws{tag}", sites
        self.hosts = {name: (f"10.77.0.{number}", PORT, RAFT_PORT)
                      for number, name in enumerate(witnesses, 1)}

    def make(self):
        hub = self.name()
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "set", "lo", "up")
        for host in self.hosts.values():
            run("ip", "-n", hub, "addr", "add", f"{host[0]}/32", "dev", "lo")
        for number, site in enumerate(self.sites, 1):
            space = self.name(site)
            run("ip", "netns", "add", space)
            run("ip", "-n", hub, "link", "add", f"p-{site}", "type", "veth", "peer", "name", "eth0",
                "netns", space)
            run("ip", "-n", hub, "addr", "add", f"10.77.{number}.1/24", "dev", f"p-{site}")
            run("ip", "-n", hub, "link", "set", f"p-{site}", "up")
            run("ip", "-n", space, "addr", "add", f"10.77.{number}.2/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "-n", space, "route", "add", "default", "via", f"10.77.{number}.1")
        self.nft("add table inet f")
        self.nft("add chain inet f input { type filter hook input priority 0 ; policy accept ; }")
        self.nft("add chain inet f output { type filter hook output priority 0 ; policy accept ; }")

    def enter(self):
        """This thread, and what it starts from here, is where witnesses and people are."""
        with open(f"/run/netns/{self.name()}", "rb") as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) != 0:
                raise Failed(f"setns: {os.strerror(ctypes.get_errno())}")

    def name(self, site=None):
        return f"{self.prefix}-{site}" if site else self.prefix

    def within(self, site, command):
        """The command as it runs at a site, or (None) where witnesses and people are."""
        # Not `ip netns exec`, which hides the cgroups under a new /sys.
        return ["nsenter", f"--net=/run/netns/{self.name(site)}", "--", *map(str, command)]

    def nft(self, rule):
        run(*self.within(None, ["nft", rule]))

    def cut(self, site, witnesses=(), only_answers=False):
        """What it sends is dropped in silence, and what is sent to it; or the latter alone. Without
        `witnesses`: of all."""
        for witness in witnesses or self.hosts:
            address = self.hosts[witness][0]
            self.nft(f"add rule inet f output oifname p-{site} ip saddr {address} drop")
            if not only_answers:
                self.nft(f"add rule inet f input iifname p-{site} ip daddr {address} drop")

    def heal(self):
        for chain in ("input", "output"):
            self.nft(f"flush chain inet f {chain}")

    def remove(self):
        for site in (*self.sites, None):
            attempt("ip", "netns", "del", self.name(site))
