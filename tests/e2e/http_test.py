#!/usr/bin/env python3
"""The HTTP layer on raw sockets: framing, pipelining, limits, TLS, Unix sockets, draining; and what stands on it:
concurrent writes, pushed bundles across a crash, callers and roles, the gateways' endpoints.

Environment: COUNTERSIGN (the built program)."""

import gzip
import http.client
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COUNTERSIGN = os.environ.get("COUNTERSIGN") or os.path.join(ROOT, "build", "countersign")
CASES = []


def case(function):
    CASES.append(function)
    return function


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One server process in a folder of its own."""

    def __init__(self, *args, files=None, folder=None):
        self.folder = folder or tempfile.mkdtemp(prefix="http-test-")
        self.keep = folder is not None
        for name, text in (files or {}).items():
            path = os.path.join(self.folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(text)
        self.port = free_port()
        self.log = open(os.path.join(self.folder, "server.log"), "ab")
        command = [COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{self.port}", "--log-level", "error", *args]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=self.log, stderr=self.log)
        for _ in range(200):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        with open(self.log.name) as f:
            raise AssertionError("the server did not start: " + f.read()[-2000:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), 10)
        s.settimeout(10)
        return s

    def raw(self, data, until_close=True):
        """Sends bytes, reads to the end of the connection."""
        with self.connect() as s:
            s.sendall(data)
            return read_all(s) if until_close else s.recv(65536)

    def ask(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        try:
            return r.status, json.loads(data), dict(r.getheaders())
        except ValueError:
            return r.status, data.decode("utf-8", "replace"), dict(r.getheaders())


def read_all(s):
    out = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return out
            out += part
    except (ConnectionResetError, socket.timeout):
        return out


def equal(got, want):
    assert got == want, f"want {want!r}, got {got!r}"


# ---- framing

@case
def pipelined_requests_are_answered_in_order():
    with Server() as s:
        s.ask("PUT", "/v1/data/n", [10, 11, 12, 13])
        request = b"".join(b"GET /v1/data/n/%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in (0, 1, 2))
        answer = s.raw(request + b"GET /v1/data/n/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        equal([answer.count(b'{"result":%d}' % n) for n in (10, 11, 12, 13)], [1, 1, 1, 1])
        assert answer.index(b'"result":10') < answer.index(b'"result":11') < answer.index(b'"result":13'), answer


@case
def pipelined_writes_and_reads_keep_their_order():
    with Server() as s:
        parts = []
        for i in range(20):
            body = b"%d" % i
            parts.append(b"PUT /v1/data/k HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            parts.append(b"GET /v1/data/k HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = s.raw(b"".join(parts)[:-2] + b"Connection: close\r\n\r\n")
        results = [int(p.split(b"}")[0]) for p in answer.split(b'{"result":')[1:]]
        equal(results, list(range(20)))


@case
def a_request_may_come_byte_by_byte():
    with Server() as s, s.connect() as c:
        head = b"POST /v1/data/input HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\nConnection: close\r\n\r\n"
        for b in head + b'{"input":null}':
            c.sendall(bytes([b]))
        assert read_all(c).startswith(b"HTTP/1.1 200"), "split request"


@case
def chunked_bodies():
    with Server() as s:
        head = b"PUT /v1/data/c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        good = b"3;a=b\r\n[1,\r\n3\r\n2,3\r\n1\r\n]\r\n0\r\nX-Trailer: y\r\n\r\n"
        assert s.raw(head + good).startswith(b"HTTP/1.1 204")
        equal(s.ask("GET", "/v1/data/c")[1], {"result": [1, 2, 3]})
        for bad in (b"G\r\n", b"-1\r\n", b"3\r\n[1,XX", b"ffffffffffffffffff\r\n", b"3\n[1]", b" 3\r\n[1]\r\n0\r\n"):
            assert s.raw(head + bad).startswith(b"HTTP/1.1 400"), bad


@case
def expect_continue():
    with Server() as s, s.connect() as c:
        c.sendall(b"PUT /v1/data/e HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n"
                  b"Connection: close\r\n\r\n")
        equal(c.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
        c.sendall(b"7")
        assert read_all(c).startswith(b"HTTP/1.1 204")
        assert s.raw(b"GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n").startswith(b"HTTP/1.1 417")


@case
def ambiguous_framing_is_refused():
    body = b"[1]"
    head = b"PUT /v1/data/x HTTP/1.1\r\nHost: x\r\n"
    bad = [
        head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
        head + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n" + body,
        head + b"Content-Length: 3, 3\r\n\r\n" + body,
        head + b"Content-Length: +3\r\n\r\n" + body,
        head + b"Content-Length: 0x3\r\n\r\n" + body,
        head + b"Content-Length : 3\r\n\r\n" + body,
        head + b"Content-Length: 99999999999999999999\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"X: a\r\n b\r\nContent-Length: 3\r\n\r\n" + body,
        head + b"X: a\rb\r\nContent-Length: 3\r\n\r\n" + body,
        head + b"X: a\nY: b\r\nContent-Length: 3\r\n\r\n" + body,
        head + b"X\x00: a\r\nContent-Length: 3\r\n\r\n" + body,
        b"PUT /v1/data/x HTTP/1.1\r\nContent-Length: 3\r\n\r\n" + body,
        b"PUT /v1/data/x HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 3\r\n\r\n" + body,
        b"PUT /v1/data/x  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT v1/data/x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /v1/data/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    with Server() as s:
        for request in bad:
            assert s.raw(request).startswith(b"HTTP/1.1 400"), request
        assert s.raw(head + b"Transfer-Encoding: gzip, chunked\r\n\r\n").startswith(b"HTTP/1.1 501")
        assert s.raw(b"GET / HTTP/2.0\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 505")
        equal(s.ask("GET", "/v1/data/x")[1], {})


@case
def heads_beyond_the_limits():
    with Server() as s:
        assert s.raw(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
        many = b"".join(b"X-%d: 1\r\n" % i for i in range(300))
        assert s.raw(b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n").startswith(b"HTTP/1.1 431")
        equal(s.ask("GET", "/health")[0], 200)


@case
def http_1_0():
    with Server() as s:
        answer = s.raw(b"GET /health HTTP/1.0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer, answer
        with s.connect() as c:
            c.sendall(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert b"Connection: keep-alive" in c.recv(4096)
            c.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert b"200 OK" in read_all(c)


@case
def bodies_beyond_the_limit():
    with Server("--set=server.decoding.max_length=1000") as s:
        status, answer, headers = s.ask("POST", "/v1/data", b"x" * 5000)
        equal((status, answer["code"]), (400, "invalid_parameter"))
        assert "server.decoding.max_length" in answer["message"], answer
        equal(s.ask("POST", "/v1/data", {"input": "y" * 900})[0], 200)
        # announced and never sent: answered at once, without a 100
        head = b"POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n"
        answer = s.raw(head + b"Expect: 100-continue\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400"), answer


@case
def large_bodies_both_ways():
    with Server() as s:
        document = {"list": ["value %d" % i for i in range(200000)]}
        equal(s.ask("PUT", "/v1/data/big", document)[0], 204)
        equal(s.ask("GET", "/v1/data/big")[1]["result"], document)
        # the same twice on one connection, so that the second answer waits behind the first
        with s.connect() as c:
            one = b"GET /v1/data/big HTTP/1.1\r\nHost: x\r\n"
            c.sendall(one + b"\r\n" + one + b"Connection: close\r\n\r\n")
            time.sleep(0.3)
            answer = read_all(c)
            equal(answer.count(b"HTTP/1.1 200 OK"), 2)
            equal(answer.count(b"value 199999"), 2)


@case
def gzip_both_ways():
    with Server("--set=server.encoding.gzip.min_length=100") as s:
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
        c.request("POST", "/v1/data", gzip.compress(b'{"input": 1}'), {"Content-Encoding": "gzip"})
        r = c.getresponse()
        r.read()
        equal(r.status, 200)
        s.ask("PUT", "/v1/data/z", json.dumps("z" * 2000))
        c.request("GET", "/v1/data/z", headers={"Accept-Encoding": "br, gzip;q=0.5"})
        r = c.getresponse()
        data = r.read()
        equal(r.getheader("Content-Encoding"), "gzip")
        equal(json.loads(gzip.decompress(data)), {"result": "z" * 2000})
        c.request("GET", "/v1/data/z", headers={"Accept-Encoding": "gzip;q=0"})
        r = c.getresponse()
        equal((r.getheader("Content-Encoding"), json.loads(r.read())), (None, {"result": "z" * 2000}))


# ---- sockets

@case
def unix_sockets():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s.sock")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        stale.close()
        with Server("--addr", f"unix://{path}", "--unix-socket-perm", "700"):
            equal(os.stat(path).st_mode & 0o777, 0o700)
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(path)
                c.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert read_all(c).startswith(b"HTTP/1.1 200")


@case
def a_taken_port_is_refused():
    with Server() as s:
        command = [COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{s.port}"]
        done = subprocess.run(command, capture_output=True, timeout=20)
        assert done.returncode == 1 and b"address already in use" in done.stderr, done


def make_certificate(folder, name):
    key, cert = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return key, cert


@case
def tls():
    with tempfile.TemporaryDirectory() as folder:
        key, cert = make_certificate(folder, "a")
        with Server("--tls-cert-file", cert, "--tls-private-key-file", key, "--tls-cert-refresh-period", "1s") as s:
            def ask(ca):
                context = ssl.create_default_context(cafile=ca)
                c = http.client.HTTPSConnection("localhost", s.port, timeout=10, context=context)
                c.connect = lambda: setattr(c, "sock", context.wrap_socket(s.connect(), server_hostname="localhost"))
                big = json.dumps({"input": "x" * 300000})
                for _ in range(3):
                    c.request("POST", "/v1/data", big)
                    r = c.getresponse()
                    r.read()
                    equal(r.status, 200)
                c.close()
            ask(cert)
            key2, cert2 = make_certificate(folder, "b")
            os.replace(key2, key)
            shutil.copy(cert2, cert + ".new")
            os.replace(cert + ".new", cert)
            time.sleep(3)
            ask(cert2)  # the new certificate, without a restart
            plain = s.raw(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not plain.startswith(b"HTTP/1.1 200"), "plain text on a TLS port"


@case
def draining_answers_what_has_come_in():
    with Server("--shutdown-grace-period", "5") as s:
        idle, busy = s.connect(), s.connect()
        busy.sendall(b"PUT /v1/data/d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1")
        time.sleep(0.2)
        s.process.send_signal(signal.SIGTERM)
        equal(read_all(idle), b"")  # closed
        time.sleep(0.2)
        busy.sendall(b"2")
        answer = read_all(busy)
        assert answer.startswith(b"HTTP/1.1 204") and b"Connection: close" in answer, answer
        equal(s.process.wait(10), 0)


@case
def diagnostic_address():
    port = free_port()
    with Server("--diagnostic-addr", f"127.0.0.1:{port}") as s:
        main, s.port = s.port, port
        equal([s.ask("GET", p)[0] for p in ("/health", "/metrics", "/v1/data")], [200, 200, 404])
        s.port = main


# ---- readers and writers

@case
def readers_see_whole_worlds_while_writers_write():
    policy = "package p\n\nsame if data.a.x == data.a.y\n"
    with Server("p.rego", files={"p.rego": policy}) as s:
        s.ask("PUT", "/v1/data/a", {"x": 0, "y": 0})
        stop, wrong, count = threading.Event(), [], [0]

        def read():
            c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
            while not stop.is_set():
                c.request("GET", "/v1/data/p/same")
                r = c.getresponse().read()
                count[0] += 1
                if r != b'{"result":true}\n':
                    wrong.append(r)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for t in threads:
            t.start()
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
        for i in range(300):
            c.request("PUT", "/v1/data/a", json.dumps({"x": i, "y": i, "pad": "p" * 5000}))
            r = c.getresponse()
            r.read()
            equal(r.status, 204)
            if i % 50 == 0:
                c.request("PUT", "/v1/policies/q%d" % i, "package q%d\n\nv := %d\n" % (i, i))
                r = c.getresponse()
                r.read()
                equal(r.status, 200)
        stop.set()
        for t in threads:
            t.join()
        assert not wrong, wrong[:3]
        assert count[0] > 100, count
        equal(s.ask("GET", "/v1/data/q250/v")[1], {"result": 250})


@case
def a_long_evaluation_does_not_hold_up_others():
    policy = "package p\n\nr := numbers.range(1, 4000)\n\nslow := count([1 | some x in r; some y in r; x + y < 0])\n"
    with Server("p.rego", "--set=server.workers=1", files={"p.rego": policy}) as s:
        with s.connect() as c:
            c.sendall(b"GET /v1/data/p/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            time.sleep(0.2)
            before = time.monotonic()
            equal(s.ask("GET", "/health")[0], 200)
            waited = time.monotonic() - before
            assert waited < 1.0, f"{waited:.2f} s"
            read_all(c)


# ---- pushed bundles

CONFIG = """
keys:
  ci: {algorithm: HS256, key: secret-of-the-pipeline}
push:
  shop: {keyid: ci, scope: write}
persistence_directory: state
"""


def make_bundle(folder, revision, iat, rego, secret="secret-of-the-pipeline", roots='["shop"]'):
    source = os.path.join(folder, "source-" + revision)
    os.makedirs(source, exist_ok=True)
    with open(os.path.join(source, "p.rego"), "w") as f:
        f.write(rego)
    with open(os.path.join(source, ".manifest"), "w") as f:
        f.write('{"roots": %s, "revision": "%s"}' % (roots, revision))
    with open(os.path.join(folder, "claims.json"), "w") as f:
        json.dump({"scope": "write", "keyid": "ci", "iat": iat}, f)
    # sign, not build: the server shall find out what does not compile
    subprocess.run([COUNTERSIGN, "sign", "-b", ".", "--signing-alg", "HS256", "--signing-key", secret, "--claims-file",
                    os.path.join(folder, "claims.json"), "-o", "."], check=True, capture_output=True, cwd=source)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in sorted(os.listdir(source)):
            tar.add(os.path.join(source, name), "/" + name)
    return out.getvalue()


@case
def pushed_bundles():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "c.yaml"), "w") as f:
            f.write(CONFIG)
        one = make_bundle(folder, "r1", 1000, "package shop\n\nv := 1\n")
        two = make_bundle(folder, "r2", 2000, "package shop\n\nv := 2\n")
        broken = make_bundle(folder, "r3", 3000, "package shop\n\nv := data.shop.v\n")
        forged = make_bundle(folder, "r4", 4000, "package shop\n\nv := 4\n", secret="another secret")
        flipped = bytearray(two)
        flipped[len(flipped) // 2] ^= 1
        with Server("-c", "c.yaml", folder=folder) as s:
            equal(s.ask("GET", "/v1/bundles/shop")[0], 404)
            equal(s.ask("PUT", "/v1/bundles/other", one)[0], 404)
            status, answer, _ = s.ask("PUT", "/v1/bundles/shop", one)
            equal((status, answer["revision"]), (200, "r1"))
            equal(s.ask("PUT", "/v1/data/shop/x", 1)[1]["message"], 'path shop/x is owned by bundle "shop"')
            equal(s.ask("PUT", "/v1/bundles/shop", two)[1]["revision"], "r2")
            bad = (400, "invalid_bundle")
            for body, want in ((bytes(flipped), bad), (forged, bad), (one, (409, "older_bundle")), (b"junk", bad),
                               (broken, (422, "bundle_compile_error")), (b"", bad)):
                status, answer, _ = s.ask("PUT", "/v1/bundles/shop", body)
                equal((status, answer["code"]), want)
                equal(s.ask("GET", "/v1/data/shop/v")[1], {"result": 2})
            s.process.kill()
            s.process.wait()
        with Server("-c", "c.yaml", folder=folder) as s:
            equal(s.ask("GET", "/v1/data/shop/v")[1], {"result": 2})
            equal([b["revision"] for b in s.ask("GET", "/v1/bundles")[1]["result"]], ["r2"])
            equal(s.ask("DELETE", "/v1/bundles/shop")[0], 200)
            equal(s.ask("GET", "/v1/data/shop/v")[1], {})
            equal(s.ask("PUT", "/v1/data/shop/x", 1)[0], 204)
        with Server("-c", "c.yaml", folder=folder) as s:
            equal(s.ask("GET", "/v1/data/shop")[1], {})


# ---- callers

ROLES = """package system.authz

default allow := false

allow if "publisher" in input.caller.roles

allow if {
    "gateway" in input.caller.roles
    input.path[1] == "authz"
}
"""


@case
def callers_and_roles():
    tokens = json.dumps({"t-pub": {"subject": "ci", "roles": ["Publisher"]}, "t-view": {"subject": "eve"}})
    config = CONFIG + "identity:\n  tokens: {file: tokens.json}\n"
    files = {"c.yaml": config, "tokens.json": tokens, "authz.rego": ROLES}
    with Server("-c", "c.yaml", "authz.rego", files=files) as s:
        def status(token):
            return s.ask("GET", "/v1/bundles", headers={"Authorization": "Bearer " + token} if token else {})[0]
        equal([status(t) for t in ("t-pub", "t-view", "t-none", None)], [200, 403, 401, 401])
        equal(s.ask("GET", "/v1/data")[0], 200)  # OPA's own endpoints are asked about with --authorization=basic only
        equal(s.ask("GET", "/health")[0], 200)


# ---- the decision log

MASKS = """package system.log

mask contains "/input/secret"

mask contains {"op": "upsert", "path": "/input/card", "value": "***"}

drop if input.path == "a/quiet"
"""


@case
def decisions_are_logged_masked_and_dropped():
    files = {"a.rego": "package a\n\nx := input\n\nquiet := 1\n", "m.rego": MASKS}
    with Server("--set=decision_logs.console=true", "a.rego", "m.rego", files=files) as s:
        sent = {"card": "4111", "n": 1, "secret": "s3cret"}
        status, answer, _ = s.ask("POST", "/v1/data/a/x", {"input": sent})
        equal((status, answer["result"]), (200, sent))  # what the client gets is not masked
        s.ask("POST", "/v1/data/a/quiet", {"input": {}})
        s.ask("POST", "/v1/query", {"query": "1 / 0 == input.secret", "input": sent})
        s.process.terminate()
        equal(s.process.wait(10), 0)
        with open(s.log.name) as f:
            text = f.read()
        lines = [json.loads(line) for line in text.splitlines() if '"Decision Log"' in line]
        equal([(d.get("path"), d.get("query")) for d in lines], [("a/x", None), (None, "1 / 0 == input.secret")])
        first = lines[0]
        equal(first["input"], {"card": "***", "n": 1})
        equal((first["erased"], first["masked"]), (["/input/secret"], ["/input/card"]))
        equal((first["decision_id"], first["type"]), (answer["decision_id"], "openpolicyagent.org/decision_logs"))
        assert "s3cret" not in json.dumps([d["input"] for d in lines]), lines


# ---- gateways

DECISION = """package gate

result := {"allow": allow, "status": status, "headers": headers, "body": {"why": reasons}}

headers := {"x-reason": concat(",", sort(reasons)), "content-length": "99"}

default allow := false

allow if count(reasons) == 0

default status := 402

status := 503 if input.graphql.variables.five

reasons contains "mutation" if input.graphql.kind == "mutation"

reasons contains "freeform" if input.graphql.freeform

reasons contains "batch" if input.graphql.batch

reasons contains concat(":", ["body", body]) if {
    body := input.gateway.body
    body in {"truncated", "not_json"}
}

reasons contains "introspection" if input.graphql.introspection

reasons contains "mismatch" if input.graphql.body_matches == false

seen := input
"""
GATEWAY = "gateways: {decision: gate/result}\n"


@case
def envoy_over_http():
    with Server("-c", "c.yaml", "p.rego", files={"c.yaml": GATEWAY, "p.rego": DECISION}) as s:
        def ask(body, method="POST", path="/v1/authz/envoy/graphql", **headers):
            return s.ask(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        status, answer, headers = ask({"documentId": "sha256:abc"})
        equal((status, headers["x-reason"], headers["Content-Length"], answer), (200, "", "0", ""))
        status, answer, headers = ask({"query": "# mutation?\nmutation M { __type }"})
        equal((status, headers["x-reason"]), (402, "freeform,introspection,mutation"))
        equal(sorted(answer["why"]), ["freeform", "introspection", "mutation"])
        query = 'query Q($a: String = "mutation {") { a(b: {c: 1}) { __schema } }'
        equal(ask({"query": query})[2]["x-reason"], "freeform")
        equal(ask([{"documentId": "a"}])[2]["x-reason"], "batch,freeform")
        equal(ask("not json")[2]["x-reason"], "body:not_json,freeform")
        equal(ask({"documentId": "a"}, x_envoy_auth_partial_body="true")[2]["x-reason"], "body:truncated,freeform")
        equal(ask({"documentId": "a", "query": "{ x }"})[2]["x-reason"], "mismatch")
        # a 5xx would make Envoy do as its failure mode says
        equal(ask({"query": "{ x }", "variables": {"five": True}})[0], 403)
        equal(ask(None, "GET", "/v1/authz/envoy//a/../b/?q=1")[0], 200)  # the path is the client's: never redirected
        equal(ask(None, "DELETE", "/v1/authz/envoy")[0], 200)


@case
def nginx_auth_request():
    with Server("-c", "c.yaml", "p.rego", files={"c.yaml": GATEWAY, "p.rego": DECISION}) as s:
        def ask(uri):
            return s.ask("GET", "/v1/authz/nginx", headers={"X-Original-URI": uri, "X-Original-Method": "POST"})
        equal(ask("/graphql?documentId=abc")[0], 200)
        status, _, headers = ask("/graphql?query=mutation%7Bx%7D")
        equal((status, headers["x-reason"]), (403, "freeform,mutation"))
        equal(json.loads(headers["x-countersign-body"]), {"why": ["freeform", "mutation"]})


@case
def gateways_refuse_without_a_decision():
    with Server("-c", "c.yaml", files={"c.yaml": GATEWAY}) as s:
        for path in ("/v1/authz/envoy/x", "/v1/authz/nginx"):
            status, _, headers = s.ask("GET", path)
            equal((status, headers["x-countersign-decision"]), (403, "deny"))


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    passed = failed = 0
    for function in CASES:
        if wanted not in function.__name__:
            continue
        try:
            function()
            passed += 1
        except Exception as e:  # a case that breaks is a case that failed
            failed += 1
            print(f"FAIL {function.__name__}: {type(e).__name__}: {e}"[:1500])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
