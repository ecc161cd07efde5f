#!/usr/bin/env python3
"""HTTP/2: by prior knowledge without TLS, by ALPN with it; streams, flow control, limits, peers that behave badly, and
draining. The client is curl, and Debian's python3-h2 where frames matter.

Environment: COUNTERSIGN (the built program)."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import h2.config
import h2.connection
import h2.events

from serving import COUNTERSIGN, World, ask, close, free_port, run_cases, wait_for

CASES = []
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
POLICY = "package p\nq := input.x\nslow := count([1 | numbers.range(1, 100)[_]; numbers.range(1, 3000)[_]])\n"


def case(function):
    CASES.append(function)
    return function


class Server:
    def __init__(self, w, *flags, port=None):
        self.w, self.port = w, port or free_port()
        self.process = w.start(
            COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{self.port}", "--log-level", "error", *flags,
            w.write("p.rego", POLICY),
        )
        wait_for("countersign", self.is_open, 30, self.process)

    def is_open(self):
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.w.stop(self.process)


class Client:
    """A connection on which every frame is ours."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(10)
        config = h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.replies, self.resets, self.goaway, self.settings, self.trailers = {}, {}, None, {}, {}
        self.ended = self.closed = False
        self.done = set()
        self.flush()

    def flush(self):
        out = self.h2.data_to_send()
        if out:
            self.socket.sendall(out)

    def head(self, method, path, *more, stream=None, end=True):
        stream = stream or self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "test")]
        self.h2.send_headers(stream, fields + list(more), end_stream=end)
        self.replies[stream] = [None, b""]
        self.flush()
        return stream

    def body(self, stream, data, end=True):
        while True:
            n = min(len(data), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if n or not data:
                self.h2.send_data(stream, data[:n], end_stream=end and n == len(data))
                self.flush()
            data = data[n:]
            if not data:
                return
            if not n:
                self.read()

    def take(self, event):
        e = h2.events
        if isinstance(event, e.ResponseReceived):
            self.replies[event.stream_id][0] = dict(event.headers)
        elif isinstance(event, e.DataReceived):
            self.replies[event.stream_id][1] += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, e.TrailersReceived):
            self.trailers[event.stream_id] = dict(event.headers)
        elif isinstance(event, e.StreamEnded):
            self.done.add(event.stream_id)
        elif isinstance(event, e.StreamReset):
            self.resets[event.stream_id] = event.error_code
        elif isinstance(event, e.ConnectionTerminated):
            self.goaway = (event.error_code, event.last_stream_id)
            self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN  # streams that are there go on
        elif isinstance(event, e.RemoteSettingsChanged):
            self.settings.update({int(k): v.new_value for k, v in event.changed_settings.items()})

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self.take(event)
        self.flush()
        return True

    def until(self, check, seconds=10):
        end = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < end, "not within the time"
            if not self.read():
                assert check(), "the connection has ended"

    def answer(self, stream):
        """(status, body) of a stream that ends as it should."""
        self.until(lambda: stream in self.done)
        head, body = self.replies[stream]
        return int(head[b":status"]), body

    def get(self, path):
        return self.answer(self.head("GET", path))

    def post(self, path, body, *more):
        stream = self.head("POST", path, *more, end=False)
        self.body(stream, body)
        return self.answer(stream)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def curl(*args):
    told = ["-w", "\n%{http_version} %{http_code}"]
    done = subprocess.run(["curl", "-sS", "-m", "20", *told, *args], capture_output=True)
    body, _, told = done.stdout.decode().rpartition("\n")
    return body, told, done.stderr.decode()


@case
def curl_by_prior_knowledge(w):
    with Server(w, "--h2c", "--addr", "unix://" + w.path("s.sock")) as s:
        url = f"http://127.0.0.1:{s.port}"
        assert curl("--http2-prior-knowledge", url + "/v1/data/p/q", "-d", '{"input":{"x":7}}')[:2] == (
            '{"result":7}\n', "2 200"), "prior knowledge"
        assert curl("--http2", url + "/v1/data/p/q", "-d", '{"input":{"x":7}}')[:2] == (
            '{"result":7}\n', "1.1 200"), "an offer to change over is passed by, as OPA does"
        assert curl("--http1.1", url + "/v1/data/p/q", "-d", "{}")[1] == "1.1 200"
        assert curl("--http2-prior-knowledge", "--unix-socket", w.path("s.sock"), "http://x/health")[1] == "2 200"
        assert curl("--http2-prior-knowledge", "-I", url + "/health")[1] == "2 405"
        assert curl("--http2-prior-knowledge", "-X", "PATCH", url + "/health")[1] == "2 405"
        assert curl("--http2-prior-knowledge", url + "/nothing")[:2] == ("404 page not found\n", "2 404")
        assert curl("--http2-prior-knowledge", "-X", "DELETE", url + "/v1/data/p/none")[1] == "2 404"
        body = w.write("big.json", json.dumps({"input": {"x": "y" * 3000000}}))
        got, told, _ = curl("--http2-prior-knowledge", url + "/v1/data/p/q", "-d", "@" + body)
        assert told == "2 200" and json.loads(got) == {"result": "y" * 3000000}, told
        got, told, why = curl("--http2-prior-knowledge", "--compressed", url + "/v1/data/p/q", "-d", "@" + body)
        assert told == "2 200" and json.loads(got) == {"result": "y" * 3000000}, (told, why)


@case
def without_the_flag_it_is_refused(w):
    with Server(w) as s:
        assert curl("--http2-prior-knowledge", f"http://127.0.0.1:{s.port}/health")[1] != "2 200"
        assert ask(s.port, "GET", "/health").status == 200


@case
def alpn(w):
    cert, key = w.path("cert.pem"), w.path("key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    port = free_port()
    process = w.start(COUNTERSIGN, "run", "-s", "--addr", f"https://127.0.0.1:{port}", "--log-level", "error",
                      "--tls-cert-file", cert, "--tls-private-key-file", key, "--tls-ca-cert-file", cert,
                      "--authentication", "tls", "--authorization", "basic", w.write("authz.rego",
                      "package system.authz\nallow := {\"allowed\": false, \"reason\": input.identity}\n"))
    url = f"https://127.0.0.1:{port}/v1/data"
    mine = ["--cacert", cert, "--cert", cert, "--key", key]
    wait_for("TLS", lambda: curl(*mine, url)[1] != "0 000", 20, process)
    body, told, why = curl(*mine, url)
    assert told == "2 401" and json.loads(body)["message"] == "CN=localhost", (told, body, why)
    assert curl(*mine, "--http1.1", url)[1] == "1.1 401"
    many = curl(*mine, url, url, url, "-Z", "--parallel-max", "3")[0]
    assert many.count("unauthorized") == 3, many
    w.stop(process)


@case
def streams_side_by_side(w):
    with Server(w, "--h2c") as s, Client(s.port) as c:
        streams = {c.head("POST", "/v1/data/p/q", end=False): i for i in range(100)}
        for stream, i in streams.items():
            c.body(stream, b'{"input":{"x":', end=False)
        for stream, i in reversed(streams.items()):
            c.body(stream, b"%d}}" % i)
        for stream, i in streams.items():
            status, body = c.answer(stream)
            assert (status, json.loads(body)) == (200, {"result": i}), (stream, status, body)
        assert c.settings == {3: 250, 4: 1048576, 6: 65536, 9: 1}, c.settings
        assert c.get("/v1/data/p/q?pretty")[0] == 200
        head = c.replies[max(c.replies)][0]
        assert set(head) >= {b":status", b"content-type", b"content-length", b"date"}, head
        assert not any(name != name.lower() for name in head), head


@case
def a_slow_reader_gets_it_all(w):
    with Server(w, "--h2c") as s, Client(s.port) as c:
        body = json.dumps({"input": {"x": ["z" * 1000] * 2000}}).encode()
        status, got = c.post("/v1/data/p/q", body)
        assert status == 200 and len(json.loads(got)["result"]) == 2000
        # A window of nothing: the reply waits, others do not.
        c.h2.update_settings({4: 0})
        c.flush()
        time.sleep(0.2)
        first = c.head("GET", "/v1/policies")
        c.until(lambda: c.replies[first][0] is not None)
        time.sleep(0.2)
        assert first not in c.done and c.replies[first][1] == b""
        second = c.head("GET", "/v1/data/p/q")
        c.until(lambda: c.replies[second][0] is not None)
        c.h2.update_settings({4: 65535})
        c.flush()
        assert c.answer(first)[0] == 200 and c.answer(second) == (200, b"{}\n"), c.replies


@case
def limits_of_a_head(w):
    with Server(w, "--h2c") as s, Client(s.port) as c:
        many = [("x-%d" % i, "1") for i in range(300)]
        assert c.answer(c.head("GET", "/health", *many))[0] == 431
        assert c.answer(c.head("GET", "/health", ("x", "y" * 15000)))[0] == 200
        large = [("x-%d" % i, "y" * 10000) for i in range(7)]
        assert c.answer(c.head("GET", "/health", *large))[0] == 431
        connect = c.head("CONNECT", "/health")
        c.until(lambda: connect in c.resets)
        assert c.get("/health")[0] == 200
        assert c.answer(c.head("GET", "/v1/data/%zz"))[0] == 400
        bad = c.head("GET", "/health", ("connection", "close"))
        c.until(lambda: bad in c.resets)
        assert c.get("/health")[0] == 200


@case
def limits_of_a_body(w):
    with Server(w, "--h2c", "--set", "server.decoding.max_length=1000") as s, Client(s.port) as c:
        for more in ([], [("content-length", "50000")]):
            stream = c.head("POST", "/v1/data/p/q", *more, end=False)
            c.body(stream, b'{"input":{"x":"' + b"a" * 20000, end=False)
            status, body = c.answer(stream)
            assert status == 400 and "request body too large" in json.loads(body)["message"], body
            c.until(lambda: stream in c.resets)
            assert c.resets[stream] == 0, "what is left is not wanted: NO_ERROR"
        assert c.post("/v1/data/p/q", b'{"input":{"x":1}}') == (200, b'{"result":1}\n')


@case
def bodies_together_are_bounded(w):
    with Server(w, "--h2c", "--set", "limits.json_bytes=3000000", "--set", "server.decoding.max_length=2000000") as s:
        with Client(s.port) as c:
            streams = [c.head("POST", "/v1/data/p/q", end=False) for _ in range(4)]
            for stream in streams:
                try:
                    c.body(stream, b" " * 900000, end=False)
                except h2.exceptions.StreamClosedError:
                    pass
            c.until(lambda: c.resets)
            assert set(c.resets.values()) == {7}, c.resets  # REFUSED_STREAM
            whole = [stream for stream in streams if stream not in c.resets]
            assert len(whole) == 3, c.resets
            for stream in whole:
                c.body(stream, b'{"input":{"x":1}}')
                assert c.answer(stream) == (200, b'{"result":1}\n')


@case
def streams_that_are_only_reset(w):
    with Server(w, "--h2c", "--set", "limits.http2_resets=50") as s:
        with Client(s.port) as c:
            for _ in range(30):
                c.h2.reset_stream(c.head("GET", "/v1/data"), 8)
            c.flush()
            assert c.get("/health")[0] == 200, "some of it is life"
        with Client(s.port) as c:
            try:
                for _ in range(400):
                    c.h2.reset_stream(c.head("GET", "/v1/data"), 8)
                c.flush()
                c.until(lambda: c.goaway is not None)
            except (ConnectionResetError, BrokenPipeError):
                return
            assert c.goaway[0] == 11, c.goaway  # ENHANCE_YOUR_CALM
        assert ask(s.port, "GET", "/health").status == 200


@case
def frames_that_are_none(w):
    raw = {
        "garbage": PREFACE + os.urandom(500),
        "half a preface": b"PRI * HTTP/2.0\r\n\r\nXX",
        "no settings": PREFACE + struct.pack(">I", 8)[1:] + b"\x06\0\0\0\0\0" + b"12345678",
        "data for nobody": PREFACE + SETTINGS + b"\0\0\1\0\0\0\0\0\5x",
        "a long frame": PREFACE + SETTINGS + b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 20000,
    }
    with Server(w, "--h2c") as s:
        for name, data in raw.items():
            with socket.create_connection(("127.0.0.1", s.port), 5) as peer:
                peer.settimeout(10)
                try:
                    peer.sendall(data)
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(65536):
                        pass
                except ConnectionError:
                    pass
            assert ask(s.port, "GET", "/health").status == 200, name
        # Pings without end from one who reads no answers.
        with socket.create_connection(("127.0.0.1", s.port), 5) as peer:
            peer.settimeout(2)
            try:
                peer.sendall(PREFACE + SETTINGS + b"\0\0\x08\6\0\0\0\0\x0012345678" * 400000)
            except (OSError, socket.timeout):
                pass
            assert ask(s.port, "GET", "/health").status == 200, "pings"


@case
def a_client_that_goes_away(w):
    with Server(w, "--h2c") as s:
        for _ in range(5):
            with Client(s.port) as c:
                for _ in range(4):
                    c.head("GET", "/v1/data/p/slow")
                c.h2.reset_stream(c.head("GET", "/v1/data/p/slow"), 8)
                c.flush()
        assert ask(s.port, "GET", "/v1/data/p/slow").json() == {"result": 300000}


@case
def draining(w):
    with Server(w, "--h2c", "--shutdown-grace-period", "20") as s:
        with Client(s.port) as c, Client(s.port) as idle:
            assert idle.get("/health")[0] == 200
            stream = c.head("POST", "/v1/data/p/q", end=False)
            c.body(stream, b'{"input":', end=False)
            time.sleep(0.2)
            os.kill(s.process.pid, signal.SIGTERM)
            c.until(lambda: c.goaway is not None)
            assert c.goaway[0] == 0, c.goaway
            c.body(stream, b'{"x":5}}')
            assert c.answer(stream) == (200, b'{"result":5}\n')
            c.until(lambda: c.closed)
            assert c.goaway == (0, stream), c.goaway
            idle.until(lambda: idle.closed)
        began = time.monotonic()
        assert s.process.wait(10) == 0 and time.monotonic() - began < 5


def field(number, value):
    """A field of a protocol buffer: a text or a message."""
    value = value if isinstance(value, bytes) else value.encode()
    size, n = b"", len(value)
    while True:
        size += bytes([n & 0x7F | (0x80 if n > 0x7F else 0)])
        n >>= 7
        if not n:
            return bytes([number << 3 | 2]) + size + value


def check_request(path, headers, body=b"", extensions=(), principal="spiffe://a"):
    pair = lambda number, k, v: field(number, field(1, k) + field(2, v))
    http = field(2, "POST") + b"".join(pair(3, k, v) for k, v in headers) + field(4, path)
    http += field(5, "shop") + field(12, body)
    context = b"".join(pair(10, k, v) for k, v in extensions)
    return field(1, field(1, field(4, principal)) + field(4, field(2, http)) + context)


GATEWAY = """package gw
answer := {"allow": true, "headers": {"x-seen": json.marshal([input.gateway, input.request.method, input.request.path,
    input.request.query, input.request.host, input.request.headers, input.graphql])}} if input.request.path == "/yes"
answer := {"allow": false, "status": 402, "body": {"why": "no"}, "headers": {"x-a": "b"}} if input.request.path == "/no"
"""


@case
def checks_by_grpc(w):
    config = w.write("gw.json", json.dumps({"gateways": {"decision": "gw/answer"}}))
    with Server(w, "--h2c", "-c", config, w.write("gw.rego", GATEWAY)) as s, Client(s.port) as c:
        def call(message, path="/envoy.service.auth.v3.Authorization/Check", flag=0, kind="application/grpc"):
            more = [("content-type", kind), ("te", "trailers"), ("x-countersign-tenant", "acme")]
            stream = c.head("POST", path, *more, end=False)
            c.body(stream, bytes([flag]) + struct.pack(">I", len(message)) + message)
            status, body = c.answer(stream)
            told = c.trailers.get(stream, {})
            return status, told.get(b"grpc-status"), body, told.get(b"grpc-message")

        mine = [(":path", "/yes"), ("x-a", "1"), ("cookie", "s"), ("x-countersign-tenant", "evil")]
        status, code, body, _ = call(check_request("/yes?q=1", mine, b'{"documentId":"d"}', [("route", "r1")]))
        assert (status, code) == (200, b"0") and body[0] == 0 and len(body) == 5 + struct.unpack(">I", body[1:5])[0]
        assert b"\x0a\x00\x1a" == body[5:8], "status OK, then ok_response"
        seen = json.loads(body[body.index(b'[{"'):body.rindex(b"]") + 1])
        assert seen[0] == {"kind": "envoy_grpc", "body": "complete", "context_extensions": {"route": "r1"},
                           "principal": "spiffe://a"}, seen
        assert seen[1:5] == ["POST", "/yes", "q=1", "shop"], seen
        assert seen[5] == {"x-a": "1", "x-countersign-tenant": "acme"}, "what a client says of itself is left out"
        assert seen[6]["document_id"] == "d", seen
        status, code, body, _ = call(check_request("/no", []))
        assert (status, code) == (200, b"0") and body[5:9] == b"\x0a\x02\x08\x07", "PERMISSION_DENIED"
        assert b"\x08\x92\x03" in body and b'{"why":"no"}' in body and b"x-a" in body, "denied_response with 402"
        status, code, body, _ = call(check_request("/none", []))
        assert (status, code) == (200, b"0") and b"\x08\x93\x03" in body, "no decision is a refusal: 403"
        assert call(b"", path="/envoy.service.auth.v3.Authorization/Other")[:2] == (200, b"12")
        assert call(b"")[1] == b"3" and call(b"\x0a\xff\xff")[1] == b"3" and call(os.urandom(200))[1] == b"3"
        assert call(check_request("/yes", []), flag=1)[1] == b"12"
        assert call(check_request("yes", []))[1] == b"3", "no path"
        assert call(check_request("/yes", []), kind="application/json")[0] == 404, "not by gRPC"
        assert call(check_request("/yes", []) + b"\x07")[1] == b"3"


def main():
    w = World()
    done = run_cases([c for c in CASES if not sys.argv[1:] or c.__name__ in sys.argv[1:]], w, seconds=90)
    if done[1] and os.path.exists(w.path("process.log")):
        print(open(w.path("process.log"), errors="replace").read()[-3000:])
    w.end()
    close(*done)


main()
