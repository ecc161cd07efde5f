#!/usr/bin/env python3
"""Webhooks of approvals: a small server stands for the outside systems. It records what it is sent, and fails, is slow,
redirects, closes or answers for ever, as the case wants it; what it decides comes back signed, forged, old or again.

Environment: COUNTERSIGN (the built program)."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import signal
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import ROOT, Clock, World, ask, base_config, close, run_cases, wait_for  # noqa: E402

CASES = []
DECISION = "/v1/data/gate/result"
SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, exact").decode()
OTHER = "another secret, which is a text"
POLICY = """package gate

row := data.approvals[input.actor.tenant][input.graphql.digest]

approved if row.state == "approved"

asks := object.union(
    {
        "type": "request_approval",
        "digest": input.graphql.digest,
        "operation": "mergeEntities",
        "variables": input.graphql.variables,
        "quorum": 1,
        "groups": ["leads"],
        "escalation_groups": ["managers"],
        "approve_within_s": 7200,
        "execute_within_s": 3600,
        "escalate_after_s": 1800,
        "cost_nanos": 6200000000,
        "currency": "USD",
    },
    object.get(input, "ask", {}),
)

effects contains asks if not approved

effects contains {"type": "consume_approval", "approval": row.id} if approved

default allow := false

allow if approved

result := {"allow": allow, "reasons": [], "effects": effects, "approval": {"digest": input.graphql.digest}}
"""
PEOPLE = {
    "aliases": {"5b10ac8d82e05b22cc7d4ef5": "bob", "carol.jones": "carol"},
    "groups": {"leads": ["bob", "carol", "dan"], "managers": ["mary", "max"]},
}


def case(function):
    CASES.append(function)
    return function


# ---- the outside


class Outside:
    """A server that records; `script` says what it does next: a status, "close", "slow", "redirect" or "endless"."""

    def __init__(self):
        self.got, self.script, self.otherwise = [], [], 200
        outside = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outside.got.append((time.monotonic(), self.path, dict(self.headers.items()), body))
                outside.answer(self, outside.script.pop(0) if outside.script else outside.otherwise)

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler, what):
        if what == "close":
            handler.close_connection = True
            return
        if what == "slow":
            time.sleep(3)
            what = 200
        handler.send_response(302 if what == "redirect" else 200 if what == "endless" else what)
        if what == "redirect":
            handler.send_header("location", self.url("/elsewhere"))
        handler.send_header("content-length", str(10**9 if what == "endless" else 2))
        handler.end_headers()
        if what == "endless":
            for _ in range(3000):
                handler.wfile.write(b"x" * 1024)
        handler.wfile.write(b"ok")

    def url(self, path="/hook"):
        return f"http://127.0.0.1:{self.port}{path}"

    def bodies(self):
        return [json.loads(body) for _, _, _, body in list(self.got)]

    def wait(self, n, seconds=15):
        wait_for(f"{n} requests", lambda: len(self.got) >= n, seconds)
        return self.bodies()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def key_of(secret):
    return base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()


def signature(secret, delivery, at, body):
    mac = hmac.new(key_of(secret), f"{delivery}.{at}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def genuine(headers, body, secret=SECRET):
    """Is it signed as the Standard Webhooks want it?"""
    lower = {k.lower(): v for k, v in headers.items()}
    want = signature(secret, lower["webhook-id"], lower["webhook-timestamp"], body)
    return want in lower["webhook-signature"].split(" ")


# ---- the service


def hook(outside=None, name="ops", **more):
    webhook = {"name": name, "secret": SECRET, "retry": {"first": "100ms", "most": "400ms", "give_up": "24h"}, **more}
    if outside:
        webhook["url"] = outside.url()
    return webhook


class Service:
    def __init__(self, w, name, webhooks, clock=False, more=(), token=None, **sections):
        self.w, self.name, self.token = w, name, token
        files = {
            ".manifest": json.dumps({"revision": "r", "roots": ["gate", "tenants", "countersign"]}),
            "gate.rego": POLICY,
            "data.json": json.dumps({"countersign": {"people": PEOPLE}, "tenants": {"acme": {}, "other": {}}}),
        }
        w.build_files(files, name)
        self.config = base_config(w, name)
        del self.config["spend"]
        self.config["bundles"].update(more)
        self.config["journal"] = w.journal(name)
        self.config["gateways"] = {"decision": "gate/result", "effects": ["gate/result"]}
        self.config["approvals"] = {"webhooks": webhooks}
        self.config["status"] = {"prometheus": True}
        self.config["persistence_directory"] = w.path(name + ".state")
        self.config.update(sections)
        self.clock = Clock(w, name + ".clock") if clock else None
        self.start()

    def start(self):
        how = {"env": self.clock.env()} if self.clock else {}
        self.process, self.port = self.w.serve(self.config, **how)

    def stop(self, how=signal.SIGTERM):
        return self.w.stop(self.process, how)

    def ask(self, *arguments, **how):
        return ask(self.port, *arguments, **how)

    def now(self):
        return self.clock.now() if self.clock else time.time()

    def decide(self, n, tenant="acme", **more):
        body = {
            "input": {
                "actor": {"sub": "alice", "tenant": tenant},
                "graphql": {"document_id": "doc", "operation_name": "Merge", "variables": {"n": n}},
                **more,
            }
        }
        headers = {"x-request-id": str(uuid.uuid4())}
        if self.token:
            headers["authorization"] = "Bearer " + self.token
        reply = self.ask("POST", DECISION, body, headers=headers)
        assert reply.status == 200, reply
        return reply.json()["result"], reply

    def open(self, n=1, tenant="acme", **ask):
        """(id, digest) of an approval that was asked for."""
        result, reply = self.decide(n, tenant, ask=ask)
        assert not result["allow"], result
        return reply.headers["x-countersign-approval"], result["approval"]["digest"]

    def state(self, approval):
        rows = self.ask("GET", "/v1/data/approvals/acme").json().get("result", {})
        return next((r for r in rows.values() if r["id"] == approval), {}).get("state")

    def post(self, body, kind="generic", secret=SECRET, at=None, delivery=None, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        at, delivery = str(int(self.now() if at is None else at)), delivery or "msg_" + uuid.uuid4().hex
        signed = {
            "webhook-id": delivery,
            "webhook-timestamp": at,
            "webhook-signature": signature(secret, delivery, at, body),
            "content-type": "application/json",
            **headers,
        }
        return self.ask("POST", "/v1/approvals/webhooks/" + kind, body, headers=signed)

    def metric(self, name, **labels):
        for line in self.ask("GET", "/metrics").body.decode().splitlines():
            if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.split()[-1])
        return 0

    def status(self, name="ops"):
        rows = self.ask("GET", "/v1/status").json()["result"]["webhooks"]
        return next(r for r in rows if r["name"] == name)


def vote(approval, digest, decision="approve", who="bob", **more):
    return {"approval": approval, "digest": digest, "decision": decision, "approver": {"id": who}, **more}


def refused(reply, status, code):
    assert reply.status == status and reply.json()["code"] == code, reply
    return reply


# ---- out


@case
def what_happens_is_told_in_order_signed_and_once(w):
    out = Outside()
    s = Service(w, "told", [hook(out, headers={"authorization": "Bearer outside"})])
    approval, digest = s.open()
    assert s.post(vote(approval, digest, comment="fine")).status == 200
    result, _ = s.decide(1)
    assert result["allow"], result
    bodies = out.wait(3)
    assert [(b["data"]["event"], b["data"].get("outcome")) for b in bodies] == [
        ("opened", None),
        ("decided", "approved"),
        ("decided", "consumed"),
    ], bodies
    assert [b["data"]["approval"]["state"] for b in bodies] == ["requested", "approved", "consumed"], bodies
    for (_, path, headers, body), event in zip(out.got, bodies):
        lower = {k.lower(): v for k, v in headers.items()}
        assert path == "/hook" and lower["authorization"] == "Bearer outside", headers
        assert lower["content-type"] == "application/cloudevents+json", headers
        assert genuine(headers, body) and not genuine(headers, body + b" "), headers
        assert lower["webhook-id"] == event["id"] and abs(int(lower["webhook-timestamp"]) - time.time()) < 60, headers
        assert event["specversion"] == "1.0" and event["source"] == "/countersign/approvals", event
        assert event["type"] == f"io.countersign.approval.{event['data']['event']}.v1", event
        assert event["subject"] == "approval/" + approval, event
        told = event["data"]["approval"]
        assert (told["id"], told["digest"], told["tenant"]) == (approval, digest, "acme"), told
        assert told["requester"] == "alice" and told["operation"] == "mergeEntities" and told["cost"] == "6.20", told
    assert bodies[1]["data"]["actor"] == "bob" and len({b["id"] for b in bodies}) == 3
    wait_for("the record", lambda: s.metric("countersign_webhook_pending", webhook="ops") == 0)
    assert s.metric("countersign_webhook_deliveries_total", webhook="ops", result="delivered") == 3
    s.stop()
    s.start()
    s.open(2)
    assert [b["data"]["event"] for b in out.wait(4)] == ["opened", "decided", "decided", "opened"]
    s.stop()
    time.sleep(0.2)
    assert len(out.got) == 4, out.got
    out.end()


@case
def only_what_is_wanted(w):
    out, third = Outside(), Outside()
    wanted = [
        hook(out, events=["decided"]),
        hook(third, "third", tenants=["other"], secret=OTHER, inbound=False),
        hook(None, "inward"),
    ]
    s = Service(w, "wanted", wanted)
    approval, digest = s.open()
    reply = s.post(vote(approval, digest, "reject"))
    assert reply.status == 200 and reply.json()["result"] == "rejected", reply
    assert reply.json()["approval"]["state"] == "rejected", reply
    assert [b["data"]["outcome"] for b in out.wait(1)] == ["rejected"]
    assert out.bodies()[0]["data"]["approval"]["rejections"][0]["approver"] == "bob"
    assert not third.got, third.got
    s.open(1, "other")
    body = third.wait(1)[0]
    assert body["data"]["approval"]["tenant"] == "other" and genuine(third.got[0][2], third.got[0][3], OTHER), body
    assert {r["name"] for r in s.ask("GET", "/v1/status").json()["result"]["webhooks"]} == {"ops", "third"}
    refused(s.post(vote(approval, digest), secret=OTHER), 401, "invalid_signature")
    shown = s.ask("GET", "/v1/config").body
    assert SECRET.encode() not in shown and OTHER.encode() not in shown and out.url().encode() in shown, shown
    s.stop()
    out.end()
    third.end()


@case
def the_clock_escalates_and_expires(w):
    out = Outside()
    s = Service(w, "clock", [hook(out)], clock=True)
    approval, digest = s.open(1, approve_within_s=1700)
    other, _ = s.open(2)
    out.wait(2)
    s.clock.move(1801)
    told = {b["subject"]: b["data"] for b in out.wait(4)[2:]}
    expired, escalated = told["approval/" + approval], told["approval/" + other]
    ended = (expired["event"], expired["outcome"], expired["approval"]["state"])
    assert ended == ("decided", "expired", "expired"), told
    assert escalated["event"] == "escalated" and escalated["approval"]["escalated"], told
    refused(s.post(vote(approval, digest)), 409, "wrong_state")
    s.stop()
    out.end()


@case
def a_target_that_is_bad_is_tried_again_and_delays_nobody(w):
    bad, good = Outside(), Outside()
    bad.script = [500, "close", "redirect", 429, 403, "endless", "slow", 204]
    hooks = [hook(bad, timeout="1s", old_secrets=[OTHER]), hook(good, "good")]
    s = Service(w, "bad", hooks)
    began = time.monotonic()
    approval, digest = s.open()
    assert time.monotonic() - began < 1
    good.wait(1, 2)
    wait_for("a failure", lambda: s.status()["failing"] and s.status()["error"])
    assert s.status()["pending"] == 1 and s.metric("countersign_webhook_failing", webhook="ops") == 1
    began = time.monotonic()
    assert s.post(vote(approval, digest)).status == 200 and s.decide(1)[0]["allow"]
    assert time.monotonic() - began < 1
    good.wait(3, 2)
    bodies = bad.wait(10, 20)
    assert all(path == "/hook" for _, path, _, _ in bad.got), bad.got
    assert len({b["id"] for b in bodies[:8]}) == 1 and len({body for _, _, _, body in bad.got[:8]}) == 1, bodies
    assert [b["data"].get("outcome") for b in bodies[8:]] == ["approved", "consumed"], bodies
    for _, _, headers, body in bad.got:
        assert genuine(headers, body, SECRET) and genuine(headers, body, OTHER), headers
    pauses = [b[0] - a[0] for a, b in zip(bad.got[:5], bad.got[1:6])]
    assert all(p >= 0.07 for p in pauses) and pauses[2] >= 0.3, pauses
    wait_for("success", lambda: not s.status()["failing"] and s.status()["pending"] == 0)
    assert s.status()["error"] is None and s.status()["delivered_at"], s.status()
    assert s.metric("countersign_webhook_deliveries_total", webhook="ops", result="failed") == 7
    s.stop()
    bad.end()
    good.end()


@case
def one_event_that_is_not_taken_holds_up_only_its_own_approval(w):
    out = Outside()
    s = Service(w, "poison", [hook(out, retry={"first": "1s", "most": "1s", "give_up": "24h"})])
    out.script = [422]
    first, digest = s.open(1)
    out.wait(1)
    second, _ = s.open(2)
    assert s.post(vote(first, digest)).status == 200
    bodies = out.wait(4)
    told = [(b["subject"], b["data"]["event"]) for b in bodies]
    want = [(first, "opened"), (second, "opened"), (first, "opened"), (first, "decided")]
    assert told == [("approval/" + a, e) for a, e in want], told
    s.stop()
    out.end()


@case
def what_is_too_old_or_too_much_is_given_up(w):
    out = Outside()
    out.otherwise = 503
    hooks = [hook(out, retry={"first": "50ms", "most": "100ms", "give_up": "1h"}, queue=3, events=["opened"])]
    s = Service(w, "old", hooks, clock=True)
    for n in range(5):
        s.open(n)
    wait_for("the queue", lambda: s.metric("countersign_webhook_deliveries_total", webhook="ops", result="full") == 2)
    assert s.status()["pending"] == 3
    s.stop(signal.SIGKILL)
    s.clock.move(1000)
    s.start()
    assert s.status()["pending"] == 3
    s.clock.move(3000)
    wait_for("giving up", lambda: s.status()["pending"] == 0)
    assert s.metric("countersign_webhook_deliveries_total", webhook="ops", result="dropped") == 3
    out.got.clear()
    out.otherwise = 200
    s.open(9)
    assert out.wait(1)[0]["data"]["approval"]["variables"] == {"n": 9}
    wait_for("its being written down", lambda: s.status()["pending"] == 0)  # before that it would be told again
    s.stop()
    s.start()
    time.sleep(0.5)
    assert len(out.got) == 1, out.bodies()
    s.stop()
    out.end()


@case
def a_process_that_is_killed_goes_on(w):
    out = Outside()
    out.otherwise = 503
    journal = w.journal("killed")
    journal["snapshot"] = {"interval": "1s"}
    s = Service(w, "killed", [hook(out)], journal=journal)
    first, digest = s.open(1)
    assert s.post(vote(first, digest)).status == 200
    time.sleep(1.6)  # a snapshot
    s.open(2)
    s.stop(signal.SIGKILL)
    out.got.clear()
    out.otherwise = 200
    s.start()
    bodies = out.wait(3)
    told = [(b["data"]["event"], b["data"]["approval"]["state"]) for b in bodies]
    assert told == [("opened", "requested"), ("decided", "approved"), ("opened", "requested")], told
    wait_for("the record", lambda: s.status()["pending"] == 0)
    time.sleep(1.6)
    s.stop(signal.SIGKILL)
    s.start()
    s.open(3)
    out.wait(4)
    time.sleep(0.3)
    assert [b["data"]["approval"]["variables"]["n"] for b in out.bodies()] == [1, 1, 2, 3], out.bodies()
    s.stop()
    out.end()


@case
def stopping_does_not_wait_for_a_target(w):
    out = Outside()
    out.otherwise = "slow"
    s = Service(w, "stop", [hook(out, timeout="60s")])
    out.script = ["slow"] * 9
    s.open()
    out.wait(1)
    began = time.monotonic()
    s.stop()
    assert time.monotonic() - began < 2.8, time.monotonic() - began
    out.end()


# ---- in


@case
def who_signs_decides_and_nobody_else(w):
    trusting = hook(name="trusting", secret="third secret, trusted", groups="trusted")
    s = Service(w, "in", [hook(old_secrets=[OTHER]), trusting])
    approval, digest = s.open()
    body = json.dumps(vote(approval, digest)).encode()
    path, at = "/v1/approvals/webhooks/generic", int(time.time())
    good = {"webhook-id": "msg_1", "webhook-timestamp": str(at)}
    good["webhook-signature"] = signature(SECRET, "msg_1", at, body)
    forged = [
        {},
        {**good, "webhook-signature": ""},
        {**good, "webhook-signature": "v1,"},
        {**good, "webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()},
        {**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v2,")},
        {**good, "webhook-signature": signature("a secret of somebody else", "msg_1", at, body)},
        {**good, "webhook-id": "msg_2"},
        {**good, "webhook-id": "msg.1"},
        {**good, "webhook-timestamp": str(at + 1)},
        {**good, "webhook-timestamp": "x"},
        {k: v for k, v in good.items() if k != "webhook-id"},
        {"x-hub-signature": "sha256=" + "00" * 32},
        {"x-hub-signature": "sha1=" + hmac.new(key_of(SECRET), body, hashlib.sha1).hexdigest()},
    ]
    for headers in forged:
        refused(s.ask("POST", path, body, headers=headers), 401, "invalid_signature")
    changed = body.replace(b"approve\"", b"reject\" ")
    refused(s.ask("POST", path, changed, headers=good), 401, "invalid_signature")
    for off in (-301, 301, -86400 * 400):
        refused(s.post(body, at=time.time() + off), 401, "stale_webhook")
    hub = {"x-hub-signature": "sha256=" + hmac.new(key_of(SECRET), body, hashlib.sha256).hexdigest()}
    refused(s.ask("POST", path, body, headers=hub), 401, "stale_webhook")  # it says no time
    assert s.state(approval) == "requested"
    assert s.metric("countersign_webhook_received_total", webhook="", result="unauthenticated") == len(forged) + 1
    two = f"v1,{base64.b64encode(bytes(32)).decode()} {signature(OTHER, 'msg_3', at, body)}"
    good.update({"webhook-id": "msg_3", "webhook-signature": two, "authorization": "Basic b3V0c2lkZQ=="})
    reply = s.ask("POST", path, body, headers=good)
    assert reply.status == 200 and reply.json()["result"] == "approved", reply
    grant = reply.json()["approval"]["grants"][0]
    assert (grant["approver"], grant["verified"], grant["groups"]) == ("bob", "webhook:generic", ["leads"]), grant
    s.stop()


@case
def groups_are_the_bundles_unless_the_webhook_is_trusted(w):
    trusted = hook(name="trusting", secret=OTHER, groups="trusted")
    s = Service(w, "groups", [hook(), trusted])
    approval, digest = s.open()
    outsider = vote(approval, digest, who="eve")
    outsider["approver"]["groups"] = ["leads"]
    refused(s.post(outsider), 403, "approver_ineligible")
    refused(s.post(vote(approval, digest, who="mary")), 403, "approver_ineligible")
    refused(s.post(vote(approval, digest, who="alice")), 403, "self_approval")
    refused(s.post(vote(approval, digest), secret=OTHER), 403, "approver_ineligible")
    reply = s.post(outsider, secret=OTHER)
    assert reply.status == 200 and reply.json()["approval"]["grants"][0]["groups"] == ["leads"], reply
    second, digest = s.open(2)
    reply = s.post(vote(second, digest, who=" Carol.Jones "))
    assert reply.status == 200 and reply.json()["approval"]["grants"][0]["person"] == "carol", reply
    s.stop()


@case
def what_is_wrong_has_a_code_and_changes_nothing(w):
    s = Service(w, "wrong", [hook(tenants=["acme"])])
    approval, digest = s.open()
    elsewhere, its = s.open(1, "other")
    good = vote(approval, digest)
    other = "sha256:" + "0" * 64
    for body in (b"", b"[]", b"{", b'"x"', {}, {**good, "decision": "maybe"}, {**good, "approver": {}},
                 {**good, "approval": ""}, {**good, "digest": None}, {**good, "specversion": "1.0"}):
        refused(s.post(body), 400, "invalid_webhook")
    refused(s.post({**good, "digest": other}), 409, "digest_mismatch")
    refused(s.post({**good, "digest": "sha256:xyz"}), 400, "invalid_digest")
    refused(s.post({**good, "approval": "apr-0000000000000000"}), 404, "resource_not_found")
    refused(s.post(vote(elsewhere, its)), 404, "resource_not_found")
    refused(s.post({**good, "comment": "x" * 1025}), 400, "invalid_parameter")
    refused(s.post({**good, "comment": "x" * 1048576}), 413, "body_too_large")
    for kind in ("jira", "servicenow", "slack", "generic/x"):
        refused(s.post(good, kind), 404, "resource_not_found")
    assert s.ask("GET", "/v1/approvals/webhooks/generic").status in (401, 404, 405)
    assert s.state(approval) == "requested"
    assert s.post(good).status == 200
    reply = s.post(good)
    assert reply.status == 200 and reply.json()["result"] == "unchanged", reply
    refused(s.post(vote(approval, digest, who="carol")), 409, "wrong_state")
    assert s.decide(1)[0]["allow"]
    refused(s.post(vote(approval, digest, "reject", who="carol")), 409, "wrong_state")
    s.stop()


@case
def a_delivery_counts_once(w):
    s = Service(w, "again", [hook()], clock=True)
    approval, digest = s.open(1, quorum=2)
    body, at = json.dumps(vote(approval, digest)).encode(), s.now()
    assert s.post(body, at=at, delivery="msg_a").json()["result"] == "approved"
    reply = s.post(body, at=at, delivery="msg_a")
    assert reply.status == 200 and reply.json()["result"] == "duplicate", reply
    s.stop(signal.SIGKILL)
    s.start()
    assert s.post(body, at=at, delivery="msg_a").json()["result"] == "duplicate"
    assert s.post(body, at=at, delivery="msg_b").json()["result"] == "unchanged"
    s.clock.move(301)
    refused(s.post(body, at=at, delivery="msg_a"), 401, "stale_webhook")
    assert s.metric("countersign_webhook_received_total", webhook="ops", result="duplicate") == 1
    s.stop()


@case
def without_webhooks_there_are_none(w):
    s = Service(w, "none", [])
    approval, digest = s.open()
    refused(s.post(vote(approval, digest)), 404, "resource_not_found")
    assert "webhooks" not in s.ask("GET", "/v1/status").json()["result"]
    s.stop()


@case
def the_signature_is_all_that_is_asked_for_and_leaves_a_record(w):
    tokens = {
        "t-auditor": {"subject": "ann", "roles": ["auditor"]},
        "t-alice": {"subject": "alice", "tenant": "acme", "roles": ["gateway"]},
    }
    w.build(os.path.join(ROOT, "rego-bundles", "system"), "system")
    system = {"resource": "file://" + w.path("system.tar.gz"), "signing": {"keyid": "ci", "scope": "write"}}
    sections = {
        "identity": {"tokens": {"file": w.write("tokens.json", json.dumps(tokens))}},
        "audit": {"dir": w.path("audited"), "sync": "commit"},
    }
    s = Service(w, "closed", [hook()], more={"system": system}, token="t-alice", **sections)
    approval, digest = s.open()
    assert s.ask("GET", "/v1/approvals").status == 401
    for headers in ({}, {"authorization": "Basic b3V0c2lkZTpwYXNz"}):
        forged = s.post(vote(approval, digest), secret="a secret of nobody here", **headers)
        refused(forged, 401, "invalid_signature")
    assert s.post(vote(approval, digest), delivery="msg_audited", authorization="Basic b3V0OnNpZGU=").status == 200
    reply = s.ask("GET", "/v1/audit", headers={"authorization": "Bearer t-auditor"})
    records = [json.loads(line) for line in reply.body.splitlines()]
    refusals = [r for r in records if r["type"] == "access.refused" and r["data"]["code"] == "invalid_signature"]
    assert len(refusals) == 2 and "/v1/approvals/webhooks/generic" in refusals[0]["data"]["path"], records
    grant = next(r for r in records if r["type"] == "approval.granted")
    assert "webhook:generic" in json.dumps(grant) and "msg_audited" in json.dumps(grant), grant
    s.stop()


# ---- Jira Service Management and ServiceNow

JIRA_FIELDS = {"approval": "customfield_10050", "digest": "customfield_10051"}
BOB = "5b10ac8d82e05b22cc7d4ef5"


def issue(approval, digest, approvers, final="pending", **more):
    return {
        "timestamp": int(time.time() * 1000),
        "webhookEvent": "jira:issue_updated",
        "issue": {"key": "OPS-7", "fields": {"customfield_10050": approval, "customfield_10051": digest}},
        "approval": {
            "id": "12",
            "finalDecision": final,
            "approvers": [
                {"approver": {"accountId": who, "displayName": "x"}, "approverDecision": decision}
                for who, decision in approvers
            ],
        },
        **more,
    }


@case
def jira_tells_and_decides(w):
    out = Outside()
    s = Service(w, "jira", [hook(out, "jsm", kind="jira", fields=JIRA_FIELDS)])
    approval, digest = s.open(1, quorum=2)
    told = out.wait(1)[0]
    fields = told["fields"]
    assert fields["customfield_10050"] == approval and fields["customfield_10051"] == digest, told
    assert "mergeEntities" in fields["summary"] and "6.20 USD" in fields["description"], told
    assert told["finalDecision"] == "pending" and told["webhookEvent"] == "countersign:approval_opened", told
    assert genuine(out.got[0][2], out.got[0][3]) and told["id"] == out.got[0][2]["webhook-id"], out.got

    def post(body):
        body = json.dumps(body).encode()
        sign = "sha256=" + hmac.new(key_of(SECRET), body, hashlib.sha256).hexdigest()
        headers = {"x-hub-signature": sign, "x-atlassian-webhook-identifier": str(uuid.uuid4())}
        return s.ask("POST", "/v1/approvals/webhooks/jira", body, headers=headers)

    assert post({**issue(approval, digest, []), "approval": None}).json()["result"] == "ignored"
    assert post(issue(approval, digest, [(BOB, "pending")])).json()["result"] == "ignored"
    refused(post(issue(approval, "sha256:" + "1" * 64, [(BOB, "approved")])), 409, "digest_mismatch")
    refused(post(issue(approval, None, [(BOB, "approved")])), 400, "invalid_webhook")
    refused(post({**issue(approval, digest, [(BOB, "approved")]), "timestamp": 1700000000000}), 401, "stale_webhook")
    assert s.state(approval) == "requested"
    body = issue(approval, digest, [(BOB, "approved"), ("dan", "pending")])
    reply = post(body)
    assert reply.status == 200 and reply.json()["result"] == "approved", reply
    assert reply.json()["approval"]["grants"][0]["verified"] == "webhook:jira", reply
    assert post(body).json()["result"] == "duplicate"  # whatever the headers say
    reply = post(issue(approval, digest, [(BOB, "approved"), ("eve", "approved"), ("dan", "approved")], "approved"))
    assert [r["code"] for r in reply.json()["results"]] == ["unchanged", "approver_ineligible", "approved"], reply
    assert reply.json()["approval"]["state"] == "approved", reply
    assert out.wait(2)[1]["finalDecision"] == "approved", out.bodies()
    second, digest = s.open(2)
    reply = s.post(issue(second, digest, [("carol", "declined")], "declined"), "jira")
    assert reply.json()["result"] == "rejected", reply
    assert [b["finalDecision"] for b in out.wait(4)[2:]] == ["pending", "declined"], out.bodies()
    refused(s.post(vote(second, digest)), 404, "resource_not_found")
    s.stop()
    out.end()


@case
def servicenow_tells_and_decides(w):
    out = Outside()
    s = Service(w, "snow", [hook(out, "snow", kind="servicenow")])
    approval, digest = s.open()
    told = out.wait(1)[0]
    assert told["u_countersign_approval"] == told["correlation_id"] == approval, told
    assert told["u_countersign_digest"] == digest and told["state"] == "requested", told

    def record(state, who="bob", **more):
        fields = {"u_countersign_approval": approval, "u_countersign_digest": digest}
        return {"sys_id": "s1", "state": state, "approver": who, "comments": "seen", **fields, **more}

    for state in ("requested", "cancelled", "not_required"):
        assert s.post(record(state), "servicenow").json()["result"] == "ignored"
    refused(s.post(record("perhaps"), "servicenow"), 400, "invalid_webhook")
    refused(s.post(record("approved", u_countersign_digest="sha256:" + "2" * 64), "servicenow"), 409, "digest_mismatch")
    refused(s.post(record("approved", who=""), "servicenow"), 400, "invalid_webhook")
    assert s.post(told, "servicenow").json()["result"] == "ignored"
    reply = s.post(record("approved", who={"value": "carol.jones", "display_value": "Carol"}), "servicenow")
    assert reply.status == 200 and reply.json()["result"] == "approved", reply
    grant = reply.json()["approval"]["grants"][0]
    assert (grant["person"], grant["verified"], grant["comment"]) == ("carol", "webhook:servicenow", "seen"), grant
    assert s.decide(1)[0]["allow"]
    assert [b["state"] for b in out.wait(3)] == ["requested", "approved", "approved"], out.bodies()
    refused(s.post(out.bodies()[1], "servicenow"), 400, "invalid_webhook")  # what is told does not decide
    approval, digest = s.open(2)
    assert s.post(record("rejected"), "servicenow").json()["result"] == "rejected"
    assert [b["state"] for b in out.wait(5)[3:]] == ["requested", "rejected"], out.bodies()
    s.stop()
    out.end()


if __name__ == "__main__":
    world = World()
    wanted = [c for c in CASES if c.__name__ in sys.argv[1:]] or CASES
    done = run_cases(wanted, world)
    if done[1]:
        print("---- countersign.log\n" + open(world.path("countersign.log"), errors="replace").read()[-6000:])
    world.end()
    close(*done)
