#!/usr/bin/env python3
"""Configuration that comes out of a bundle: what is made of it, what it may not change, and what goes on as before.
Texts of refusals are those that OPA 1.22.2 gave to the same bundles.

Environment: COUNTERSIGN (the built program)."""

import json
import os
import subprocess
import time

import serving
from peers import Collector, Peer, answer_of, run, stop
from serving import ask, wait_for

CASES = []


def case(function):
    CASES.append(function)
    return function


class Control(Peer):
    """Serves a discovery bundle and others, by path; what changes gets another etag."""

    def __init__(self):
        self.bundles, self.n = {}, 0
        super().__init__(self.take)

    def take(self, seen):
        if seen["method"] == "POST":
            return 200, {}, b""
        if seen["path"] not in self.bundles:
            return 404, {}, b""
        etag, body = self.bundles[seen["path"]]
        if seen["headers"].get("If-None-Match") == etag:
            return 304, {"ETag": etag}, b""
        return 200, {"ETag": etag}, body

    def put(self, path, body):
        self.n += 1
        self.bundles[path] = (f'"{self.n}"', body)

    def discover(self, document, *, revision="", files=()):
        """The document is data.cfg of the discovery bundle."""
        manifest = json.dumps({"revision": revision}).encode()
        text = json.dumps({"cfg": document}).encode()
        self.put("/discovery", serving.archive([("/.manifest", manifest), ("/data.json", text), *files]))

    def asked(self, path):
        return sum(r["path"] == path for r in self.requests)


def boot(peer, **more):
    polling = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    return {
        "services": {"s": {"url": peer.url}},
        "discovery": {"resource": "discovery", "decision": "cfg", "polling": polling},
        "status": {"prometheus": True},
        **more,
    }


def source(resource, **more):
    return {"resource": resource, "polling": {"min_delay_seconds": 1, "max_delay_seconds": 1}, **more}


def status(port):
    return ask(port, "GET", "/v1/status").json()["result"]


def discovery(port):
    return status(port).get("discovery", {})


@case
def bundles_come_change_and_go(w):
    peer = Control()
    process, port = w.run(boot(peer))
    wait_for("the failure", lambda: discovery(port).get("http_code") == 404)
    assert discovery(port)["message"] == "server replied with Not Found", discovery(port)
    assert ask(port, "GET", "/health?bundles").json() == {"error": "one or more bundles are not activated"}
    assert ask(port, "GET", "/health?plugins").status == 500
    peer.put("/one", w.bundle("one"))
    peer.put("/two", w.bundle("two"))
    peer.put("/other", w.bundle("other", root="other"))
    peer.discover({"bundles": {"a": source("one"), "o": source("other")}}, revision="r1")
    wait_for("the bundles", lambda: answer_of(port) == "one" and answer_of(port, "other") == "other")
    seen = discovery(port)
    assert seen["active_revision"] == "r1" and seen["type"] == "snapshot" and seen["size"] > 0, seen
    assert "code" not in seen and "metrics" not in seen and seen["name"] == "discovery", seen
    assert ask(port, "GET", "/health?bundles&plugins").status == 200
    before = peer.asked("/other")
    peer.discover({"bundles": {"a": source("two"), "o": source("other")}}, revision="r2")
    wait_for("the changed one", lambda: answer_of(port) == "two")
    wait_for("another poll of the one that is the same", lambda: peer.asked("/other") > before)
    others = [r for r in peer.requests if r["path"] == "/other"]
    assert "If-None-Match" in others[-1]["headers"], "it goes on as before"
    peer.discover({"bundles": {"a": source("two")}})
    wait_for("the other to go", lambda: answer_of(port, "other") is None)
    assert set(status(port)["bundles"]) == {"a"}, status(port)["bundles"]
    peer.discover({"labels": {"x": "y"}})
    wait_for("labels", lambda: status(port)["labels"].get("x") == "y")
    assert answer_of(port) == "two", "what is not spoken of stays"
    peer.discover({"bundles": {"a": source("missing")}})
    wait_for("its failure", lambda: status(port)["bundles"]["a"].get("http_code") == 404)
    assert answer_of(port) == "two"
    file = w.write("file.tar.gz", w.bundle("file", root="f"))
    peer.discover({"bundles": {"f": {"resource": f"file://{file}"}}})
    wait_for("the file", lambda: answer_of(port, "f") == "file" and answer_of(port) is None)
    stop(w, process, peer)


@case
def what_the_start_says_holds(w):
    peer = Control()
    start = boot(peer, labels={"site": "eu"}, default_decision="/app/answer", bundles={"a": source("one")})
    process, port = w.run(start)
    peer.put("/one", w.bundle("one"))
    peer.put("/two", w.bundle("two"))
    policy = b"""package cfg

bundles.a.resource := "two"
labels := {"site": "us", "seen": opa.runtime().config.labels.site, "home": "${HOME}"}
default_decision := "/app/other"
spend := {}
nonsense := true
"""
    peer.put("/discovery", serving.archive([("/cfg.rego", policy)]))
    wait_for("its note", lambda: "overridden" in discovery(port).get("message", ""))
    names = discovery(port)["message"].rpartition(": ")[2].split(", ")
    assert sorted(names) == ["bundles.a.resource", "default_decision", "labels.site"], names
    assert "code" not in discovery(port)
    wait_for("the start's bundle", lambda: answer_of(port) == "one")
    shown = ask(port, "GET", "/v1/config").json()["result"]
    assert "spend" not in shown and "nonsense" not in shown and shown["default_decision"] == "/app/answer", shown
    labels = shown["labels"]
    assert labels["site"] == "eu" and labels["seen"] == "eu" and labels["home"] == os.environ["HOME"], labels
    assert ask(port, "POST", "/", {}).json() == "one"
    wait_for("304", lambda: "message" not in discovery(port))
    stop(w, process, peer)


@case
def what_it_may_not_say(w):
    peer = Control()
    key = {"k": {"key": "secret", "algorithm": "HS256"}}
    process, port = w.run(boot(peer, keys=key))
    short = {"min_delay_seconds": 1}
    mismatch = "trigger mode mismatch: periodic and"
    refusals = [
        ({"services": {"s": {"url": "http://elsewhere"}}}, "updates to the discovery service are not allowed"),
        ({"services": [{"name": "s", "url": peer.url, "headers": {"a": "b"}}]}, "updates to the discovery ser"),
        ({"keys": {"k": {"key": "other", "algorithm": "HS256"}}}, "updates to keys specified in the boot"),
        ({"bundles": {"a": {"service": "no"}}}, 'invalid configuration for bundle "a": service name "no" not found'),
        ({"bundles": {"a": {"polling": short}}}, 'for bundle "a": polling configuration missing \'max_delay_seconds\''),
        ({"bundles": {"a": {"trigger": "manual"}}}, f"{mismatch} manual (hint: check discovery configuration)"),
        ({"decision_logs": {"reporting": {"trigger": "immediate"}}}, f"invalid decision_log config: {mismatch} imm"),
        ({"status": {"trigger": "manual"}}, f"invalid status config: {mismatch} manual (hint"),
        ({"decision_logs": {"service": "z"}}, 'invalid service name "z" in decision_logs'),
        ({"decision_logs": {"plugin": "x"}}, 'invalid plugin name "x" in decision_logs'),
        ({"plugins": {"p": {}}}, 'plugin "p" not registered'),
        ({"default_decision": 5}, "default_decision must be a string"),
        ("text", "is no object"),
    ]
    for document, text in refusals:
        peer.discover(document)
        wait_for(text, lambda: text in discovery(port).get("message", ""))
        assert discovery(port)["code"] == "bundle_error", discovery(port)
    peer.put("/discovery", serving.archive([("/x.rego", b"package cfg\n\na := b\n")]))
    wait_for("errors", lambda: "errors" in discovery(port))
    seen = discovery(port)
    assert seen["message"] == "error(s) occurred while compiling module(s)", seen
    assert seen["errors"][0]["location"] == {"file": "/x.rego", "row": 3, "col": 6}, seen
    peer.put("/discovery", serving.archive([("/other/data.json", b"{}")]))
    wait_for("nothing", lambda: discovery(port)["message"] == "undefined configuration")
    assert ask(port, "GET", "/health?bundles").status == 500
    same = {"services": {"s": {"url": peer.url + "/", "response_header_timeout_seconds": 10}}, "keys": key}
    peer.discover(same)
    wait_for("the same to be good", lambda: "code" not in discovery(port))
    stop(w, process, peer)


@case
def decision_logs_and_status_by_discovery(w):
    peer, logs = Control(), Collector()
    settings = boot(peer)
    del settings["status"]
    process, port = w.run(settings)
    assert ask(port, "GET", "/v1/status").status == 500
    assert "decision_id" not in ask(port, "GET", "/v1/data/x").json()
    mask = b'package system.log\n\nmask contains "/input/secret"\n'
    peer.put("/mask", serving.archive([("/.manifest", b'{"roots": ["system/log"]}'), ("/mask.rego", mask)]))
    reporting = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    document = {
        "services": {"logs": {"url": logs.url}},
        "decision_logs": {"service": "logs", "resource": "one", "reporting": reporting},
        "status": {"service": "s", "partition_name": "p"},
        "bundles": {"m": source("mask", service="s")},
        "labels": {"fresh": "yes"},
    }
    peer.discover(document)
    wait_for("status", lambda: peer.asked("/status/p") > 0)
    wait_for("the bundle", lambda: ask(port, "GET", "/health?bundles").status == 200)
    body = {"input": {"n": 1, "secret": "s"}}
    assert "decision_id" in ask(port, "POST", "/v1/data/x", body).json()
    wait_for("the record", lambda: len(logs.events) >= 1)
    event = logs.events[-1]
    assert event["labels"]["fresh"] == "yes" and event["erased"] == ["/input/secret"], event
    document["decision_logs"]["resource"] = "two"
    document["decision_logs"]["mask_decision"] = "/system/log/none"
    peer.discover(document)
    wait_for("the other", lambda: peer.asked("/discovery") > 0 and "resource\": \"two" in json.dumps(
        ask(port, "GET", "/v1/config").json()))  # fmt: skip
    time.sleep(0.2)
    ask(port, "POST", "/v1/data/x", {"input": {"n": 2, "secret": "s"}})
    wait_for("the record", lambda: any(e.get("input", {}).get("n") == 2 for e in logs.events))
    event = next(e for e in logs.events if e.get("input", {}).get("n") == 2)
    assert event["input"]["secret"] == "s" and logs.requests[-1]["path"] == "/two", (event, logs.requests[-1]["path"])
    peer.discover({"labels": {"fresh": "no"}})
    wait_for("the labels", lambda: status(port)["labels"].get("fresh") == "no")
    assert "decision_id" in ask(port, "GET", "/v1/data/x").json(), "what is not spoken of stays"
    stop(w, process, peer, logs)


@case
def kept_for_the_next_start(w):
    peer = Control()
    settings = boot(peer, persistence_directory=w.path("kept"))
    settings["discovery"]["persist"] = True
    file = w.write("file.tar.gz", w.bundle("file"))
    peer.discover({"bundles": {"f": {"resource": f"file://{file}"}}}, revision="r1")
    process, port = w.run(settings)
    wait_for("the bundle", lambda: answer_of(port) == "file")
    wait_for("the copy", lambda: os.path.exists(w.path("kept", "bundles", "discovery", "bundle.tar.gz")))
    stop(w, process, peer)
    process, port = w.run(settings)
    assert answer_of(port) == "file" and discovery(port)["active_revision"] == "r1", discovery(port)
    assert ask(port, "GET", "/health?bundles").status == 200
    w.stop(process)


@case
def older_names(w):
    peer = Control()
    peer.put("/some/where/cfg", serving.archive([("/data.json", b'{"cfg": {"labels": {"x": "y"}}}')]))
    settings = boot(peer)
    settings["discovery"] = {"name": "cfg", "prefix": "/some/where/", "polling": source("")["polling"]}
    process, port = w.run(settings)
    wait_for("the label", lambda: status(port)["labels"].get("x") == "y")
    stop(w, process, peer)


@case
def signed_discovery(w):
    peer = Control()
    key, public = w.make_key("sign")
    with open(public) as f:
        keys = {"k": {"key": f.read(), "algorithm": "ES256"}}
    settings = boot(peer, keys=keys)
    settings["discovery"]["signing"] = {"keyid": "k"}
    peer.discover({"labels": {"x": "y"}})
    process, port = w.run(settings)
    wait_for("the refusal", lambda: "bundle missing .signatures.json file" in discovery(port).get("message", ""))
    os.makedirs(w.path("signed"))
    w.write("signed/data.json", json.dumps({"cfg": {"labels": {"x": "y"}}}))
    out = w.path("signed.tar.gz")
    command = [serving.COUNTERSIGN, "build", "-b", w.path("signed"), "--signing-key", key, "--signing-alg", "ES256"]
    subprocess.run([*command, "-o", out], check=True)
    with open(out, "rb") as f:
        peer.put("/discovery", f.read())
    wait_for("the label", lambda: status(port)["labels"].get("x") == "y")
    stop(w, process, peer)


if __name__ == "__main__":
    run(CASES)
