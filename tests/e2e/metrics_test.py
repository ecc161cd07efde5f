#!/usr/bin/env python3
"""A real Prometheus, with the configuration of deploy/, scrapes a running service; what it stored is what had happened.

Environment: COUNTERSIGN (the built program)."""

import os
import shutil
import subprocess
import urllib.parse

import serving
from serving import MERGE, RENAME, ROOT, ask

SEARCH = os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin"
PROMETHEUS = shutil.which("prometheus", path=SEARCH) or ""
PROMTOOL = shutil.which("promtool", path=SEARCH) or ""
RESULT = "/v1/data/countersign/authz/result"
PATH = "countersign/authz/result"
CASES = []


def case(function):
    CASES.append(function)
    return function


def scraped(function):
    if PROMETHEUS:
        CASES.append(function)
    else:
        print(f"left out: {function.__name__} (no prometheus)")
    return function


def decision(tenant, document, **variables):
    return {
        "input": {
            "version": "countersign/v1",
            "gateway": {"kind": "test", "body": "complete"},
            "request": {"id": "t", "method": "POST", "path": "/graphql"},
            "actor": {"sub": "alice", "tenant": tenant, "roles": []},
            "graphql": {
                "document_id": document,
                "kind": "mutation",
                "freeform": False,
                "batch": False,
                "introspection": False,
                "variables": variables,
                "digest": "sha256:" + "5a" * 32,
            },
            "cost": {"currency": "USD", "estimate_nanos": 1000000},
        }
    }


class Scene(serving.World):
    """The service after a known history of decisions, and Prometheus beside it."""

    ALLOWED, BROKE, RISKY, MISSING = 5, 4, 3, 2

    def __init__(self):
        super().__init__()
        self.build(os.path.join(ROOT, "rego-bundles", "safe-mutations"), "safe-mutations")
        self.config = serving.base_config(self, "safe-mutations")
        self.process, self.port = self.serve(self.config)
        self.history()
        self.prometheus_port = None

    def history(self):
        def decide(n, code, *arguments):
            for _ in range(n):
                result = ask(self.port, "POST", RESULT, decision(*arguments)).json()["result"]
                assert result["reason"]["codes"] == ([code] if code else []), result

        decide(self.ALLOWED, None, "test", RENAME)
        decide(self.RISKY, "approval_required", "test", MERGE)
        posted = ask(self.port, "POST", "/v1/events", serving.spend_event("demo", "25.00"))
        assert posted.status == 202, posted
        posted = ask(self.port, "POST", "/v1/events", serving.spend_event("test", "5.00"))
        assert posted.status == 202, posted
        assert ask(self.port, "POST", "/v1/events", {"id": 1}).status == 400
        decide(self.BROKE, "budget_exceeded", "demo", RENAME)
        for _ in range(self.MISSING):
            assert ask(self.port, "POST", "/v1/data/no/such/thing", {"input": {}}).json() == {}
        assert ask(self.port, "POST", RESULT, b"{").status == 400

    def start_prometheus(self):
        text = open(os.path.join(ROOT, "deploy", "prometheus", "prometheus.yml")).read()
        for old, new in (
            ("127.0.0.1:8181", f"127.0.0.1:{self.port}"),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("scrape_timeout: 10s", "scrape_timeout: 1s"),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.prometheus_port = serving.free_port()
        self.prometheus = self.start(
            PROMETHEUS,
            "--config.file=" + self.write("prometheus.yml", text),
            "--storage.tsdb.path=" + self.path("tsdb"),
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            "--log.level=warn",
            log="prometheus.log",
        )
        serving.wait_for("prometheus", lambda: self.query("up") == [({"job": "countersign"}, 1.0)], 30, self.prometheus)

    def query(self, text):
        """[(labels without instance and name, value)] of an instant query."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": text})
        answer = ask(self.prometheus_port, "GET", path)
        if answer.status != 200:
            return []
        rows = answer.json()["data"]["result"]
        return [
            ({k: v for k, v in r["metric"].items() if k not in ("instance", "__name__")}, float(r["value"][1]))
            for r in rows
        ]

    def one(self, text):
        rows = self.query(text)
        assert len(rows) == 1, f"{text}: {rows}"
        return rows[0][1]


@case
def the_exposition_is_clean(w):
    reply = ask(w.port, "GET", "/metrics")
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain; version=0.0.4"), reply
    if not PROMTOOL:
        print("left out: promtool check metrics (no promtool)")
        return
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=reply.body, capture_output=True, timeout=30)
    assert done.returncode == 0 and not done.stdout + done.stderr, (done.stdout + done.stderr).decode()


@case
def the_shipped_configuration_is_valid(w):
    if not PROMTOOL:
        print("left out: promtool check config (no promtool)")
        return
    path = os.path.join(ROOT, "deploy", "prometheus", "prometheus.yml")
    done = subprocess.run([PROMTOOL, "check", "config", path], capture_output=True, timeout=30)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@scraped
def requests_are_counted_by_handler(w):
    labels = 'handler="v1/data",method="post"'
    good = w.ALLOWED + w.RISKY + w.BROKE + w.MISSING
    assert w.one(f'http_request_duration_seconds_count{{{labels},code="200"}}') == good
    assert w.one(f'http_request_duration_seconds_count{{{labels},code="400"}}') == 1
    assert w.one(f'http_request_duration_seconds_bucket{{{labels},code="200",le="+Inf"}}') == good
    assert 0 < w.one(f'http_request_duration_seconds_sum{{{labels},code="200"}}') < 30
    assert w.one('http_request_duration_seconds_count{handler="v1/events",code="202"}') == 2
    assert w.one('http_request_duration_seconds_count{handler="v1/events",code="400"}') == 1
    buckets = w.query(f'http_request_duration_seconds_bucket{{{labels},code="200"}}')
    ordered = [v for _, v in sorted(buckets, key=lambda b: float(b[0]["le"]))]
    assert len(ordered) > 3 and ordered == sorted(ordered), buckets


@scraped
def decisions_are_counted_by_outcome(w):
    rows = {(r["path"], r["outcome"]): n for r, n in w.query("countersign_decisions_total")}
    assert rows == {
        (PATH, "allow"): w.ALLOWED,
        (PATH, "deny"): w.RISKY + w.BROKE,
        ("no/such/thing", "undefined"): w.MISSING,
    }, rows


@scraped
def decisions_are_timed(w):
    total = w.ALLOWED + w.RISKY + w.BROKE + w.MISSING
    assert w.one("countersign_decision_duration_seconds_count") == total
    assert 0 < w.one("countersign_decision_duration_seconds_sum") < 30
    assert 0 < w.one("histogram_quantile(0.99, countersign_decision_duration_seconds_bucket)") < 10


@scraped
def reasons_are_counted_by_code(w):
    rows = {r["code"]: n for r, n in w.query("countersign_reasons_total")}
    assert rows == {"budget_exceeded": w.BROKE, "approval_required": w.RISKY}, rows


@scraped
def budgets_are_told_as_ratios(w):
    near = lambda a, b: abs(a - b) < 1e-6
    assert near(w.one('countersign_budget_ratio{tenant="demo",window="day"}'), 1.0)
    assert near(w.one('countersign_budget_ratio{tenant="demo",window="month"}'), 25 / 750)
    assert near(w.one('countersign_budget_ratio{tenant="test",window="day"}'), 0.2)
    assert near(w.one('countersign_budget_spent{tenant="demo",window="day",currency="USD"}'), 25.0)


@scraped
def events_and_freshness_are_told(w):
    rows = {r["result"]: n for r, n in w.query("countersign_spend_events_total")}
    assert rows.get("rejected") == 1 and sum(rows.values()) == 3, rows
    assert w.one("countersign_spend_caught_up") == 1
    assert w.one('countersign_bundle_activation_seconds_count{name="safe-mutations"}') == 1


@scraped
def what_happens_next_is_scraped_too(w):
    before = w.one(f'countersign_decisions_total{{path="{PATH}",outcome="allow"}}')
    ask(w.port, "POST", RESULT, decision("test", RENAME))
    after = lambda: w.one(f'countersign_decisions_total{{path="{PATH}",outcome="allow"}}') == before + 1
    serving.wait_for("the next scrape", after, 15)


@scraped
def labels_from_outside_stay_bounded(w):
    """Paths are the caller's: so many, then the rest is one series. Odd characters do not break the text."""
    for i in range(1200):
        if i % 100 == 0:
            link = serving.http.client.HTTPConnection("127.0.0.1", w.port, timeout=20)
        link.request("POST", f"/v1/data/random/p{i}", b"{}")
        link.getresponse().read()
    ask(w.port, "POST", "/v1/data/quote%22%5C%0Anew", b"{}")
    text = ask(w.port, "GET", "/metrics").body.decode()
    series = [line for line in text.splitlines() if line.startswith("countersign_decisions_total{")]
    assert 900 < len(series) <= 1010, len(series)
    assert any('path="_other"' in line for line in series)
    the_exposition_is_clean(w)


def main():
    w = Scene()

    def start():
        if PROMETHEUS:
            w.start_prometheus()

    serving.run_scene(w, CASES, ("countersign.log", "prometheus.log"), start)


if __name__ == "__main__":
    main()
