"""Two hosts (network namespaces) of one network, each with a real dockerd, docker-compose, keepalived and file system, and
one image of RBD that both can map. Ceph and umount are stand-ins (ceph_stand_in, umount_stand_in); the Harbor is a
container of three that answers at Harbor's health address as long as it can write into the image."""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / "tests/support"))
from cluster import write_script  # noqa: E402
from lacking import skip_lacking  # noqa: E402
from patience import Late, wait_ended, wait_for  # noqa: E402
from verdict import Failed, attempt, now_ns, run  # noqa: E402

SET = TOP / "deploy/scripts/harbor-rbd"
TRAFFIC = TOP / "deploy/scripts/traffic"
HERE = pathlib.Path(__file__).resolve().parent
SITES = {"dc-a": "10.78.0.11", "dc-b": "10.78.0.12"}
VIP = "10.78.0.100"
KEY = "AQBreakwaterTestKeyAAAAAAAAAAAAAAAAAAA=="
PATIENCE_S = 90
SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
HARBOR = """httpd -p 80 -h /www
while echo "$(cat /storage/ledger 2>/dev/null | wc -l)" >>/storage/ledger && sync /storage/ledger; do sleep 0.1; done
rm /www/api/v2.0/health
sleep 86400
"""
COMPOSE = """version: "2.4"
services:
  core:
    image: goharbor/harbor-core:v2.6.2
    network_mode: host
    restart: always
    stop_grace_period: 1s
    volumes: ["{data}/registry:/storage"]
    command: ["sh", "/harbor"]
  jobservice:
    image: goharbor/harbor-core:v2.6.2
    network_mode: host
    restart: always
    stop_grace_period: 1s
    volumes: ["{data}/job_logs:/logs"]
    command: ["sleep", "86400"]
  portal: # nothing of the image is in it
    image: goharbor/harbor-core:v2.6.2
    network_mode: host
    restart: always
    stop_grace_period: 1s
    command: ["sleep", "86400"]
"""


def need_all():
    """And mounts of our own: who else begins a namespace now keeps none of them."""
    if os.geteuid() != 0 or attempt("unshare", "-n", "-m", "true").returncode != 0:
        skip_lacking("root or nets or mounts")
    for need, tools in (("docker", ("dockerd", "docker-compose")), ("keepalived", ("keepalived", "arping")), ("busybox", ("busybox",))):
        if not all(shutil.which(tool, path=SYSTEM_PATH) for tool in tools):
            skip_lacking(need)
    if not pathlib.Path("/sys/fs/cgroup/freezer").is_dir() or attempt("losetup", "-f").returncode != 0:
        skip_lacking("loops")
    if os.environ.get("BREAKWATER_RBD_MOUNTS") != str(os.getpid()):
        os.environ["BREAKWATER_RBD_MOUNTS"] = str(os.getpid())
        os.execvp("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv])


class Lab:
    def __init__(self):
        os.umask(0o022)
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="breakwater-rbd.", dir="/tmp"))
        self.prefix = f"bwr{os.getpid() % 100000}"
        self.ceph = self.work / "ceph"
        self.freezer = pathlib.Path(f"/sys/fs/cgroup/freezer/breakwater-{self.prefix}")
        self.daemons = {}

    # ---- machines ----

    def at(self, site, *command):
        return ["nsenter", f"--net=/run/netns/{self.prefix}-{site}", "--", *map(str, command)]

    def make(self):
        # What is mounted in it is seen by each dockerd, which has mounts of its own.
        run("mount", "--bind", self.work, self.work)
        run("mount", "--make-shared", self.work)
        self.make_net()
        self.make_ceph()
        for site in SITES:
            folder = self.work / site
            (folder / "data").mkdir(parents=True)
            (folder / "harbor").mkdir()
            (folder / "harbor/docker-compose.yml").write_text(COMPOSE.format(data=folder / "data"))
            (folder / "key").write_text(KEY + "\n")
            (folder / "key").chmod(0o600)
            self.start_dockerd(site)
            self.start_keepalived(site)

    def make_net(self):
        hub = f"{self.prefix}-hub"
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        for site, address in SITES.items():
            space = f"{self.prefix}-{site}"
            run("ip", "netns", "add", space)
            run("ip", "-n", hub, "link", "add", site, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "-n", hub, "link", "set", site, "master", "br0", "up")
            run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                run("ip", "-n", space, "link", "set", link, "up")
        for number in (1, 2, 3):
            run("ip", "-n", hub, "addr", "add", f"10.78.0.{number}/24", "dev", "br0")
        for link in ("lo", "br0"):
            run("ip", "-n", hub, "link", "set", link, "up")

    def enter(self):
        """This thread, and what it starts from here, is where witnesses and users are."""
        with open(f"/run/netns/{self.prefix}-hub", "rb") as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), 0x40000000) != 0:
                raise Failed(f"setns: {os.strerror(ctypes.get_errno())}")

    def put_tool(self, folder, name, text):
        """A program that comes first in the PATH of who names that folder there."""
        (self.work / folder).mkdir(exist_ok=True)
        write_script(self.work / folder / name, f"#!/bin/sh\n{text}\n")

    def make_ceph(self):
        (self.work / "bin").mkdir()
        for program in ("rbd", "ceph", "rados"):
            (self.work / "bin" / program).symlink_to(HERE / "ceph_stand_in")
        (self.work / "bin/umount").symlink_to(HERE / "umount_stand_in")
        self.put_tool("bin", "modprobe", "exit 0")  # nothing of this is the kernel's
        self.ceph.mkdir()
        with open(self.ceph / "image.0", "wb") as image:
            image.truncate(64 << 20)
        run("mkfs.ext4", "-q", self.ceph / "image.0", env={"PATH": SYSTEM_PATH})
        self.put_state(image="image.0", features=["layering", "exclusive-lock"], watchers={}, owner=None, barred=[], marks=[],
                       maps={}, count=0)
        self.freezer.mkdir()
        (self.freezer / "freezer.state").write_text("FROZEN")

    def put_state(self, **changes):
        state = json.loads((self.ceph / "state.json").read_text()) if (self.ceph / "state.json").exists() else {}
        (self.ceph / "state.json").write_text(json.dumps({**state, **changes}))

    def state(self):
        return json.loads((self.ceph / "state.json").read_text())

    def start_dockerd(self, site):
        folder = self.work / site / "docker"
        folder.mkdir(exist_ok=True)
        for pid in self.processes_of(f"{site}/docker"):  # a containerd outlives a dockerd that was killed
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        (folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        command = ["dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec", "-H", f"unix://{folder}/sock",
                   "--pidfile", folder / "pid", "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false", "--bridge=none",
                   "--exec-opt", "native.cgroupdriver=cgroupfs"]
        alone = "umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec \"$@\""
        with open(self.work / site / "dockerd.log", "ab") as log:
            self.daemons[f"dockerd-{site}"] = subprocess.Popen(
                self.at(site, "unshare", "-m", "--propagation", "slave", "sh", "-c", alone, "sh", *command),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env={"PATH": SYSTEM_PATH})
        wait_for(f"dockerd of {site}", PATIENCE_S, lambda: self.docker(site, "version").returncode == 0)
        if not self.docker(site, "images", "-q").stdout.strip():
            self.make_image(site)

    def docker(self, site, *words, **more):
        return attempt("docker", "-H", f"unix://{self.work}/{site}/docker/sock", *words, **more)

    def make_image(self, site):
        root = self.work / "root"
        if not root.exists():
            for folder in ("bin", "www/api/v2.0", "storage", "logs", "tmp"):
                (root / folder).mkdir(parents=True)
            shutil.copy(shutil.which("busybox", path=SYSTEM_PATH), root / "bin/busybox")
            for tool in ("sh", "httpd", "cat", "wc", "sync", "sleep", "rm"):
                (root / "bin" / tool).symlink_to("busybox")
            (root / "www/api/v2.0/health").write_text('{"components":[{"name":"core","status":"healthy"}],"status":"healthy"}\n')
            (root / "harbor").write_text(HARBOR)
        tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        done = subprocess.run(["docker", "-H", f"unix://{self.work}/{site}/docker/sock", "import", "-", "goharbor/harbor-core:v2.6.2"],
                              stdin=tar.stdout, capture_output=True, text=True)
        if tar.wait() or done.returncode:
            raise Failed(f"docker import: {done.stderr}")

    def start_keepalived(self, site):
        folder = self.work / site
        config = (TRAFFIC / "keepalived.conf").read_text().replace("/run/breakwater-vip", str(folder / "vip"))
        (folder / "keepalived.conf").write_text(config.replace("192.0.2.100", VIP))
        pids = [word for name in ("p", "r", "c") for word in (f"-{name}", folder / f"keepalived.{name}.pid")]
        with open(folder / "keepalived.log", "ab") as log:
            self.daemons[f"keepalived-{site}"] = subprocess.Popen(
                self.at(site, "keepalived", "-n", "-l", "-P", "-f", folder / "keepalived.conf", *pids), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, env={"PATH": SYSTEM_PATH})

    def signal(self, name, number):
        os.killpg(self.daemons[name].pid, number)
        if number == signal.SIGKILL:
            self.daemons.pop(name).wait()

    # ---- the scripts ----

    def variables(self, site):
        folder = self.work / site
        return {"HARBOR_VERSION": "v2.6.2", "HARBOR_VIP": f"{VIP}/24", "CEPH_MON_HOST": "10.78.0.1,10.78.0.2",
                "CEPH_USER": "admin", "CEPH_USER_KEY": str(folder / "key"), "CEPH_POOL_NAME": "kubernetes",
                "CEPH_IMAGE_NAME": "harbor_data", "KEEPALIVED_ROLE": "master" if site == "dc-a" else "backup", "INTERFACE": "eth0",
                "HARBOR_DIR": str(folder / "harbor"), "HARBOR_DATA": str(folder / "data"), "DOCKER_ROOT": str(folder / "docker/data"),
                "RBD_RUN": str(folder / "run-rbd"), "TRAFFIC_FILE": str(folder / "vip"), "RBD_CALL_TIMEOUT": "20",
                "RBD_UMOUNT_TIMEOUT": "20", "RBD_WATCHER_TIMEOUT": "20", "HARBOR_START_TIMEOUT": "60", "HARBOR_STOP_TIMEOUT": "30",
                "HARBOR_FENCE_TIMEOUT": "8", "DOCKER_HOST": f"unix://{folder}/docker/sock",
                # what the stand-ins are told
                "PATH": f"{self.work}/bin:{SYSTEM_PATH}", "CEPH_STAND_IN": str(self.ceph), "CEPH_HOST": site,
                "CEPH_ADDRESS": SITES[site], "CEPH_FREEZER": str(self.freezer), "CEPH_KEY_IS": KEY}

    def begin(self, name, site, epoch, before=None, **more):
        values = {**self.variables(site), "BREAKWATER_EPOCH": str(epoch), "BREAKWATER_SITE": site, **more}
        return subprocess.Popen(self.at(site, SET / f"{name}.sh"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, start_new_session=True, preexec_fn=before,
                                env={key: value for key, value in values.items() if value is not None})

    def run(self, name, site, epoch=1, **more):
        """(exit status, its last line, seconds)."""
        begun = now_ns()
        process = self.begin(name, site, epoch, **more)
        output = self.finish(process)
        return process.returncode, output, (now_ns() - begun) / 1e9

    @staticmethod
    def finish(process):
        """Its end, not that of what it has left behind, which may hold its output for ever."""
        try:
            wait_ended(process.args[-1], 120, process)
        except Late:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        os.set_blocking(process.stdout.fileno(), False)
        output = (process.stdout.read() or "").strip().splitlines()
        process.stdout.close()
        return output[-1] if output else ""

    def status(self, site):
        return self.begin_status(site)[1]

    def begin_status(self, site):
        done = subprocess.run(self.at(site, SET / "status.sh"), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              env=self.variables(site))
        return done.stderr, done.stdout.strip()

    # ---- what is so ----

    def records(self):
        path = self.ceph / "records"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def writers(self):
        """[(host, from, until or None)]: from its map until it was unmapped, or refused by Ceph."""
        spans, ends = [], {}
        for record in self.records():
            if record["event"] == "map":
                spans.append([record["host"], record["at"], None])
                ends[record["address"]] = spans[-1]
            elif record["address"] in ends and ends[record["address"]][2] is None:
                ends[record["address"]][2] = record["at"]
        return spans

    def is_one_writer_at_a_time(self):
        spans = sorted(self.writers(), key=lambda span: span[1])
        return all(earlier[2] is not None and earlier[2] <= later[1] for earlier, later in zip(spans, spans[1:]))

    def has_vip(self):
        return [site for site in SITES if run("ip", "-n", f"{self.prefix}-{site}", "-o", "addr", "show", "dev", "eth0", "to", VIP).strip()]

    def take_off_vip(self, site):
        run("ip", "-n", f"{self.prefix}-{site}", "addr", "del", f"{VIP}/24", "dev", "eth0")

    def let_go_of_vip(self, site):
        """Its keepalived dies, and the address with it."""
        self.signal(f"keepalived-{site}", signal.SIGKILL)
        self.take_off_vip(site)

    def ledger(self, site):
        path = self.work / site / "data/registry/ledger"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def containers(self, site):
        return self.docker(site, "ps", "-q").stdout.split()

    def put(self, name, text=""):
        (self.ceph / name).write_text(text)

    def cut_off(self, site, ago_s=0):
        """From Ceph, since then."""
        self.put(f"{site}.silent")
        os.utime(self.ceph / f"{site}.silent", (time.time() - ago_s,) * 2)

    def drop(self, name):
        (self.ceph / name).unlink(missing_ok=True)

    def thaw(self):
        with contextlib.suppress(OSError):
            (self.freezer / "freezer.state").write_text("THAWED")
            wait_for("what was hung to end", PATIENCE_S, lambda: not (self.freezer / "cgroup.procs").read_text().strip())
            (self.freezer / "freezer.state").write_text("FROZEN")

    # ---- the end ----

    def processes_of(self, site):
        mark = f"{self.work}/{site}".encode()
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (path / "cmdline").read_bytes() and int(path.name) != os.getpid():
                    yield int(path.name)

    def end_host(self, site, keeps_watch=False):
        """All of its processes, its mounts and its maps; `keeps_watch`: Ceph has not noticed yet."""
        for name in [name for name in self.daemons if name.endswith(site)]:
            with contextlib.suppress(OSError):
                os.killpg(self.daemons[name].pid, signal.SIGCONT)
                os.killpg(self.daemons[name].pid, signal.SIGKILL)
            self.daemons.pop(name).wait()
        for folder in self.cgroups(site):
            with contextlib.suppress(OSError):
                (folder / "cgroup.kill").write_text("1")
        for pid in self.processes_of(site):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        attempt("ip", "-n", f"{self.prefix}-{site}", "addr", "del", f"{VIP}/24", "dev", "eth0")
        (self.work / site / "vip").unlink(missing_ok=True)
        state = self.state() if (self.ceph / "state.json").exists() else {"maps": {}}
        while attempt("/bin/umount", self.work / site / "data").returncode == 0:
            pass
        for device, address in state["maps"].pop(site, {}).items():
            attempt("losetup", "-d", device)
            if not keeps_watch:
                state["watchers"].pop(address, None)
        if (self.ceph / "state.json").exists():
            self.put_state(**state)

    def cgroups(self, site):
        """Those of its containers."""
        folder = self.work / site / "docker/data/containers"
        ids = [path.name for path in folder.iterdir()] if folder.exists() else []
        tops = attempt("findmnt", "-rnt", "cgroup2", "-o", "TARGET").stdout.split()
        return [path for top in tops for name in ids for path in pathlib.Path(top).glob(f"docker/{name}")]

    def close(self):
        self.thaw()
        for site in SITES:
            with contextlib.suppress(Failed, subprocess.TimeoutExpired):
                self.end_host(site)
        for device in attempt("losetup", "-nO", "NAME,BACK-FILE").stdout.splitlines():
            if str(self.ceph) in device:
                attempt("losetup", "-d", device.split()[0])
        for site in (*SITES, "hub"):
            attempt("ip", "netns", "del", f"{self.prefix}-{site}")
        with contextlib.suppress(OSError):
            self.freezer.rmdir()
        attempt("/bin/umount", "-l", self.work)
        for site in SITES:
            attempt("chattr", "-i", self.work / site / "data")
        shutil.rmtree(self.work, ignore_errors=True)
