#!/usr/bin/env python3
"""nd_builtin_cache: what non-deterministic built-in functions answered, and the labels of rules, in the records of the
decision log, by every way of asking; masks; records that are too large with it. What is expected is what OPA 1.22.2
sends to the same collector."""
import gzip
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading

from serving import COUNTERSIGN, ask, close, free_port, wait_for

POLICY = """# METADATA
# scope: package
# labels:
#   team: core
package p

# METADATA
# labels:
#   sev: high
allow if {
	input.x == 1
	time.now_ns() > 0
	rand.intn("a", 1) == rand.intn("a", 1)
}

same := x if {
	some i in [1, 2, 3]
	x := uuid.rfc4122("k")
}

many := count([u | some i in numbers.range(1, input.n); u := uuid.rfc4122(sprintf("%d", [i]))])

sent := http.send({"method": "GET", "url": input.url, "raise_error": false}).status_code

failing := http.send({"method": "GET", "url": "http://127.0.0.1:1/"})

undef if {
	rand.intn("u", 1)
	false
}

conflict := 1 if time.now_ns()

conflict := 2 if true
"""
MASK = """package system.log

mask contains "/nd_builtin_cache/rand.intn" if input.input.erase

mask contains {"op": "upsert", "path": "/nd_builtin_cache/time.now_ns", "value": "X"} if input.input.masked

drop if input.nd_builtin_cache["uuid.rfc4122"]["[\\"k\\"]"]
"""


class Collector(http.server.BaseHTTPRequestHandler):
    events = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Collector.events += json.loads(gzip.decompress(body))
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words):
        pass


class Service:
    def __init__(self, place, enabled, limit=32768):
        self.collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        threading.Thread(target=self.collector.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.collector.server_address[1]}"
        self.port = free_port()
        reporting = {"min_delay_seconds": 1, "max_delay_seconds": 1, "upload_size_limit_bytes": limit}
        config = {"services": {"c": {"url": self.url}}, "nd_builtin_cache": enabled, "status": {"prometheus": True},
                  "decision_logs": {"service": "c", "reporting": reporting}}
        names = [os.path.join(place, name) for name in ("config.json", "p.rego", "mask.rego")]
        for name, text in zip(names, (json.dumps(config), POLICY, MASK)):
            with open(name, "w", encoding="utf-8") as out:
                out.write(text)
        self.process = subprocess.Popen(
            [COUNTERSIGN, "run", "-s", "-c", names[0], "-a", f"127.0.0.1:{self.port}", *names[1:]],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("the service", lambda: ask(self.port, "GET", "/health").status == 200, process=self.process)
        Collector.events.clear()

    def events(self, n):
        """What has come when as many events have; in the order in which they were made."""
        wait_for("events", lambda: len(Collector.events) >= n)
        return sorted(Collector.events, key=lambda e: e["req_id"])

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self.collector.shutdown()


def calls(event):
    """The cache with the names of the operands only, but for what is the same each time."""
    cache = event["nd_builtin_cache"]
    return {name: sorted(of) if isinstance(of, dict) else of for name, of in cache.items()}


def equal(what, have, want):
    assert have == want, f"{what}: {have} instead of {want}"


def ways(place):
    s = Service(place, True)
    high, core = [{"sev": "high", "team": "core"}], [{"team": "core"}]
    allow = {"rand.intn": ['["a",1]'], "time.now_ns": ["[]"]}
    sent = f'[{{"method":"GET","raise_error":false,"url":"{s.url}"}}]'
    questions = [
        ("POST", "/v1/data/p/allow", {"input": {"x": 1}}, allow, high),
        ("GET", "/v1/data/p/allow?input=%7B%22x%22%3A1%7D", None, allow, high),
        ("POST", "/v1/data/p/allow", {"input": {"x": 2}}, {}, None),
        ("POST", "/v0/data/p/allow", {"x": 1}, allow, high),
        ("POST", "/v0/data/p/undef", {}, {"rand.intn": ['["u",1]']}, None),
        ("POST", "/v1/query", {"query": "data.p.allow = x", "input": {"x": 1}}, allow, high),
        ("GET", "/v1/query?q=x%20%3D%20rand.intn(%22b%22%2C1)", None, {"rand.intn": ['["b",1]']}, None),
        ("POST", "/v1/data/p/many", {"input": {"n": 2}}, {"uuid.rfc4122": ['["1"]', '["2"]']}, core),
        ("POST", "/v1/data/p/sent", {"input": {"url": s.url}}, {"http.send": [sent]}, core),
        ("POST", "/v1/data/p/failing?strict-builtin-errors", {"input": 1}, {}, None),
        ("POST", "/v1/data/p/conflict", {"input": 1}, {"time.now_ns": ["[]"]}, None),
        ("POST", "/v1/data/p/allow?explain=notes", {"input": {"x": 1}}, allow, high),
        ("POST", "/v1/data/p/allow", {"input": {"x": 1, "erase": 1}}, {"time.now_ns": ["[]"]}, high),
        ("POST", "/v1/data/p/allow", {"input": {"x": 1, "masked": 1}}, {**allow, "time.now_ns": "X"}, high),
        ("POST", "/v1/data/p/same", {"input": 1}, None, None),
        ("POST", "/v1/data/p/allow", {"input": {"x": 3}}, {}, None),
    ]
    for method, path, body, _, _ in questions:
        ask(s.port, method, path, body)
    events = s.events(len(questions) - 1)
    logged = [q for q in questions if q[3] is not None]
    equal("events", len(events), len(logged))
    for event, (_, path, body, want, labels) in zip(events, logged):
        equal(f"calls of {path} {body}", calls(event), want)
        equal(f"labels of {path} {body}", event.get("rule_labels"), labels)
    equal("erased", events[-3].get("erased"), ["/nd_builtin_cache/rand.intn"])
    equal("masked", events[-2].get("masked"), ["/nd_builtin_cache/time.now_ns"])
    equal("undefined", events[4].get("error"),
          {"code": "undefined_document", "message": "document undefined: data.p.undef"})
    equal("conflict", events[10]["error"]["location"], {"file": os.path.join(place, "p.rego"), "row": 34, "col": 1})
    status = events[8]["nd_builtin_cache"]["http.send"][sent]["status_code"]
    equal("what http.send got", status, 204)
    answer = ask(s.port, "POST", "/v1/data/p/allow?rule_labels", {"input": {"x": 1}}).json()
    equal("labels in the answer", answer.get("rule_labels"), high)
    answer = ask(s.port, "POST", "/v1/data/p/allow", {"input": {"x": 1}}).json()
    assert "rule_labels" not in answer, answer
    s.end()


def too_large(place):
    s = Service(place, True, 2000)
    for n in (2, 400, 3):
        ask(s.port, "POST", "/v1/data/p/many", {"input": {"n": n}})
    events = s.events(3)
    equal("results", [e["result"] for e in events], [2, 400, 3])
    equal("with a cache", ["nd_builtin_cache" in e for e in events], [True, False, True])
    lines = ask(s.port, "GET", "/metrics").body.decode().splitlines()
    for name in ("decision_logs_nd_builtin_cache_dropped_total", "enc_log_exceeded_upload_size_limit_bytes_total"):
        assert f"{name} 1" in lines, [line for line in lines if line.startswith(name)]
    failures = [line for line in lines if line.startswith("decision_logs_encoding_failure_total")]
    assert failures in ([], ["decision_logs_encoding_failure_total 0"]), failures
    s.end()


def not_enabled(place):
    s = Service(place, False)
    ask(s.port, "POST", "/v1/data/p/allow", {"input": {"x": 1}})
    assert "nd_builtin_cache" not in s.events(1)[0], Collector.events
    s.end()


def main():
    passed = failed = 0
    for scene in (ways, too_large, not_enabled):
        with tempfile.TemporaryDirectory() as place:
            try:
                scene(place)
                passed += 1
            except AssertionError as e:
                failed += 1
                print(f"FAIL  {scene.__name__}: {e}")
    return close(passed, failed)


sys.exit(main())
