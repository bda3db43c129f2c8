"""The stand-in for Harbor's core: `/api/v2.0/health` as Harbor answers it, by asking PostgreSQL, Redis, the registry and the
portal each time. Runs in a container, with the environment that `prepare` has written."""

import http.server
import json
import os
import signal
import socket
import urllib.request

import psycopg2


def database():
    with psycopg2.connect(connect_timeout=2, host=os.environ["POSTGRESQL_HOST"], port=os.environ["POSTGRESQL_PORT"],
                          user=os.environ["POSTGRESQL_USERNAME"], password=os.environ["POSTGRESQL_PASSWORD"],
                          dbname=os.environ["POSTGRESQL_DATABASE"]) as link, link.cursor() as cursor:
        cursor.execute("SELECT NOT pg_is_in_recovery()")
        return cursor.fetchone()[0]


def redis():
    host, port = os.environ["REDIS"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=2) as link:
        link.sendall(b"PING\r\n")
        return link.recv(64).startswith(b"+PONG")


def answers(url):
    with urllib.request.urlopen(url, timeout=2) as reply:
        return reply.status == 200


ASKED = {"core": lambda: True, "database": database, "redis": redis,
         "registry": lambda: answers(os.environ["REGISTRY_URL"] + "/v2/"),
         "portal": lambda: answers(os.environ["PORTAL_URL"] + "/")}


def is_healthy(ask):
    try:
        return bool(ask())
    except Exception:  # whatever it is, it is not well
        return False


class Core(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def do_GET(self):
        if self.path == "/api/v2.0/ping":
            body = b"Pong"
        else:
            parts = [{"name": name, "status": "healthy" if is_healthy(ask) else "unhealthy"} for name, ask in ASKED.items()]
            whole = "healthy" if all(part["status"] == "healthy" for part in parts) else "unhealthy"
            body = json.dumps({"status": whole, "components": parts}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGTERM, lambda *words: os._exit(0))  # the first process of a container has no default
http.server.ThreadingHTTPServer((os.environ["LISTEN_HOST"], int(os.environ["LISTEN_PORT"])), Core).serve_forever()
