"""A real BIND that nobody else asks, as tests make it: it is the primary server of example.net."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from cluster import free_ports  # noqa: E402
from patience import Late, wait_for  # noqa: E402
from verdict import Failed  # noqa: E402

SECRET = "c2VjcmV0IG9mIGEgdGVzdCwgMzIgYnl0ZXMgbG9uZyE="
OTHER_SECRET = "YW5vdGhlciBzZWNyZXQgb2YgYSB0ZXN0LCAzMiBieXQ="
ZONE = """$TTL 30
@ SOA ns1.example.net. root.example.net. 1 3600 600 86400 5
@ NS ns1.example.net.
ns1 A 127.0.0.1
taken CNAME ns1
_breakwater.foreign TXT "v=spf1 -all"
"""
PATIENCE = 60  # seconds


def key_text(secret):
    return f'key "shop-key" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'


class Server:
    """A BIND that nobody else asks. Its program is a copy: a profile of AppArmor knows the installed one."""

    def __init__(self, folder, address="127.0.0.1", port=0):
        self.folder, self.address = folder, address
        self.port = port or free_port()
        self.key = folder / "shop.key"
        self.key.write_text(key_text(SECRET))
        self.key.chmod(0o600)
        (folder / "wrong.key").write_text(key_text(OTHER_SECRET))
        (folder / "wrong.key").chmod(0o600)
        (folder / "zone").write_text(ZONE)
        (folder / "named.conf").write_text(f'''include "{self.key}";
options {{
    directory "{folder}";
    listen-on port {self.port} {{ {self.address}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    pid-file none;
    session-keyfile none;
    managed-keys-directory "{folder}";
}};
controls {{ }};
zone "example.net" {{
    type primary;
    file "{folder}/zone";
    update-policy {{
        grant shop-key subdomain example.net A AAAA CNAME TXT;
    }};
}};
''')
        program = folder / "named"
        shutil.copy(shutil.which("named", path=search_path()), program)
        self.log = open(folder / "named.log", "w", encoding="utf-8")
        self.process = subprocess.Popen([program, "-4", "-n", "1", "-g", "-c", folder / "named.conf"],
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        self.until_it_answers()

    def until_it_answers(self):
        def answers():
            if self.process.poll() is not None:
                raise Failed(f"named has ended:\n{(self.folder / 'named.log').read_text()}")
            return self.dig("ns1.example.net", "A") == ["127.0.0.1"]
        try:
            wait_for("named answers", PATIENCE, answers, pause_s=0.05)
        except Late as late:
            raise Late(f"{late}\n{(self.folder / 'named.log').read_text()}") from None

    def dig(self, name, kind):
        """The data that it answers: by another question than the script's, over UDP and without a key."""
        done = subprocess.run(["dig", "+short", "+norecurse", "+tries=1", "+time=2", "-p", str(self.port),
                               f"@{self.address}", name, kind], capture_output=True, text=True)
        return sorted(line for line in done.stdout.splitlines() if line and not line.startswith(";"))

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.kill()
        self.process.wait()


def search_path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def free_port():
    """Free for both, UDP and TCP."""
    while True:
        port, = free_ports(1)
        with socket.socket(type=socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
            udp.bind(("127.0.0.1", port))
            return port
