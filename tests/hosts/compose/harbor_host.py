"""A host with a real dockerd of its own, in a mount namespace that shows cgroup2 alone, and a Harbor in docker-compose on
it: a real docker-registry, a real (busybox) web server as portal, and a stand-in for the core (core.py)."""

import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
from lacking import skip_lacking  # noqa: E402
from patience import wait_at_most, wait_for  # noqa: E402
from verdict import Failed, attempt, run  # noqa: E402

try:
    import yaml  # Debian's docker-compose depends on it
except ImportError:
    yaml = None

SCRIPTS = pathlib.Path(os.environ.get("BREAKWATER_COMPOSE_SCRIPTS", TOP / "deploy/scripts/harbor-compose"))
PASSWORD = "marker-of-the-database-3f7c"
REDIS_PASSWORD = "marker-of-redis-91be"
IMAGE = "breakwater/harbor-lab:1"
PREPARE_IMAGE = "breakwater/prepare:1"
DOCKERD = """umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || exit 1
exec dockerd --data-root {0}/docker --exec-root {0}/exec -H unix://{0}/docker.sock --pidfile {0}/docker.pid \\
    --storage-driver vfs --iptables=false --ip6tables=false --bridge=none --exec-opt native.cgroupdriver=cgroupfs \\
    --shutdown-timeout 1
"""
HARBOR_YML = """# Configuration file of Harbor, as its own template is laid out
hostname: harbor.example.net

http:
  # port for http
  port: {core}

harbor_admin_password: 'Harbor12345: # no comment'
data_volume: {data}

# Uncomment external_database if using external database.
external_database:
  harbor:
    host: 172.19.48.253
    port: 5432
    db_name: registry
    username: harbor
    password: {password}
    ssl_mode: disable
    max_idle_conns: 2
  notary_signer:
    host: 172.19.48.253   # of the old primary
    port: 5432
    db_name: notarysigner
    username: harbor
    password: {password}
    ssl_mode: disable
  notary_server:
    host: "172.19.48.253"
    port: 5432
    db_name: notaryserver
    username: harbor
    password: {password}
    ssl_mode: disable

external_redis:
  # support redis, redis+sentinel
  host: 172.19.48.253:6379
  password: {redis_password}
  registry_db_index: 1
  jobservice_db_index: 2
  chartmuseum_db_index: 3
  trivy_db_index: 5
  idle_timeout_seconds: 30

proxy:
  http_proxy:
  components:
    - core
    - jobservice
"""


def need_all():
    if os.geteuid() != 0:
        skip_lacking("root")
    if yaml is None:
        skip_lacking("yaml")
    if attempt("/usr/bin/python3", "-c", "import psycopg2").returncode:  # core.py imports it
        skip_lacking("psycopg2")
    for tool in ("dockerd", "containerd", "docker", "docker-compose", "docker-registry", "redis-server", "busybox", "skopeo",
                 "unshare", "nsenter"):
        if not shutil.which(tool):
            skip_lacking("docker", f"no {tool}")
    probe = "umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && mkdir /sys/fs/cgroup/bw$$ && rmdir /sys/fs/cgroup/bw$$"
    if attempt("unshare", "-m", "sh", "-c", probe).returncode:
        skip_lacking("docker", "no cgroup2 to mount")


@functools.cache
def cgroup2():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        words = line.split()
        if words[2] == "cgroup2":
            return pathlib.Path(words[1])
    raise Failed("no cgroup2 is mounted")


def make_image(folder):
    """A root of nothing but links and folders to mount at."""
    path = folder / "image.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("usr", "config", "www", "tmp", "etc"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name in ("bin", "sbin", "lib", "lib64"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(entry)
        entry = tarfile.TarInfo("www/index.html")
        tar.addfile(entry)
    return path


def kill_below(folder):
    """All that has its working directory there, or names something there."""
    mark = f"{folder}/".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            here = os.readlink(f"/proc/{pid}/cwd")
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            if (mark in line or f"{here}/".startswith(f"{folder}/")) and int(pid) != os.getpid():
                os.kill(int(pid), signal.SIGKILL)


def list_containers(folder):
    """The ids that dockerd has on its disk."""
    return [path.name for path in (folder / "docker/containers").glob("*") if (path / "config.v2.json").exists()]


def end_host(folder):
    for _ in range(3):
        for identity in list_containers(folder):
            with contextlib.suppress(OSError):
                (cgroup2() / "docker" / identity / "cgroup.kill").write_text("1")
        kill_below(folder)
    for identity in list_containers(folder):
        place = cgroup2() / "docker" / identity

        def is_removed(place=place):
            with contextlib.suppress(OSError):
                place.rmdir()
            return not place.exists()
        wait_at_most(2, is_removed, pause_s=0.05)
    for line in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
        if line.split()[1].startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", line.split()[1]], check=False, capture_output=True)


class HarborHost:
    """`inside`: words before a command that is to run on this host (nsenter)."""

    def __init__(self, folder, address, ports, data, project, inside=(), **environment):
        self.folder, self.address, self.ports, self.data = folder, address, ports, data
        self.project, self.inside, self.own = project, list(inside), environment
        self.daemon = None
        self.dir = folder / "harbor"
        self.dir.mkdir(parents=True)
        shutil.copy(HERE / "prepare", self.dir / "prepare")
        (self.dir / "lab.json").write_text(json.dumps(
            {"address": address, "ports": ports, "image": IMAGE, "source": str(HERE)}))
        self.reset_yml()

    def reset_yml(self):
        (self.dir / "harbor.yml").write_text(HARBOR_YML.format(core=self.ports["core"], data=self.data, password=PASSWORD,
                                                               redis_password=REDIS_PASSWORD))
        (self.dir / "harbor.yml").chmod(0o640)
        os.chown(self.dir / "harbor.yml", 0, 4)

    def environment(self):
        return {"HARBOR_DIR": str(self.dir), "HARBOR_PROJECT": self.project, "HARBOR_STATE_DIR": f"{self.folder}/state",
                "HARBOR_HEALTH_URL": f"http://{self.address}:{self.ports['core']}/api/v2.0/health",
                "DOCKER_ROOT": f"{self.folder}/docker", "DOCKER_HOST": f"unix://{self.folder}/docker.sock",
                "HARBOR_STOP_GRACE": "1", **self.own}

    def state(self):
        return self.folder / f"state/project-{self.project}"

    def script(self, name, epoch=None, **more):
        """(exit status, standard output, standard error, seconds)"""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment(), **more}
        env = {key: value for key, value in env.items() if value is not None}
        if epoch is not None:
            env["BREAKWATER_EPOCH"] = str(epoch)
        began = time.monotonic()
        done = subprocess.run([*self.inside, SCRIPTS / f"{name}.sh"], env=env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=300, start_new_session=True)
        text = done.stdout + done.stderr
        if PASSWORD in text or REDIS_PASSWORD in text:
            raise Failed(f"a secret is in what {name}.sh prints: {text}")
        return done.returncode, done.stdout.strip(), done.stderr.strip(), time.monotonic() - began

    def status(self):
        return self.script("status")[1]

    # ---- dockerd ----

    def docker(self, *words, timeout=60):
        return attempt("docker", "-H", f"unix://{self.folder}/docker.sock", *words, timeout=timeout)

    def write_tool(self):
        """What speaks to this dockerd alone, for the guard."""
        path = self.folder / "docker-here"
        path.write_text(f'#!/bin/sh\nexec docker -H unix://{self.folder}/docker.sock "$@"\n')
        path.chmod(0o755)
        return str(path)

    def begin_docker(self):
        with open(self.folder / "dockerd.log", "ab") as log:
            self.daemon = subprocess.Popen([*self.inside, "unshare", "-m", "sh", "-c", DOCKERD.format(self.folder)],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for("dockerd answers", 60, lambda: self.docker("version").returncode == 0)

    def load_image(self):
        run("docker", "-H", f"unix://{self.folder}/docker.sock", "import", make_image(self.folder), IMAGE)
        run("docker", "-H", f"unix://{self.folder}/docker.sock", "tag", IMAGE, PREPARE_IMAGE)

    def daemons(self):
        """dockerd and its containerd, by what they are: children of what was started here."""
        children = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(words[1]), []).append(int(pid))
        return [self.daemon.pid, *children.get(self.daemon.pid, [])]

    def freeze(self):
        for pid in self.daemons():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in reversed(self.daemons()):
            os.kill(pid, signal.SIGCONT)

    def kill_docker(self):
        """As a crash: what it has started lives on."""
        for pid in self.daemons():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.daemon.wait()
        self.daemon = None
        for name in ("docker.pid", "exec/containerd/containerd.pid"):  # as after a boot: nobody has these numbers
            (self.folder / name).unlink(missing_ok=True)

    def forget(self):
        """Whoever ran here has been killed: what a boot finds of it."""
        self.daemon.wait()
        self.daemon = None
        for name in ("docker.pid", "exec/containerd/containerd.pid"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "state", ignore_errors=True)  # in memory

    # ---- the judge: neither dockerd nor a script is asked ----

    def containers(self):
        return list_containers(self.folder)

    def processes(self):
        found = []
        for identity in self.containers():
            with contextlib.suppress(OSError):
                found += (cgroup2() / "docker" / identity / "cgroup.procs").read_text().split()
        return found

    def hosts_of_yml(self):
        harbor = yaml.safe_load((self.dir / "harbor.yml").read_text())
        return sorted(entry["host"] for entry in harbor["external_database"].values()), harbor["external_redis"]["host"]

    def end(self):
        """Whatever is left: daemons, shims, containers."""
        end_host(self.folder)
        if self.daemon:
            self.daemon.wait()
