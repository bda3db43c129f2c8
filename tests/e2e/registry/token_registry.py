"""A real docker-registry with its token authentication, as tests make it, behind a front that speaks TLS. The token service,
in the front or on a port of its own, is a stand-in for the core of Harbor: it checks a robot account, and signs with a key
whose certificate the registry knows."""

import base64
import http.client
import http.server
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from cluster import free_ports  # noqa: E402
from patience import Late, wait_for  # noqa: E402

ACCOUNT = "robot$breakwater"
PASSWORD = 'a "secret" \\ of the test'
PATIENCE = 60  # seconds


def openssl(*words, given=None):
    return subprocess.run(["openssl", *map(str, words)], check=True, input=given, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Http(http.server.ThreadingHTTPServer):
    daemon_threads = True
    scheme = "http"

    def __init__(self, place, handler):
        super().__init__(place, handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client may close its connection at any time


class Https(Http):
    scheme = "https"

    def __init__(self, keys, place, handler):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys / "server.pem", keys / "server.key")
        self.context = context
        super().__init__(place, handler)

    def server_activate(self):
        super().server_activate()
        self.socket = self.context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body, fields=(), length=None):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def give_token(world, request):
    """The stand-in for Harbor's core."""
    world.asked_tokens.append(request.headers.get("Authorization", ""))
    if world.tokens_hang:
        time.sleep(PATIENCE)
    if world.tokens_status != 200:
        request.answer(world.tokens_status, b"the core is away\n")
        return
    wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()
    if request.headers.get("Authorization") != wanted:
        request.answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
        return
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
    kind, name, actions = query["scope"][0].split(":")
    body = {"token": world.sign([{"type": kind, "name": name, "actions": actions.split(",")}])}
    request.answer(200, json.dumps(body).encode(), [("Content-Type", "application/json")])


def tokens(world):
    class Tokens(Quiet):
        def do_GET(self):
            give_token(world, self)

    return Tokens


def front(world):
    """In front of the registry; with tokens too, as Harbor's is."""

    class Front(Quiet):
        def fields_of(self, answer):
            for name, value in answer.getheaders():
                if name.lower() == "www-authenticate" and world.challenge:
                    value = world.challenge
                elif name.lower() == "location":  # below the name that was asked
                    to = "elsewhere.example.net" if world.elsewhere else self.headers["Host"]
                    value = value.replace(world.url, f"{self.server.scheme}://{to}")
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    yield name, value

        def given(self):
            """What came with the request, in parts where its length was not known before."""
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            del self.headers["Transfer-Encoding"]
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def pass_on(self):
            given = self.given()
            if world.status is not None:
                self.answer(world.status, b"the registry is away\n")
                return
            if self.path.startswith("/service/token"):
                give_token(world, self)
                return
            behind = http.client.HTTPConnection("127.0.0.1", world.registry_port, timeout=PATIENCE)
            behind.request(self.command, self.path, given, dict(self.headers))
            answer = behind.getresponse()
            body = answer.read()
            if self.command == "GET" and world.changes and world.changes in self.path:
                body = body[:-1] + bytes([body[-1] ^ 1])
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.answer(answer.status, body, list(self.fields_of(answer)), length)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = pass_on

    return Front


def make_keys(folder, *names):
    """What the front shows, for these names, and what tokens are signed with."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={names[0]}", "-addext",
            "subjectAltName=" + ",".join(f"DNS:{name}" for name in names), "-keyout", folder / "server.key",
            "-out", folder / "server.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=core", "-keyout",
            folder / "token.key", "-out", folder / "token.pem")


class Registry:
    """`keys`: the folder of make_keys; `url`: as users write it; `realm`: where the token service is; `storage`: of the
    registry's configuration, YAML of one line."""

    def __init__(self, folder, keys, url, realm, storage):
        self.folder, self.keys, self.url, self.realm, self.storage = folder, keys, url, realm, storage
        self.registry_port, = free_ports(1)
        self.process = None
        der = openssl("x509", "-in", keys / "token.pem", "-outform", "DER")
        self.token_der = base64.b64encode(der).decode()
        self.reset()

    def sign(self, access):
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.token_der]}
        claims = {"iss": "core", "sub": ACCOUNT, "aud": "registry", "exp": now + 300, "nbf": now - 60, "iat": now,
                  "jti": str(now), "access": access}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = openssl("dgst", "-sha256", "-sign", self.keys / "token.key", given=text.encode())
        return f"{text}.{base64url(signature)}"

    def reset(self):
        """Nothing of it is to fail."""
        self.asked_tokens = []
        self.tokens_hang = False
        self.tokens_status = 200
        self.status = None
        self.changes = ""
        self.challenge = ""
        self.elsewhere = False

    def start(self, read_only=False):
        """The registry, with what it had."""
        self.stop()
        config = self.folder / "config.yml"
        config.touch(0o600)  # the key of the storage is in it
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage:\n    {self.storage}\n"
            f"    maintenance: {{readonly: {{enabled: {str(read_only).lower()}}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.registry_port}', host: '{self.url}'}}\n"
            f"auth: {{token: {{realm: '{self.realm}', service: registry,\n"
            f"    issuer: core, rootcertbundle: {self.keys}/token.pem}}}}\n")
        log = open(self.folder / "registry.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})

        def listens():
            if self.process.poll() is not None:
                raise OSError(f"docker-registry has ended:\n{(self.folder / 'registry.log').read_text()}")
            with socket.socket() as tcp:
                return tcp.connect_ex(("127.0.0.1", self.registry_port)) == 0
        try:
            wait_for("docker-registry listens", PATIENCE, listens, pause_s=0.05)
        except Late as late:
            raise Late(f"{late}\n{(self.folder / 'registry.log').read_text()}") from None

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def login(folder, host):
    """A file by which skopeo logs in."""
    auth = folder / "auth.json"
    secret = base64.b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()
    auth.touch(0o600)
    auth.write_text(json.dumps({"auths": {host: {"auth": secret}}}))
    return auth


def skopeo(folder, keys, host, *words):
    """As another client: its own login, its own token."""
    done = subprocess.run(["skopeo", "--insecure-policy", *map(str, words)], capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "HOME": str(folder), "SSL_CERT_FILE": str(keys / "server.pem"),
                               "REGISTRY_AUTH_FILE": str(login(folder, host))}, timeout=2 * PATIENCE)
    if done.returncode != 0:
        raise AssertionError(f"skopeo {words[0]}: {done.stderr}")
    return done.stdout
