"""What suites of the management APIs have in common: servers whose answers are functions, a scene with a service that
asks them, and the runner of cases side by side."""

import concurrent.futures
import gzip
import http.server
import json
import subprocess
import sys
import threading
import time

import serving
from serving import ask, wait_for

SIDE_BY_SIDE = 5


class Peer:
    """An HTTP server whose answers are a function of the request: (status, headers, body)."""

    def __init__(self, answer, tls=None):
        peer = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                seen = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": body}
                seen["at"] = time.monotonic()
                peer.requests.append(seen)
                status, headers, out = answer(seen)
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    if "Content-Length" not in headers and status != 304:
                        self.send_header("Content-Length", str(len(out)))
                    self.end_headers()
                    self.wfile.write(out)
                    if "Content-Length" in headers:
                        self.close_connection = True
                except OSError:
                    pass

            do_GET = do_POST = do

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


class Scene(serving.World):
    def __init__(self):
        super().__init__()
        self.n = 0

    def bundle(self, answer, root="app", extra=""):
        """The bytes of a bundle where data.<root>.answer is the text."""
        manifest = json.dumps({"revision": answer, "roots": [root]})
        rego = f'package {root}\n\nanswer := "{answer}"\n{extra}'
        return serving.archive([("/.manifest", manifest.encode()), (f"/{root}/{root}.rego", rego.encode())])

    def run(self, config, **how):
        """The service, once it answers, whether its bundles are there or not: (process, port)."""
        self.n += 1
        config = {"persistence_directory": self.path(f"state{self.n}"), **config}
        port, path = serving.free_port(), self.write(f"c{self.n}.json", json.dumps(config))
        command = [serving.COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "-c", path]
        process = self.start(*command, "--log-level", "error", log=f"log{self.n}", **how)
        wait_for("countersign", lambda: ask(port, "GET", "/health").status == 200, 30, process)
        return process, port

    def certificate(self, name, *, days="30", issuer=None, san="IP:127.0.0.1"):
        """A key and a certificate, by itself or by an issuer: (certificate, key)."""
        key, request, out = self.path(name + ".key"), self.path(name + ".csr"), self.path(name + ".crt")
        options = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={san}"]
        new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, *options]
        if issuer is None:
            command = [*new, "-x509", "-days", days, "-out", out]
            subprocess.run(command, check=True, capture_output=True)
        else:
            subprocess.run([*new, "-out", request], check=True, capture_output=True)
            command = ["openssl", "x509", "-req", "-in", request, "-CA", issuer[0], "-CAkey", issuer[1], "-out", out]
            command += ["-CAcreateserial", "-copy_extensions", "copy", "-days", days]
            subprocess.run(command, check=True, capture_output=True)
        return out, key


def answer_of(port, root="app"):
    return ask(port, "GET", f"/v1/data/{root}/answer").json().get("result")


def status_of(port, name="b"):
    return ask(port, "GET", "/v1/status").json()["result"]["bundles"][name]


def config(url, *, service=None, status=None, **bundle):
    polling = {"min_delay_seconds": 1, "max_delay_seconds": 1, **bundle.pop("polling", {})}
    return {
        "services": {"s": {"url": url, **(service or {})}},
        "status": {"prometheus": True} if status is None else status,
        "bundles": {"b": {"service": "s", "resource": "bundles/app.tar.gz", "polling": polling, **bundle}},
    }


def stop(w, process, *peers):
    w.stop(process)
    for peer in peers:
        peer.end()


class Collector(Peer):
    """Takes chunks, or refuses them while `refuse` is a status."""

    def __init__(self):
        self.refuse, self.events, self.sizes = 0, [], []
        super().__init__(self.take)

    def take(self, seen):
        if self.refuse:
            return self.refuse, {}, b"no"
        assert seen["headers"]["Content-Encoding"] == "gzip" and seen["headers"]["Content-Type"] == "application/json"
        self.sizes.append(len(seen["body"]))
        self.events += json.loads(gzip.decompress(seen["body"]))
        return 204, {}, b""

    def numbers(self):
        return [e["input"]["n"] for e in self.events]


def run(cases):
    """Each case has a world of its own, and mostly waits: they run side by side."""
    wanted = [c for c in cases if not sys.argv[1:] or c.__name__ in sys.argv[1:]]
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        runs = [(c, pool.submit(c, Scene())) for c in wanted]

        def waiter(function, run):
            def wait():
                run.result()

            wait.__name__ = function.__name__
            return wait

        done = serving.run_cases([waiter(*r) for r in runs], seconds=100)
    serving.close(*done)
