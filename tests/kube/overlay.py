"""deploy/kubernetes in a lab: a real API server with hollow nodes, on which what is on its page was typed; and its pods
run by hand, in roots of their own with volumes as a kubelet makes them."""

import base64
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / "tests/support"))
import page  # noqa: E402
from lacking import skip_lacking  # noqa: E402
from patience import pass_late, run_patient, wait_ended, wait_for  # noqa: E402
from verdict import Failed, attempt, check, run  # noqa: E402

KUBE = os.environ.get("BREAKWATER_KUBE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "breakwater/kube")
BUILD = pathlib.Path(os.environ.get("BREAKWATER_BUILD") or TOP / "build/test")
PORTS = {"a": 20100, "b": 20200}
PATIENCE_S = 180
# What the page wants of a tool image besides bash and kubectl, as far as it is called here: curl, awk, grep, sed, coreutils.
TOOLS = ("curl", "awk", "grep", "sed", "cut", "head", "paste", "sort", "timeout", "tr", "wc")
PAGE = TOP / "deploy/kubernetes/README.md"
SET = TOP / "deploy/scripts/harbor-operator/README.md"
ADMISSION = TOP / "deploy/kubernetes/admission/README.md"
AGENT, SECOND = "disaster-recovery", "disaster-recovery-second"
OVERLAYS = ("witness-1", "witness-2", "witness-3", "site-a", "site-b")
# `apply` as this lab bears it: a cluster of 1.20 does not know policy/v1 yet, and a container of a hollow node
# never ends, so one of an init container keeps its pod from ever beginning, and its pretended file system has no
# part of a volume. What was to be sent is kept. And `logs` has what the containers of a pod that is run by hand said.
KUBECTL = """#!/bin/bash
set -o pipefail
if [ "${1-}" = apply ] && [ "${3--}" != - ]; then
    case $2 in -k) %(real)s kustomize "$3" ;; *) cat "$3" ;; esac | sed 's#policy/v1$#policy/v1beta1#' |
        %(real)s create --dry-run=client -o json -f - | %(python)s %(hollow)s %(work)s | %(real)s apply -f -
    exit
fi
case $* in "-n system logs "*" -c "*) exec cat "%(work)s/pod-$4/$6.log" ;; esac
exec %(real)s "$@"
"""
BREAKWATER = """#!/bin/sh
case $1 in apply | mode | delete | switchover) set -- "$@" --yes ;; esac
exec %s "$@"
"""
HOLLOW = """import json, pathlib, sys
text, objects = sys.stdin.read(), []
while text.strip():
    one, end = json.JSONDecoder().raw_decode(text.lstrip())
    text = text.lstrip()[end:]
    objects += one["items"] if one["kind"] == "List" else [one]
for one in objects:
    template = one.get("spec", {}).get("template")
    if template:
        name = one["metadata"]["name"]
        pathlib.Path(sys.argv[1], f"{name}.json").write_text(json.dumps(template["spec"]))
        template["spec"].pop("initContainers", None)
        for each in template["spec"]["containers"]:
            each["volumeMounts"] = [mount for mount in each["volumeMounts"] if "subPath" not in mount]
print(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
"""
VOLUME = """apiVersion: v1
kind: PersistentVolume
metadata: {name: volume-%(number)d}
spec:
  capacity: {storage: 2Gi}
  accessModes: [ReadWriteOnce]
  hostPath: {path: %(work)s/volume-%(number)d, type: DirectoryOrCreate}
"""


class Lab:
    """One cluster, whose API server, Harbor and agent have addresses of their own on this machine."""

    def __init__(self, name="a"):
        number = "ab".index(name) + 1
        self.name, self.port = name, PORTS[name]
        self.harbor, self.address = f"127.0.0.2{number}", f"127.0.0.3{number}"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="breakwater-deployment."))
        self.work.chmod(0o755)
        tools = self.work / "tools"
        tools.mkdir()
        (tools / "hollow.py").write_text(HOLLOW)
        (tools / "kubectl").write_text(KUBECTL % {
            "real": f"{KUBE}/bin/kubectl", "python": sys.executable, "hollow": tools / "hollow.py", "work": self.work})
        (tools / "kubectl").chmod(0o755)
        (tools / "breakwater").write_text(BREAKWATER % (BUILD / "container/breakwater"))
        (tools / "breakwater").chmod(0o755)
        self.env = {**os.environ, "HOME": str(self.work), "KUBECONFIG": str(self.work / name / "kubeconfig"),
                    "PATH": f"{tools}:{os.environ['PATH']}", "BREAKWATER_KUBE": KUBE}
        self.pods_by_hand, self.operators = [], []
        self.replaced = HERE / "replaced/deployment.yaml"
        self.keys = HERE / "replaced/config.yaml"  # as printed: its scripts are below /scripts
        # What the names of these pods lead to.
        self.hosts = self.work / "hosts"
        self.hosts.write_text("".join(f"{address} {names}\n" for address, names in {
            "127.0.0.1": "localhost", self.address: AGENT, self.harbor: "dr-harbor-core.harbor-ns.svc",
            self.printed_harbor(): "harbor-core.harbor-ns.svc",
            **{f"127.0.0.1{each}": f"w{each}.example.net" for each in (1, 2, 3)}}.items()))

    def printed_harbor(self):
        """Where the Harbor is that has the name which the printed scripts take where they are given none."""
        return self.harbor.replace("0.2", "0.4")

    def kubectl(self, *words, **options):
        return run("kubectl", "--request-timeout=20s", *words, env=self.env, **options)

    def json(self, *words):
        return json.loads(self.kubectl(*words, "-o", "json"))

    def begin(self):
        run_patient(HERE / "up", self.name, self.port, "--dir", self.work, "--nodes", 3, timeout=400, env=self.env)
        shutil.copytree(TOP / "deploy", self.work / "deploy")
        run_patient(HERE / "define", self.env["KUBECONFIG"], HERE / "kinds.yaml", env=self.env)
        self.kubectl("create", "-f", HERE / "samples.yaml")
        (self.work / "volumes.yaml").write_text("---\n".join(
            VOLUME % {"number": number, "work": self.work} for number in range(3)))
        self.kubectl("apply", "-f", self.work / "volumes.yaml")
        self.kubectl("create", "namespace", "system")
        self.kubectl("-n", "system", "create", "configmap", "disaster-recovery-config", *[
            f"--from-file={name}={path}" for name, path in {
                "config.yaml": self.keys, "check.sh": self.check_script(), **{
                    f"{word}.sh": HERE / f"replaced/{word}.sh" for word in ("start", "stop", "status")}}.items()])
        # What the page's commands come upon, and take the place of.
        self.kubectl("-n", "system", "create", "serviceaccount", "disaster-recovery")
        run("kubectl", "apply", "-f", self.replaced, env=self.env)
        wait_for("the replaced program's pod", PATIENCE_S, lambda: self.pods(AGENT))

    def check_script(self):
        path = self.work / "check.sh"
        path.write_text(f"echo {'start' if self.name == 'a' else 'stop'}\n")
        return path

    def start_operator(self, name, address):
        with open(self.work / f"operator-{name}.log", "ab") as log:
            self.operators.append(subprocess.Popen(
                [sys.executable, HERE / "operator", "--kubeconfig", self.env["KUBECONFIG"], "--kubectl",
                 f"{KUBE}/bin/kubectl", "--name", name, "--health", f"{address}:80"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def close(self, keep):
        for pod in self.pods_by_hand:
            pod.close()
        for operator in self.operators:
            operator.kill()
            operator.wait()
        attempt(HERE / "down", self.name, "--dir", self.work, env=self.env)
        if keep:
            print(f"kept: {self.work}", flush=True)
        else:
            shutil.rmtree(self.work, ignore_errors=True)

    def account(self):
        """The folder with which a kubelet lets a pod speak to the API server as its account."""
        folder = self.work / "account"
        if not folder.exists():
            secret = self.json("-n", "system", "get", "serviceaccount", "disaster-recovery")["secrets"][0]["name"]
            data = self.json("-n", "system", "get", "secret", secret)["data"]
            folder.mkdir()
            for name in ("token", "ca.crt", "namespace"):
                (folder / name).write_bytes(base64.b64decode(data[name]))
        return folder

    def fit_block(self, block):
        """What the page prints for the first cluster, in this one."""
        return block.replace("node node1 node2", f"node {self.name}-node1 {self.name}-node2")

    def tell_more(self):
        for what in ("pods", "pvc", "events"):
            print(attempt("kubectl", "-n", "system", "get", what, env=self.env).stdout[-3000:], flush=True)
        for log in self.work.glob("pod-*/*.log"):
            print(f"---- {log.parent.name}/{log.name}\n{log.read_text(errors='replace')[-2500:]}", flush=True)

    def pods(self, app):
        return self.json("-n", "system", "get", "pods", "-l", f"app={app}")["items"]

    def ready(self, app):
        """The one pod of it, once it is Ready; else None."""
        found = [pod for pod in self.pods(app) if "deletionTimestamp" not in pod["metadata"]]
        if len(found) != 1:
            return None
        conditions = found[0].get("status", {}).get("conditions", [])
        return found[0] if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions) else None


def type_block(lab, block):
    """As a person would, in a folder where `deploy` lies."""
    done = attempt("bash", "-euo", "pipefail", "-c", page.script(lab.fit_block(block)), cwd=lab.work, env=lab.env,
                   timeout=500)
    pass_late(done)
    return done


def run_blocks(lab, mark="sh", of=PAGE):
    """Every command of the page with that mark, in its order."""
    for number, block in enumerate(page.blocks(of.read_text(), mark), 1):
        done = type_block(lab, block)
        check(f"{mark}: block {number} of the page runs", done.returncode == 0,
              done.returncode and done.stdout[-300:] + done.stderr[-700:])


def drop_all(root):
    """As a container without capabilities: its root, and no right beyond that of its user."""
    libc = ctypes.CDLL(None)
    os.chroot(root)
    os.chdir("/")
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


def add_tools(root):
    """What a tool image has to have, and that of breakwater has not."""
    for tool in ("/bin/bash", f"{KUBE}/bin/kubectl", *(f"/usr/bin/{name}" for name in TOOLS)):
        place = root / "bin" / pathlib.Path(tool).name
        place.unlink(missing_ok=True)  # a name of busybox
        shutil.copy(tool, place)
        for path in re.findall(r"(/\S+) \(0x", attempt("ldd", tool).stdout):
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)


# Of the image that the printed Deployment is given: where kubectl has --request-timeout, which the printed status.sh gives
# it, it does not look for the pod's account by itself.
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: pod
contexts: [{name: pod, context: {cluster: pod, user: pod}}]
clusters:
- name: pod
  cluster:
    server: https://127.0.0.1:%d
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
users: [{name: pod, user: {tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}}]
"""


class Pod:
    """What a kubelet makes of a pod's template, as far as breakwater can see it."""

    def __init__(self, lab, name, spec, node, is_printed=False, fit=None):
        """`fit(NAME, TEXT)`: what is different in the files of this one, but for the address of an agent."""
        self.lab, self.name, self.spec, self.node = lab, name, spec, node
        self.is_printed = is_printed
        self.fit = fit or (lambda _, text: text.replace(" 0.0.0.0:", f" {lab.address}:"))
        self.folder = lab.work / f"pod-{name}"
        self.mounted, self.running = [], {}
        self.volumes = {each["name"]: self.make_volume(each) for each in spec["volumes"]}

    def mount(self, *words):
        run("mount", *words)
        self.mounted.append(words[-1])

    def make_volume(self, volume):
        path = self.folder / "volumes" / volume["name"]
        if "persistentVolumeClaim" in volume:
            path = self.lab.work / "claims" / volume["persistentVolumeClaim"]["claimName"]
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o777)  # the widest that a provisioner gives
        elif "configMap" in volume:
            path.mkdir(parents=True)
            self.project(path, {"sources": [{"configMap": volume["configMap"]}]})
            path.chmod(0o777)
        elif "hostPath" in volume:
            path = self.node / volume["hostPath"]["path"].lstrip("/")
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        else:
            path.mkdir(parents=True)
            is_memory = "projected" in volume or volume.get("emptyDir", {}).get("medium") == "Memory"
            if is_memory:
                self.mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", path)
            else:
                path.chmod(0o777)
            if "projected" in volume:
                self.project(path, volume["projected"])
        return path

    def project(self, path, projected):
        inside = path / "..2026_11_23"
        inside.mkdir(mode=0o755)
        for source in projected["sources"]:
            kind = "configMap" if "configMap" in source else "secret"
            reference = source[kind]
            wanted = ("-n", "system", "get", kind.lower(), reference["name"])
            if reference.get("optional") and self.lab.kubectl(*wanted, "--ignore-not-found") == "":
                continue
            data = self.lab.json(*wanted)["data"]
            names = {each["key"]: each["path"] for each in reference.get("items", [])} or {key: key for key in data}
            for key, name in names.items():
                text = data[key]
                if kind == "secret":
                    text = subprocess.run(["base64", "-d"], input=text, text=True, capture_output=True,
                                          check=True).stdout
                (inside / name).write_text(self.fit(name, text))
                (inside / name).chmod(projected.get("defaultMode", 0o644))
                (path / name).symlink_to(f"..data/{name}")
        (path / "..data").symlink_to(inside.name)

    def make_root(self, container):
        """The image, with the places for what is mounted, and closed."""
        root = self.folder / container["name"]
        shutil.copytree(BUILD / "container/root", root, symlinks=True)
        if "/tools:" in container["image"] or self.is_printed:
            add_tools(root)
        for name in ("proc", "dev", "etc", "tmp"):
            (root / name).mkdir(exist_ok=True)
        shutil.copy(self.lab.hosts, root / "etc/hosts")
        if self.is_printed:
            (root / "etc/kubeconfig").write_text(KUBECONFIG % self.lab.port)
        if "serviceAccountName" in self.spec:
            shutil.copytree(self.lab.account(), root / "var/run/secrets/kubernetes.io/serviceaccount")
        self.mount("--bind", root, root)
        for name in ("proc", "dev"):
            self.mount("--bind", f"/{name}", root / name)
        boot = self.node / "boot_id"
        if boot.exists():
            self.mount("--bind", boot, root / "proc/sys/kernel/random/boot_id")
        for each in sorted(container["volumeMounts"], key=lambda each: each["mountPath"].count("/")):
            place = root / each["mountPath"].lstrip("/")
            source = self.volumes[each["name"]] / each.get("subPath", "")
            if source.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            self.mount("--bind", source, place)
            if each.get("readOnly"):
                run("mount", "-o", "remount,bind,ro", place)
        run("mount", "-o", "remount,bind,ro", root)
        return root

    def begin(self, container, more=()):
        root = self.make_root(container)
        context = container.get("securityContext")
        if not self.is_printed:
            check(f"{self.name}/{container['name']}: root, alone, without any right",
                  context["runAsUser"] == 0 and context["readOnlyRootFilesystem"] and
                  context["capabilities"] == {"drop": ["ALL"]} and not context["allowPrivilegeEscalation"])
        env = {**self.env_of(container), **dict(more)}
        log = open(self.folder / f"{container['name']}.log", "wb")
        process = subprocess.Popen(container["command"], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   preexec_fn=lambda: drop_all(str(root)), start_new_session=True)
        log.close()
        return root, process

    def env_of(self, container):
        """Of its image, of Kubernetes, and its own."""
        return {"PATH": "/bin:/usr/bin", **({"KUBECONFIG": "/etc/kubeconfig"} if self.is_printed else {}),
                "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.lab.port),
                **{each["name"]: each["value"] for each in container.get("env", []) if "value" in each}}

    def initialise(self, more=()):
        for container in self.spec["initContainers"]:
            _, process = self.begin(container, more)
            check(f"{self.name}/{container['name']}: the init container ends well",
                  wait_ended(container["name"], 60, process) == 0)

    def start(self):
        for container in self.spec["containers"]:
            root, process = self.begin(container)
            self.running[container["name"]] = (root, process)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def count(self, name, word):
        return self.log(name).count(word)

    def inside(self, name, *command, timeout=60):
        root, _ = self.running[name]
        env = self.env_of(next(each for each in self.spec["containers"] if each["name"] == name))
        return subprocess.run(command, env=env, text=True, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=timeout, preexec_fn=lambda: drop_all(str(root)))

    def end(self):
        """As a kubelet does: what is to be run before, TERM, and KILL once the grace period is over."""
        deadline = time.monotonic() + self.spec.get("terminationGracePeriodSeconds", 30)
        for container in self.spec["containers"]:
            if "lifecycle" in container:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.inside(container["name"], *container["lifecycle"]["preStop"]["exec"]["command"],
                                timeout=deadline - time.monotonic())
        for _, process in self.running.values():
            process.terminate()
        for _, process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 1))
        self.close()

    def kill_all(self):
        """One round of KILL for all that runs in it; True when there was nothing."""
        found = False
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(path / "root").startswith(f"{self.folder}/"):
                    found = True
                    os.kill(int(path.name), signal.SIGKILL)
        return not found

    def power_off(self):
        """As its node, when that is lost."""
        wait_for(f"all of {self.name} is off", 30, self.kill_all)

    def close(self):
        for _, process in self.running.values():
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.kill_all()
        for place in reversed(self.mounted):
            attempt("umount", "-l", place)


def spec_of(lab, name):
    return json.loads((lab.work / f"{name}.json").read_text())


def start_pod(lab, name, app, place, *init, **options):
    """A pod of the overlay, on a node: a folder, and another boot."""
    node = lab.work / place
    node.mkdir(exist_ok=True)
    if not (node / "boot_id").exists():
        (node / "boot_id").write_text(f"{uuid.uuid4()}\n")
    spec = spec_of(lab, app)
    if app == "breakwater-witness":
        spec["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": name}})
    pod = Pod(lab, name, spec, node, **options)
    lab.pods_by_hand.append(pod)
    pod.initialise(*init)
    pod.start()
    return pod


def start_witness(lab, name, number):
    """That of the overlay, at an address of its own: all are on one machine."""
    def fit(name, text):
        if name == "identity.pem":
            return (lab.work / f"pki/w{number}.pem").read_text()
        return text.replace("name: w1\n", f"name: w{number}\n").replace("0.0.0.0:", f"127.0.0.1{number}:")
    cluster = (lab.work / f"deploy/kubernetes/examples/witness-{number}/cluster-id").read_text()
    pod = start_pod(lab, name, "breakwater-witness", "node", [("CLUSTER_ID", cluster)], fit=fit)
    wait_for("the witness runs", 60, lambda: pod.count("witness", "event=witness.started"))


def begin_cluster(lab):
    """Three witnesses of the overlay: the first makes the cluster's id, which the page's commands give to the others."""
    start_witness(lab, "breakwater-witness-0", 1)
    run_blocks(lab, "sh witnesses")
    for number in (2, 3):
        start_witness(lab, f"witness-{number}", number)
    own = lab.work / ".config/breakwater/cli.yaml"
    own.parent.mkdir(parents=True)
    own.write_text((TOP / "deploy/examples/cli.yaml").read_text()
                   .replace("ca.pem", f"{lab.work}/pki/ca.pem")
                   .replace("anna.pem", f"{lab.work}/pki/anna.pem"))
    wait_for("a leader", 60, lambda: attempt("breakwater", "status", env=lab.env).returncode in (0, 4))
    check("three witnesses begin, and answer a person", True)


def processes():
    return [int(path.name) for path in pathlib.Path("/proc").glob("[0-9]*")]


def words(pid):
    with contextlib.suppress(OSError):
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if line[0] == b"/opt/bin/breakwater":
            return [word.decode() for word in line]
    return []


def begin_inside(program):
    """Goes on only where all of it can be shown, in namespaces of its own."""
    if os.geteuid() != 0:
        skip_lacking("root")
    if attempt(HERE / "build", "--can").returncode == 77:
        skip_lacking("kube")
    if not (BUILD / "container/root").exists():
        skip_lacking("curlsource", "no image was made")
    if os.environ.get("BREAKWATER_INSIDE") != "yes":
        os.environ["BREAKWATER_INSIDE"] = "yes"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                              sys.executable, "-B", program, *sys.argv[1:]])
    os.umask(0o022)
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", "10.88.0.1/32", "dev", "lo")  # where there is none but loopback no name leads anywhere
