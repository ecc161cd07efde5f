#!/usr/bin/env python3
"""http.send and net.lookup_ip_addr of the built program, against a server of this suite: answers and failures,
TLS with client certificates, redirects, both caches, what slow servers do to other requests, clients that go away,
the end of the service in the middle of an exchange. The expected texts are those of opa eval on the same server."""

import gzip
import http.client
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

import serving
from serving import COUNTERSIGN, ask


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def give(self, code, kind=None, body=b"", *headers):
        self.send_response(code)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        self.server.hits[path] = self.server.hits.get(path, 0) + 1
        count = b'{"n":%d}' % self.server.hits[path]
        if path == "/echo":
            seen = sorted([k, v] for k, v in self.headers.items() if k.lower() not in ("host", "user-agent"))
            told = {"method": self.command, "path": self.path, "headers": seen, "body": body.decode()}
            self.give(200, "application/json", json.dumps(told).encode())
        elif path == "/count":
            self.give(200, "application/json; charset=utf-8", count, ("X-Two", "a"), ("X-Two", "b"))
        elif path == "/fails":
            self.give(500, "application/json", count)
        elif path == "/bad-json":
            self.give(200, "application/json", b'{"a":')
        elif path == "/yaml":
            self.give(200, "application/x-yaml", b"a: [1, x]\n")
        elif path == "/gzip":
            self.give(200, "application/json", gzip.compress(b'{"z":1}'), ("Content-Encoding", "gzip"))
        elif path == "/bytes":
            self.give(200, "text/plain", b"a\xffb")
        elif path.startswith("/to-"):
            self.give(int(path[4:7]), None, b"", ("Location", "/echo?from=" + path[4:7]))
        elif path == "/loop":
            self.give(302, None, b"", ("Location", "/loop"))
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
        elif path == "/nothing":
            self.close_connection = True
        elif path == "/garbage":
            self.wfile.write(b"SSH-2.0-x\r\nfoo")
            self.close_connection = True
        elif path == "/huge":
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 1048576)
            except OSError:
                self.close_connection = True
        elif path == "/slow":
            self.server.slow.wait(8)
            self.give(200, "application/json", b'{"slow":true}')
        elif path == "/nap":
            time.sleep(0.3)
            self.give(200, "application/json", count)
        elif path == "/fresh":
            self.give(200, "application/json", count, ("Cache-Control", "max-age=60"))
        elif path == "/no-store":
            self.give(200, "application/json", count, ("Cache-Control", "no-store"))
        elif path == "/tagged":
            tag = ("ETag", '"t"'), ("Cache-Control", "max-age=0")
            if self.headers.get("If-None-Match") == '"t"':
                self.give(304, None, b"", *tag, ("X-Again", count.decode()))
            else:
                self.give(200, "application/json", count, *tag)
        else:
            self.give(404, "application/problem+json", b'{"t":1}')

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = answer


class Peer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 500

    def __init__(self, context=None, path=None):
        self.hits, self.slow = {}, threading.Event()
        if path:
            self.address_family = socket.AF_UNIX
        super().__init__(path or ("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request, client_address):
        pass

    def get_request(self):
        request, address = self.socket.accept()
        return request, address or ("unix", 0)

    def url(self, path):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


POLICY = """package t
send := http.send(input.request)
body := send.body
twice := [http.send(input.request).body, http.send(object.union(input.request, {})).body]
mocked := x if x := http.send({"method": "GET", "url": "http://nowhere.invalid"}).x with http.send as {"x": 1}
fast := input.x + 1
addresses := net.lookup_ip_addr(input.name)
both := [send.status_code, sum([x | some x in numbers.range(1, 1000)])]
"""


class Suite(serving.World):
    def __init__(self):
        super().__init__()
        self.peer = Peer()
        self.policy = self.write("t.rego", POLICY)

    def evaluate(self, request, query="data.t.send", strict=True, env=None, **more):
        source = self.write("input.json", json.dumps({"request": request, **more}))
        done = subprocess.run(
            [COUNTERSIGN, "eval", "-d", self.policy, "-i", source, query]
            + (["--strict-builtin-errors"] if strict else []),
            capture_output=True, timeout=30, env={**os.environ, **(env or {})},
        )
        told = json.loads(done.stdout)
        if "errors" in told:
            return told["errors"][0]["message"]
        return told["result"][0]["expressions"][0]["value"] if "result" in told else None

    def get(self, path, **more):
        return self.evaluate({"method": "GET", "url": self.peer.url(path), **more})

    def service(self, **config):
        port = serving.free_port()
        path = self.write(f"config-{port}.json", json.dumps(config))
        process = self.start(COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "-c", path,
                             "--log-level", "error", "--shutdown-grace-period", "2", self.policy, log="service.log")
        serving.wait_for("countersign", lambda: ask(port, "GET", "/health").status == 200, 30, process)
        return process, port


def same(got, want):
    assert got == want, f"got {got!r}, wanted {want!r}"


def answers(s):
    r = s.get("/count")
    same([r["status"], r["status_code"], r["body"], r["raw_body"]], ["200 OK", 200, {"n": 1}, '{"n":1}'])
    same([r["headers"]["x-two"], r["headers"]["content-length"]], [["a", "b"], ["7"]])
    same(s.get("/bad-json")["body"], None)
    same(s.get("/yaml")["body"], {"a": [1, "x"]})
    same(s.get("/gzip")["body"], {"z": 1})
    same("content-encoding" in s.get("/gzip")["headers"], False)
    same(s.get("/bytes")["raw_body"], "a\ufffdb")
    same(s.get("/other")["body"], {"t": 1})


def requests(s):
    url = s.peer.url("/echo")
    echo = s.evaluate({"method": "post", "url": url, "body": {"a": "<"}, "headers": {"x-y": "1"}})["body"]
    same([echo["method"], echo["body"]], ["POST", '{"a":"\\u003c"}'])
    same(echo["headers"], [["Accept-Encoding", "gzip"], ["Content-Length", "14"], ["X-Y", "1"]])
    same(s.evaluate({"method": "PUT", "url": url, "raw_body": "r", "body": 1})["body"]["body"], "r")
    same(s.evaluate({"method": "HEAD", "url": url})["raw_body"], "")
    user = s.evaluate({"method": "GET", "url": url.replace("//", "//u:p@")})["body"]["headers"]
    assert ["Authorization", "Basic dTpw"] in user, user


def redirects(s):
    same(s.get("/to-302")["status_code"], 302)
    same(s.get("/to-302", enable_redirect=True)["body"]["path"], "/echo?from=302")
    for code, method, body in ((303, "GET", ""), (307, "POST", "q"), (308, "POST", "q")):
        r = s.evaluate({"method": "POST", "url": s.peer.url(f"/to-{code}"), "raw_body": "q", "enable_redirect": True})
        same([r["body"]["method"], r["body"]["body"]], [method, body])
    url = s.peer.url("/loop")
    same(s.get("/loop", enable_redirect=True, timeout="300ms"), f"http.send: Get {url}: request timed out")


def failures(s):
    gone = f"http://127.0.0.1:{serving.free_port()}/x"
    at = gone[7:-2]
    same(s.evaluate({"method": "GET", "url": gone}),
         f'http.send: Get "{gone}": dial tcp {at}: connect: connection refused')
    same(s.evaluate({"method": "GET", "url": gone, "raise_error": False}),
         {"status_code": 0, "error": {"code": "eval_http_send_network_error",
                                      "message": f'Get "{gone}": dial tcp {at}: connect: connection refused'}})
    same(s.get("/nothing"), f'http.send: Get "{s.peer.url("/nothing")}": EOF')
    same(s.get("/cut"), "http.send: unexpected EOF")
    same(s.get("/cut", raise_error=False)["error"]["message"],
         f"{s.policy}:2: eval_builtin_error: http.send: unexpected EOF")
    assert 'malformed HTTP response "SSH-2.0-x"' in s.get("/garbage"), s.get("/garbage")
    same(s.get("/slow", timeout="100ms"), f"http.send: Get {s.peer.url('/slow')}: request timed out")
    same(s.get("/huge"), "http.send: the answer has more than 67108864 bytes")
    same(s.evaluate({"method": "GET", "url": gone}, strict=False), None)


def operands(s):
    url = s.peer.url("/echo")
    for request, text in (
        ({"method": "GET"}, 'operand 1 missing required request parameters(s): {"url"}'),
        ({"zz": 1, "method": "GET", "url": url}, 'operand 1 invalid request parameters(s): {"zz"}'),
        ({"method": 1, "url": url}, '"method" must be a string'),
        ({"method": "G T", "url": url}, 'net/http: invalid method "G T"'),
        ({"method": "GET", "url": "ftp://x/y"}, 'Get "ftp://x/y": unsupported protocol scheme "ftp"'),
        ({"method": "GET", "url": "http://[::1"}, "parse \"http://[::1\": missing ']' in host"),
        ({"method": "GET", "url": url, "headers": {"a": 1}}, 'invalid type for headers value "1"'),
        ({"method": "GET", "url": url, "timeout": "5z"}, 'invalid timeout value "5z": time: unknown unit "z" in '
                                                         'duration "5z"'),
        ({"method": "GET", "url": url, "force_cache": True},
         "'force_cache' set but 'force_cache_duration_seconds' parameter is missing"),
        ({"method": "GET", "url": url, "max_retry_attempts": -1},
         'invalid value -1 for field "max_retry_attempts"'),
        ({"method": "GET", "url": url, "tls_ca_cert_file": "/nope"}, "open /nope: no such file or directory"),
        ({"method": "GET", "url": url, "tls_client_cert": "x", "tls_client_key": "y"},
         "tls: failed to find any PEM data in certificate input"),
    ):
        same(s.evaluate(request), "http.send: " + text)


def within_an_evaluation(s):
    """The same request is sent once, unless its answer may not be kept; failures are kept too."""
    s.peer.hits.clear()
    same(s.evaluate({"method": "GET", "url": s.peer.url("/count")}, "data.t.twice"), [{"n": 1}, {"n": 1}])
    same(s.evaluate({"method": "GET", "url": s.peer.url("/fails")}, "data.t.twice"), [{"n": 1}, {"n": 2}])
    same(s.evaluate({}, "data.t.mocked"), 1)


def openssl(s, *words, **how):
    subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=s.dir, **how)


def tls(s):
    def certificate(name, subject, extra, ca=None):
        s.write(name + ".ext", extra)
        openssl(s, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
                "-out", name + ".csr", "-subj", subject)
        how = ["-CA", ca + ".crt", "-CAkey", ca + ".key"] if ca else ["-signkey", name + ".key"]
        openssl(s, "x509", "-req", "-in", name + ".csr", "-days", "2", "-extfile", name + ".ext", "-out",
                name + ".crt", *how)

    certificate("ca", "/CN=ca", "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
    certificate("web", "/CN=web", "subjectAltName=DNS:web.test,IP:127.0.0.1\n", "ca")
    certificate("bare", "/CN=127.0.0.1", "keyUsage=digitalSignature\n", "ca")
    certificate("client", "/CN=client", "extendedKeyUsage=clientAuth\n", "ca")

    def peer(name, client):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(s.path(name + ".crt"), s.path(name + ".key"))
        if client:
            context.load_verify_locations(s.path("ca.crt"))
            context.verify_mode = ssl.CERT_REQUIRED
        return Peer(context)

    web, strict, bare = peer("web", False), peer("web", True), peer("bare", False)

    def get(at, **more):
        r = s.evaluate({"method": "GET", "url": at.url("/count").replace("http:", "https:"), **more})
        return r["status_code"] if isinstance(r, dict) else r.split('": ')[-1]

    ca = open(s.path("ca.crt")).read()
    unknown = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    same(get(web), unknown)
    same(get(web, tls_insecure_skip_verify=True), 200)
    same(get(web, tls_ca_cert=ca), 200)
    same(get(web, tls_ca_cert_file=s.path("ca.crt"), tls_use_system_certs=True), 200)
    same(get(web, tls_use_system_certs=True), unknown)
    os.environ["TEST_CA"] = ca
    same(get(web, tls_ca_cert_env_variable="TEST_CA"), 200)
    same(get(web, tls_ca_cert=ca, tls_server_name="web.test"), 200)
    same(get(web, tls_ca_cert=ca, tls_server_name="other.test"),
         "tls: failed to verify certificate: x509: certificate is valid for web.test, not other.test")
    same(get(bare, tls_ca_cert=ca), "tls: failed to verify certificate: x509: cannot validate certificate for "
                                    "127.0.0.1 because it doesn't contain any IP SANs")
    # Who reads the alert before the connection breaks hears of it.
    refused = get(strict, tls_ca_cert=ca)
    assert refused == "remote error: tls: certificate required" or "reset by peer" in refused, refused
    same(get(strict, tls_ca_cert=ca, tls_client_cert_file=s.path("client.crt"),
             tls_client_key_file=s.path("client.key")), 200)
    same(get(strict, tls_ca_cert=ca, tls_client_cert=open(s.path("client.crt")).read(),
             tls_client_key=open(s.path("client.key")).read()), 200)
    mixed = {"tls_client_cert_file": s.path("client.crt"), "tls_client_key_file": s.path("web.key")}
    same(s.evaluate({"method": "GET", "url": "https://x.invalid", **mixed}),
         "http.send: tls: private key does not match public key")


def unix_socket(s):
    path = s.path("peer.sock")
    Peer(path=path)
    r = s.evaluate({"method": "GET", "url": "unix://localhost/echo?x=1&socket=" + path.replace("/", "%2F")})
    same(r["body"]["path"], "/echo?x=1")
    r = s.evaluate({"method": "GET", "url": "unix://localhost/echo?socket=%2Fnone.sock"})
    same(r, 'http.send: Get "http://localhost/echo": dial unix /none.sock: connect: no such file or directory')


def retries(s):
    gone = f"http://127.0.0.1:{serving.free_port()}/x"
    before = time.monotonic()
    r = s.evaluate({"method": "GET", "url": gone, "max_retry_attempts": 2})
    assert "connection refused" in r, r
    assert 0.1 < time.monotonic() - before < 5


def lookups(s):
    same(s.evaluate({}, "data.t.addresses", name="127.0.0.1"), ["127.0.0.1"])
    assert "127.0.0.1" in s.evaluate({}, "data.t.addresses", name="localhost")
    r = s.evaluate({}, "data.t.addresses", name="a b")
    same(r, "net.lookup_ip_addr: lookup a b: no such host")


def data(port, request, path="send", more="", **others):
    asked = {"input": {"request": request, **others}}
    return ask(port, "POST", f"/v1/data/t/{path}?strict-builtin-errors{more}", asked)


def between_evaluations(s):
    process, port = s.service()
    s.peer.hits.clear()

    def body(path, **more):
        return data(port, {"method": "GET", "url": s.peer.url(path), **more}).json()["result"]["body"]["n"]

    same([body("/fresh", cache=True), body("/fresh", cache=True), body("/fresh")], [1, 1, 2])
    same([body("/no-store", cache=True), body("/no-store", cache=True)], [1, 2])
    forced = {"force_cache": True, "force_cache_duration_seconds": 60}
    same([body("/no-store", **forced), body("/no-store", **forced)], [3, 3])
    same([body("/count", cache=True), body("/count", cache=True)], [1, 2])
    ignored = {"cache": True, "cache_ignored_headers": ["a"]}
    same([body("/fresh", headers={"a": "1"}, **ignored), body("/fresh", headers={"a": "2"}, **ignored)], [3, 3])
    request = {"method": "GET", "url": s.peer.url("/tagged"), "cache": True}
    first, second = data(port, request).json()["result"], data(port, request).json()["result"]
    same([first["body"], second["body"], second["status_code"]], [{"n": 1}, {"n": 1}, 200])
    same(second["headers"]["x-again"], ['{"n":2}'])
    request["url"] = s.peer.url("/fresh")
    counted = data(port, request, more="&metrics").json()["metrics"]
    same(counted["counter_rego_builtin_http_send_interquery_cache_hits"], 1)
    assert counted["timer_rego_builtin_http_send_ns"] > 0
    counted = data(port, {**request, "cache": False}, more="&metrics").json()["metrics"]
    same(counted["counter_rego_builtin_http_send_network_requests"], 1)
    same(ask(port, "GET", "/v1/query?q=http.send(%7B%7D)").status, 400)
    same(s.stop(process), 0)


def bounded_cache(s):
    cache = {"inter_query_builtin_cache": {"max_size_bytes": 700}}
    process, port = s.service(caching=cache, server={"workers": 2})
    s.peer.hits.clear()

    def body(query):
        request = {"method": "GET", "url": s.peer.url("/fresh?" + query), "cache": True}
        return data(port, request).json()["result"]["body"]["n"]

    same([body("a"), body("a"), body("b"), body("c"), body("c"), body("a")], [1, 1, 2, 3, 3, 4])
    same(s.stop(process), 0)


def others_go_on(s):
    """Two hundred decisions wait for a slow server; one worker answers others meanwhile."""
    process, port = s.service(server={"workers": 1})
    s.peer.slow.clear()
    request, got = {"method": "GET", "url": s.peer.url("/slow"), "timeout": "9s"}, []
    threads = [threading.Thread(target=lambda: got.append(data(port, request, "both"))) for _ in range(200)]
    for t in threads:
        t.start()
    serving.wait_for("the peer", lambda: s.peer.hits.get("/slow", 0) >= 200)
    times = []
    for i in range(100):
        before = time.monotonic()
        same(data(port, {}, "fast", x=i).json()["result"], i + 1)
        times.append(time.monotonic() - before)
    assert sorted(times)[90] < 0.2, sorted(times)[-10:]
    s.peer.slow.set()
    for t in threads:
        t.join(20)
    same([r.json().get("result") for r in got], [[200, 500500]] * 200)
    same(s.stop(process), 0)


def client_goes_away(s):
    process, port = s.service(server={"workers": 1})
    s.peer.slow.clear()
    s.peer.hits.clear()
    request = {"method": "GET", "url": s.peer.url("/slow"), "timeout": "9s"}
    for _ in range(20):
        link = http.client.HTTPConnection("127.0.0.1", port)
        link.request("POST", "/v1/data/t/send", json.dumps({"input": {"request": request}}))
        serving.wait_for("the peer", lambda: s.peer.hits.pop("/slow", 0))
        link.close()
    same(data(port, {}, "fast", x=1).json()["result"], 2)
    s.peer.slow.set()
    time.sleep(0.2)
    same(data(port, {"method": "GET", "url": s.peer.url("/nap")}, "both").json()["result"], [200, 500500])
    same(s.stop(process), 0)


def late(s):
    """The deadline of the evaluation ends an exchange that would last longer."""
    process, port = s.service(server={"workers": 1}, limits={"eval_timeout_ms": 500})
    s.peer.slow.clear()
    before = time.monotonic()
    r = data(port, {"method": "GET", "url": s.peer.url("/slow"), "timeout": "9s"})
    same([r.status, r.json()["errors"][0]["code"]], [500, "eval_cancel_error"])
    assert time.monotonic() - before < 4
    s.peer.slow.set()
    same(s.stop(process), 0)


def too_many(s):
    process, port = s.service(server={"workers": 1}, limits={"exchanges": 3})
    s.peer.slow.clear()
    s.peer.hits.clear()
    request, got = {"method": "GET", "url": s.peer.url("/slow"), "timeout": "9s"}, []
    threads = [threading.Thread(target=lambda: got.append(data(port, request))) for _ in range(3)]
    for t in threads:
        t.start()
    serving.wait_for("the peer", lambda: s.peer.hits.get("/slow", 0) >= 3)
    r = data(port, request).json()["errors"][0]["message"]
    assert "too many requests are under way: the limit exchanges is 3" in r, r
    s.peer.slow.set()
    for t in threads:
        t.join(20)
    same([r.status for r in got], [200] * 3)
    same(s.stop(process), 0)


def shutdown(s):
    """The service ends while exchanges are under way: when its grace period is over, and says that it was too short."""
    process, port = s.service(server={"workers": 2})
    s.peer.slow.clear()
    s.peer.hits.clear()
    request = {"method": "GET", "url": s.peer.url("/slow"), "timeout": "9s"}

    def send():
        try:
            data(port, request)
        except (OSError, http.client.HTTPException):
            pass

    threads = [threading.Thread(target=send) for _ in range(10)]
    for t in threads:
        t.start()
    serving.wait_for("the peer", lambda: s.peer.hits.get("/slow", 0) >= 10)
    before = time.monotonic()
    same(s.stop(process), 1)
    assert time.monotonic() - before < 6
    s.peer.slow.set()
    for t in threads:
        t.join(20)


CASES = [
    answers, requests, redirects, failures, operands, within_an_evaluation, tls, unix_socket, retries, lookups,
    between_evaluations, bounded_cache, others_go_on, client_goes_away, late, too_many, shutdown,
]


def main():
    s = Suite()
    only = sys.argv[1:]
    serving.run_scene(s, [c for c in CASES if not only or c.__name__ in only], ("service.log",), seconds=100)


if __name__ == "__main__":
    main()
