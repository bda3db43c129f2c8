"""A Docker of a test's own, with what it starts in a cgroup of version 2. The test has to run in a mount namespace of
its own (enter_namespace): there the only cgroups are those, as on a machine of today."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from lacking import skip_lacking  # noqa: E402
from patience import wait_at_most, wait_for  # noqa: E402
from verdict import attempt, run  # noqa: E402

MARK = "BREAKWATER_TEST_NAMESPACE"
PATIENCE_S = 45


def enter_namespace():
    """Begins the test again where it may mount. Does not return the first time."""
    for tool in ("dockerd", "docker", "docker-compose", "busybox", "unshare"):
        if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            skip_lacking("docker", f"no {tool}")
    if MARK not in os.environ:
        os.execvpe("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv], {**os.environ, MARK: "1"})
    attempt("umount", "-l", "/sys/fs/cgroup")
    if attempt("mount", "-t", "cgroup2", "none", "/sys/fs/cgroup").returncode != 0:
        skip_lacking("cgroups", "cgroup2 cannot be mounted")


class Docker:
    """In `folder`, with a tool there that speaks to this one alone. `parent`: the cgroup of its containers."""

    def __init__(self, folder, parent):
        self.folder, self.parent = pathlib.Path(folder), parent
        self.socket = f"unix://{self.folder}/docker.sock"
        self.daemon = None
        self.folder.mkdir(parents=True)
        self.tool = self.write_tool("docker", "docker")
        self.compose = self.write_tool("docker-compose", "docker-compose")

    def write_tool(self, name, program):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nDOCKER_HOST={self.socket} exec {shutil.which(program)} \"$@\"\n")
        path.chmod(0o755)
        return path

    def start(self):
        with open(self.folder / "dockerd.log", "ab") as log:
            self.daemon = subprocess.Popen(
                ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "-H", self.socket,
                 "--pidfile", self.folder / "dockerd.pid", "--storage-driver", "vfs", "--iptables=false",
                 "--ip6tables=false", "--bridge=none", "--exec-opt", "native.cgroupdriver=cgroupfs",
                 "--cgroup-parent", self.parent],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
        wait_for("docker answers", PATIENCE_S, lambda: attempt(self.tool, "version").returncode == 0)

    def make_image(self, name):
        """Of busybox alone."""
        root = self.folder / "image"
        (root / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        for applet in ("sh", "sleep", "cat"):
            with contextlib.suppress(FileExistsError):
                (root / "bin" / applet).symlink_to("busybox")
        archive = self.folder / "image.tar"
        run("tar", "-C", root, "-cf", archive, ".")
        run(self.tool, "import", archive, name)

    def session(self):
        """dockerd and its containerd; not the shims, which are in sessions of their own."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                stat = (path / "stat").read_text().rpartition(")")[2].split()
                if int(stat[3]) == self.daemon.pid:
                    found.append(int(path.name))
        return found

    def freeze(self):
        for pid in self.session():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.session():
            os.kill(pid, signal.SIGCONT)

    def pids(self):
        """What runs in its containers, by the kernel's word."""
        found = []
        for path in pathlib.Path("/sys/fs/cgroup", self.parent.lstrip("/")).glob("*/cgroup.procs"):
            with contextlib.suppress(OSError):
                found += path.read_text().split()
        return found

    def close(self):
        top = pathlib.Path("/sys/fs/cgroup", self.parent.lstrip("/"))
        if self.daemon:
            self.thaw()
        for path in top.glob("*/cgroup.kill"):
            with contextlib.suppress(OSError):
                path.write_text("1")
        if self.daemon:
            self.daemon.terminate()
            wait_at_most(20, lambda: self.daemon.poll() is not None)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.daemon.pid, signal.SIGKILL)
            self.daemon.wait()
        for folder in [*top.glob("*/"), top]:
            with contextlib.suppress(OSError):
                folder.rmdir()
