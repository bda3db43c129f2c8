"""Two zones of object storage, each a Ceph cluster of its own: one monitor, one OSD on a file, one gateway, all real."""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from patience import wait_for  # noqa: E402

PATIENCE = 120  # seconds, of one command on a slow machine
USER = ("BREAKWATERUSER", "secret-of-the-user")
SYSTEM = ("BREAKWATERSYSTEM", "secret-of-the-zones")
BUCKET = "harbor-registry"
PARTS = ("mon", "osd", "gateway")


def until(is_met, what, seconds=60):
    wait_for(what, seconds, is_met, pause_s=0.1)


class Zone:
    """`port`, and 99 after it, are its cluster's, at `address`; `enter`: the words by which a program gets to where that is."""

    def __init__(self, folder, name, port, address="127.0.0.1", enter=()):
        self.folder = folder / name
        self.name = f"zone-{name}"
        self.site = f"dc-{name}"
        self.port = port
        self.gateway_port = port + 9
        self.second_port = port + 10
        self.address, self.enter = address, list(enter)
        self.url = f"http://{address}:{self.gateway_port}"
        self.second_url = f"http://{address}:{self.second_port}"
        self.processes = {}
        self.folder.mkdir()
        self.environment = {"PATH": os.environ["PATH"], "CEPH_CONF": str(self.folder / "ceph.conf"),
                            "TMPDIR": str(self.folder), "HOME": str(self.folder)}

    # ---- the cluster ------------------------------------------------------------------------------

    def make(self):
        fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
        (self.folder / "ceph.conf").write_text(f"""[global]
fsid = {fsid}
mon_host = v2:{self.address}:{self.port}
ms_bind_msgr1 = false
ms_bind_port_min = {self.port + 20}
ms_bind_port_max = {self.port + 80}
public_addr = {self.address}
cluster_addr = {self.address}
keyring = {self.folder}/keyring
run_dir = {self.folder}
crash_dir = {self.folder}
admin_socket =
pid_file =
log_file = {self.folder}/$name.log
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 2
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 10000
mon_warn_on_pool_no_redundancy = false
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
mon_data = {self.folder}/mon
osd_data = {self.folder}/osd
osd_objectstore = bluestore
bluestore_block_size = 2147483648
bluestore_block_wal_create = false
bluestore_block_db_create = false
osd_memory_target = 939524096
rgw_sync_lease_period = 10
rgw_curl_low_speed_time = 20
rgw_thread_pool_size = 64
[client.gateway]
rgw_frontends = beast endpoint={self.address}:{self.gateway_port}
rgw_realm = realm
rgw_zonegroup = group
rgw_zone = {self.name}
[client.second]
rgw_frontends = beast endpoint={self.address}:{self.second_port}
rgw_realm = realm
rgw_zonegroup = group
rgw_zone = {self.name}
""")
        for entity, *caps in [("client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *"),
                              ("mon.", "--cap", "mon", "allow *"),
                              ("osd.0", "--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"),
                              ("client.gateway", "--cap", "mon", "allow rw", "--cap", "osd", "allow rwx"),
                              ("client.second", "--cap", "mon", "allow rw", "--cap", "osd", "allow rwx")]:
            keyring = self.folder / "keyring"
            self.tool("ceph-authtool", keyring, *([] if keyring.exists() else ["-C"]), "--gen-key", "-n", entity, *caps)
        self.tool("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:{self.address}:{self.port}]",
                  self.folder / "monmap")
        for part in ("mon", "osd"):
            (self.folder / part).mkdir()
        self.tool("ceph-mon", "-i", "a", "--mkfs", "--monmap", self.folder / "monmap")
        self.begin("mon")
        self.tool("ceph", "osd", "new", osd, "0")
        self.tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.begin("osd")
        until(lambda: json.loads(self.tool("ceph", "osd", "stat", "-f", "json"))["num_up_osds"] == 1, "its OSD is up")

    def begin(self, *parts):
        words = {"mon": ["ceph-mon", "-f", "-i", "a"], "osd": ["ceph-osd", "-f", "-i", "0"],
                 "gateway": ["radosgw", "-f", "--name", "client.gateway"],
                 "second": ["radosgw", "-f", "--name", "client.second"]}
        for part in parts or PARTS:
            log = open(self.folder / f"{part}.out", "a", encoding="utf-8")
            self.processes[part] = subprocess.Popen(self.enter + words[part], env=self.environment, stdin=subprocess.DEVNULL,
                                                    stdout=log, stderr=log, start_new_session=True)

    def kill(self, *parts):
        for part in parts or PARTS:
            self.processes[part].kill()
            self.processes[part].wait()

    def freeze(self, part):
        self.processes[part].send_signal(signal.SIGSTOP)

    def thaw(self, part):
        self.processes[part].send_signal(signal.SIGCONT)

    def tool(self, *words):
        done = subprocess.run(self.enter + [str(word) for word in words], env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    def gateway_says(self):
        """The last lines of its log, but those of requests."""
        lines = (self.folder / "client.gateway.log").read_text(errors="replace").splitlines()
        return "\n".join([line[:200] for line in lines if "beast: 0x" not in line and " req" not in line][-25:])

    def admin(self, *words):
        return self.tool("radosgw-admin", *words, "--rgw-realm=realm", "--rgw-zonegroup=group")

    def period(self):
        return json.loads(self.admin("period", "get"))

    def master(self):
        """The name of the master, as this cluster has it."""
        period = self.period()
        return [zone["name"] for group in period["period_map"]["zonegroups"] for zone in group["zones"]
                if zone["id"] == period["master_zone"]][0]

    def is_read_only(self, name):
        """A zone, as this cluster has it."""
        return [str(zone["read_only"]).lower() == "true" for group in self.period()["period_map"]["zonegroups"]
                for zone in group["zones"] if zone["name"] == name][0]

    def marks(self):
        """What was ordered here, as the scripts keep it."""
        return self.tool("rados", "-N", "breakwater", "-p", ".rgw.root", "listomapkeys", self.name)

    def watchers(self):
        """The ids of the gateways that RADOS takes to live."""
        return re.findall(r" client\.(\d+) ", self.tool("rados", "-p", f"{self.name}.rgw.control", "listwatchers", "notify.0"))

    # ---- what a user sees -------------------------------------------------------------------------

    def signed(self, method, path, hashed, port, user=USER):
        """The fields of a request, with a signature that is made here."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        fields = {"host": f"{self.address}:{port}", "x-amz-content-sha256": hashed, "x-amz-date": now}
        names = ";".join(fields)
        request = "\n".join([method, path, "", *(f"{key}:{value}" for key, value in fields.items()), "", names, hashed])
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = b"AWS4" + user[1].encode()
        for part in [*scope.split("/"), text]:
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return fields | {"authorization": f"AWS4-HMAC-SHA256 Credential={user[0]}/{scope}, SignedHeaders={names}, "
                                          f"Signature={key.hex()}"}

    def s3(self, method, path, body=b"", port=0, user=USER):
        """(status, content); (0, why) without an answer. Asks the second gateway by its port."""
        port = port or self.gateway_port
        connection = http.client.HTTPConnection(self.address, port, timeout=10)
        try:
            hashed = hashlib.sha256(body).hexdigest()
            connection.request(method, path, body, self.signed(method, path, hashed, port, user))
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as broken:
            return 0, str(broken)
        finally:
            connection.close()

    def gateway_id(self, port):
        """That of whoever answers there, which it has until it takes over another period; None without an answer."""
        connection = http.client.HTTPConnection(self.address, port, timeout=10)
        try:
            connection.request("HEAD", "/")
            return str(int(connection.getresponse().getheader("x-amz-request-id").split("-")[2], 16))
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def begin_upload(self, name, text):
        """Half of it is sent: `finish_upload` sends the rest."""
        path = f"/{BUCKET}/{name}"
        connection = http.client.HTTPConnection(self.address, self.gateway_port, timeout=PATIENCE)
        connection.putrequest("PUT", path, skip_host=True, skip_accept_encoding=True)
        for key, value in self.signed("PUT", path, "UNSIGNED-PAYLOAD", self.gateway_port).items():
            connection.putheader(key, value)
        connection.putheader("Content-Length", str(len(text)))
        connection.endheaders(text[:len(text) // 2].encode())
        return connection, text[len(text) // 2:]

    @staticmethod
    def finish_upload(upload):
        """Its status; 0 without an answer."""
        connection, rest = upload
        try:
            connection.send(rest.encode())
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def write(self, name, text="some bytes", **more):
        return self.s3("PUT", f"/{BUCKET}/{name}", text.encode(), **more)[0]

    def read(self, name):
        return self.s3("GET", f"/{BUCKET}/{name}")

    def has(self, name, text="some bytes"):
        return self.read(name) == (200, text)


def make_realm(a, b):
    """Zone A is the master and takes writes, zone B is read-only."""
    key = (f"--access-key={SYSTEM[0]}", f"--secret={SYSTEM[1]}")
    a.admin("realm", "create", "--default")
    a.admin("zonegroup", "create", f"--endpoints={a.url}", "--master", "--default")
    a.admin("zone", "create", f"--rgw-zone={a.name}", f"--endpoints={a.url}", "--master", "--default", *key)
    a.admin("user", "create", "--uid=zones", "--display-name=zones", "--system", *key)
    a.admin("user", "create", "--uid=harbor", "--display-name=harbor", f"--access-key={USER[0]}", f"--secret={USER[1]}")
    a.admin("period", "update", "--commit")
    a.begin("gateway")
    until(lambda: a.s3("PUT", f"/{BUCKET}")[0] == 200, "a bucket is made at A")
    b.tool("radosgw-admin", "realm", "pull", f"--url={a.url}", "--default", *key)
    b.admin("zone", "create", f"--rgw-zone={b.name}", f"--endpoints={b.url}", "--read-only", "--default", *key)
    b.admin("period", "update", "--commit")
    b.begin("gateway")
    until(lambda: b.s3("HEAD", f"/{BUCKET}")[0] == 200, "the bucket is known at B")
