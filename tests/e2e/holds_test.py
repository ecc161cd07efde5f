#!/usr/bin/env python3
"""Holds: money kept aside for what was admitted, until it is known what it cost. One case for each complaint that users
have about reservations elsewhere, and for each way in which a request, the journal or the process can fail between.

Environment: COUNTERSIGN (the built program)."""

import concurrent.futures
import hashlib
import http.client
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import COUNTERSIGN, World, about_the_file, ask, base_config, close, free_port  # noqa: E402
from serving import run_cases, spend_event, wait_for  # noqa: E402

CASES = []
UNIT = 10**9
LISTED = "/v1/data/gate/result"
POLICY = """package gate

tenant := input.actor.tenant

estimate := input.cost.estimate_nanos

budgets := data.spend[tenant][input.cost.currency]

# What is negated is a rule: `not f(x)` is undefined where x is.
estimated if {
    is_number(estimate)
    estimate >= 0
    estimate == floor(estimate)
}

reasons contains {"code": "cost_unknown"} if not estimated

reasons contains {"code": "tenant_unknown"} if not budgets

reasons contains {"code": "budget_exceeded", "budget": id} if {
    some id, row in budgets
    estimate > row.remaining_nanos
}

reasons contains {"code": "budget_contended"} if input.contended

allow := count(reasons) == 0

hold := object.union(
    {"type": "hold", "amount_nanos": estimate, "currency": input.cost.currency, "ttl_s": 60},
    object.get(input, "hold", {}),
)

effects contains hold if {
    allow
    not input.nothing
}

effects contains e if some e in input.effects

result := {
    "allow": allow,
    "reasons": reasons,
    "effects": effects,
    "headers": {"x-from-policy": "yes"},
    "status": 402,
    "body": "no",
}

result := {"allow": true, "effects": [hold]} if false

# Asks whatever the counters say.
blind := {"allow": true, "effects": [hold]}
"""


def budget(limit, **more):
    return {"window": "rolling:100h", "limit": limit, **more}


TENANTS = {
    "acme": {"budgets": {"total": budget("10.00")}},
    "two": {"budgets": {"day": budget("5.00"), "month": budget("100.00")}},
    "edge": {"budgets": {"total": budget("1.00")}},
    "soft": {"budgets": {"total": budget("1.00")}},
    "warned": {"budgets": {"total": budget("1.00", mode="warn")}},
    "charged": {"budgets": {"total": budget("10.00", on_expiry="charge_estimate"), "other": budget("10.00")}},
    "family": {"budgets": {"total": budget("5.00")}},
    "child-1": {"parent": "family", "budgets": {"total": budget("4.00")}},
    "child-2": {"parent": "family", "budgets": {"total": budget("4.00")}},
    "users": {"budgets": {"each": budget("1.00", per="user")}},
    "euro": {"currency": "EUR", "budgets": {"total": budget("10.00")}},
}
for i in range(40):
    TENANTS[f"fresh-{i}"] = {"budgets": {"total": budget("1.00")}}


def case(function):
    CASES.append(function)
    return function


class Service:
    """One journal, served again and again."""

    def __init__(self, world, name, tenants=TENANTS, **sections):
        self.w, self.name = world, name
        files = {
            ".manifest": json.dumps({"revision": "r", "roots": ["gate", "tenants"]}),
            "gate.rego": POLICY,
            "data.json": json.dumps({"tenants": tenants}),
        }
        world.build_files(files, name)
        self.config = base_config(world, name)
        self.config["journal"] = world.journal(name)
        self.config["gateways"] = {"decision": "gate/result", "effects": ["gate/result", "/gate/blind"]}
        self.config["persistence_directory"] = world.path(name + ".state")
        self.config.update(sections)
        self.start()

    def start(self):
        self.process, self.port = self.w.serve(self.config)
        wait_for("the journal", lambda: self.ask("GET", "/health/budget").json()["caught_up"], 30, self.process)

    def stop(self, how=signal.SIGTERM):
        return self.w.stop(self.process, how)

    def ask(self, *arguments, **how):
        return ask(self.port, *arguments, **how)

    def decide(self, amount, tenant="acme", request=None, path=LISTED, status=200, **more):
        """One decision: (result, reply)."""
        body = {"input": question(amount, tenant, **more)}
        headers = {"x-request-id": request} if request else {}
        reply = self.ask("POST", path, body, headers=headers)
        assert reply.status == status, reply
        return reply.json().get("result"), reply

    def hold(self, amount, tenant="acme", **more):
        """The id of a hold that was placed."""
        result, reply = self.decide(amount, tenant, **more)
        assert result["allow"] and len(result["holds"]) == 1, result
        assert reply.headers["x-countersign-hold"] == result["holds"][0]["id"], reply
        return result["holds"][0]["id"]

    def row(self, tenant="acme", budget="total", currency="USD"):
        reply = self.ask("GET", "/v1/data/spend/" + tenant)
        return reply.json()["result"][currency][budget]

    def figures(self, tenant="acme", budget="total"):
        row = self.row(tenant, budget)
        assert row["remaining_nanos"] == row["limit_nanos"] - row["posted_nanos"] - row["held_nanos"], row
        return row["posted_nanos"], row["held_nanos"]

    def get(self, hold):
        reply = self.ask("GET", "/v1/holds/" + hold)
        assert reply.status == 200, reply
        return reply.json()

    def metric(self, name):
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return next((line.split()[-1] for line in lines if line.startswith(name + " ")), None)

    def settle(self, hold, amount):
        return self.ask("POST", f"/v1/holds/{hold}/settle", {"amount": amount})

    def void(self, hold):
        return self.ask("POST", f"/v1/holds/{hold}/void", {})

    def post(self, events, status=202):
        reply = self.ask("POST", "/v1/events", events)
        assert reply.status == status, reply
        return reply.json()


def question(amount, tenant="acme", currency="USD", **more):
    cost = {"currency": currency}
    if amount is not None:
        cost["estimate_nanos"] = amount
    return {"actor": {"sub": "alice", "tenant": tenant}, "cost": cost, **more}


def codes(result):
    return sorted(r["code"] for r in result["reasons"])


def usage(tenant, amount, hold=None, **envelope):
    event = spend_event(tenant, amount, **envelope)
    if hold:
        event["data"]["hold"] = hold
    return event


@case
def a_hold_is_placed_settled_voided_and_told(w):
    s = Service(w, "life")
    assert s.figures() == (0, 0)
    first = s.hold(2 * UNIT)
    assert s.figures() == (0, 2 * UNIT)
    told = s.get(first)
    assert told["state"] == "pending" and told["amount"] == "2.00" and told["tenant"] == "acme", told
    assert told["posted"] is None and told["resolved_at"] is None and told["scope"] is None, told
    reply = s.settle(first, "1.25")
    assert reply.status == 200 and reply.json()["result"] == "posted" and reply.json()["posted"] == "1.25", reply
    assert s.figures() == (UNIT + UNIT // 4, 0) and s.get(first)["state"] == "posted"
    second = s.hold(3 * UNIT)
    reply = s.void(second)
    assert reply.status == 200 and reply.json()["result"] == "voided" and reply.json()["state"] == "voided", reply
    assert s.figures() == (UNIT + UNIT // 4, 0)
    for hold, verb, code in (
        (first, s.void, "already_posted"),
        (second, s.void, "already_voided"),
        (first, lambda h: s.settle(h, "1.25"), "already_posted"),
        (second, lambda h: s.settle(h, "1"), "already_voided"),
    ):
        reply = verb(hold)
        assert reply.status == 409 and reply.json()["code"] == code, (hold, reply)
    assert s.figures() == (UNIT + UNIT // 4, 0)
    status = {t["tenant"]: t for t in s.ask("GET", "/admin/budget/status").json()["tenants"]}
    assert status["acme"]["budgets"]["total"]["held"] == "0.00", status["acme"]
    third = s.hold(5 * UNIT)
    status = {t["tenant"]: t for t in s.ask("GET", "/admin/budget/status").json()["tenants"]}
    assert status["acme"]["budgets"]["total"]["held"] == "5.00", status["acme"]
    assert s.get(third)["state"] == "pending"
    metrics = s.ask("GET", "/metrics").body.decode()
    for line in (
        'countersign_holds{state="pending"} 1',
        'countersign_holds{state="posted"} 1',
        'countersign_holds{state="voided"} 1',
        'countersign_holds_nanos{currency="USD"} 5000000000',
    ):
        assert line in metrics, line
    s.stop()


# ---- what users complain about elsewhere, by name


@case
def no_phantom_reservations(w):
    """A hold whose decision never came to be does not stay: killed in the middle, aborted clients, expiry."""
    s = Service(w, "phantom")
    for _ in range(20):  # clients that go away at once
        with socket.create_connection(("127.0.0.1", s.port)) as link:
            body = json.dumps({"input": question(UNIT // 10, hold={"ttl_s": 1})}).encode()
            link.sendall(
                b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                % (LISTED.encode(), len(body), body)
            )
    wait_for("expiry", lambda: s.figures() == (0, 0), 15)
    stop, sent = threading.Event(), []
    threads = [threading.Thread(target=press, args=(s.port, stop, sent, {"ttl_s": 2})) for _ in range(4)]
    for t in threads:
        t.start()
    time.sleep(0.4)
    s.stop(signal.SIGKILL)
    stop.set()
    for t in threads:
        t.join()
    s.start()
    held = s.figures()[1]
    assert held % 1000 == 0 and held <= 1000 * len(sent), (held, len(sent))
    wait_for("expiry after the start", lambda: s.figures() == (0, 0), 15)
    expired = s.get([r for r in sent if r][0])
    assert expired["state"] == "expired" and expired["resolved_at"] is None, expired
    s.stop()


def press(port, stop, sent, hold):
    """Decisions one after the other, until the server is gone."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        while not stop.is_set():
            sent.append(None)
            link.request("POST", LISTED, json.dumps({"input": question(1000, hold=hold)}))
            reply = json.loads(link.getresponse().read())
            sent[-1] = reply["result"]["holds"][0]["id"]
    except (OSError, http.client.HTTPException):
        pass
    finally:
        link.close()


@case
def without_an_estimate_nothing_is_pinned_and_nothing_skipped(w):
    """Neither the whole headroom is held, nor does the request pass: the policy refuses."""
    s = Service(w, "estimate")
    for amount in (None, "1", 1.5, -1, True, {}):
        result, reply = s.decide(amount)
        assert not result["allow"] and "cost_unknown" in codes(result) and "holds" not in result, (amount, result)
        assert reply.headers["x-countersign-hold"] is None and s.figures() == (0, 0), reply
    s.stop()


@case
def an_amount_that_is_none_refuses_the_decision(w):
    """What a policy asks for without sense is no hold of nothing: the decision fails."""
    s = Service(w, "senseless")
    for hold, words in (
        ({"amount_nanos": None}, "amount_nanos"),
        ({"amount_nanos": "5"}, "amount_nanos"),
        ({"amount_nanos": 0.5}, "amount_nanos"),
        ({"amount_nanos": -5}, "amount_nanos"),
        ({"amount_nanos": 10**30}, "amount_nanos"),
        ({"currency": None}, "currency"),
        ({"currency": "dollars"}, "currency"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": 10**9}, "ttl_s"),
        ({"ttl_s": "60"}, "ttl_s"),
        ({"budgets": "total"}, "budgets"),
        ({"budgets": [1]}, "budgets"),
        ({"limits": {"total": "1"}}, "limits"),
        ({"scope": {"team": 1}}, "scope"),
    ):
        reply = s.ask("POST", "/v1/data/gate/blind", {"input": question(UNIT, hold=hold)})
        assert reply.status == 500 and reply.json()["code"] == "effect_invalid", (hold, reply)
        assert words in reply.json()["message"], (hold, reply)
    for hold in ({"currency": "EUR"}, {"budgets": ["total", "nothing"]}):
        reply = s.ask("POST", "/v1/data/gate/blind", {"input": question(UNIT, hold=hold)})
        assert reply.status == 403 and reply.json()["code"] == "effect_no_budget", (hold, reply)
    reply = s.ask("POST", "/v1/data/gate/blind", {"input": question(UNIT, tenant="nobody")})
    assert reply.status == 403 and reply.json()["code"] == "effect_no_budget", reply
    for tenant in (None, 5):
        reply = s.ask("POST", "/v1/data/gate/blind", {"input": question(UNIT, tenant=tenant)})
        assert reply.status == 500 and "tenant" in reply.json()["message"], reply
    assert s.figures() == (0, 0)
    s.stop()


@case
def unknown_effects_are_never_passed_over(w):
    s = Service(w, "unknown")
    for effects in ([{"type": "frobnicate"}], [{}], ["hold"], [{"type": 5}], [{"type": "consume_approval"}]):
        reply = s.ask("POST", LISTED, {"input": question(UNIT, effects=effects)})
        assert reply.status == 500 and reply.json()["code"] == "effect_unknown", (effects, reply)
        reply = s.ask("POST", "/v1/authz/envoy/x", {}, headers={"x-countersign-tenant": "acme"})
        assert reply.status == 402, reply  # this gateway's policy input has no estimate: its own refusal
    assert s.figures() == (0, 0)
    # A refusal that asks for an approval stays that refusal, even where nobody opens approvals.
    result, _ = s.decide(100 * UNIT, effects=[{"type": "request_approval"}])
    assert not result["allow"] and codes(result) == ["budget_exceeded"], result
    # Paths that are not listed, and other doors, do nothing.
    body = {"input": question(UNIT)}
    for path in ("/v1/data/gate", "/v1/data/gate/result/allow", "/v0/data/gate/result"):
        assert s.ask("POST", path, body if path[2] == "1" else body["input"]).status == 200
    assert s.ask("POST", "/v1/query", {"query": "data.gate.result = x", "input": body["input"]}).status == 200
    assert s.ask("POST", LISTED + "?explain=full", body).status == 200
    assert s.ask("GET", LISTED + "?input=" + json.dumps(body["input"]).replace(" ", "")).status == 200
    assert s.figures() == (0, 0)
    s.stop()


@case
def a_success_without_a_price_does_not_release_the_estimate(w):
    """on_expiry: charge_estimate keeps it in the budgets that say so, until somebody says what it was."""
    s = Service(w, "unpriced")
    first = s.hold(2 * UNIT, "charged", hold={"ttl_s": 1})
    second = s.hold(3 * UNIT, "charged", hold={"ttl_s": 1})
    assert s.settle(first, None).status == 400 and s.ask("POST", f"/v1/holds/{first}/settle", {}).status == 400
    assert s.get(first)["state"] == "pending"
    wait_for("expiry", lambda: s.get(second)["state"] == "expired", 15)
    assert s.figures("charged") == (0, 5 * UNIT) and s.figures("charged", "other") == (0, 0)
    result, _ = s.decide(6 * UNIT, "charged")
    assert codes(result) == ["budget_exceeded"], result
    s.stop(signal.SIGKILL)
    s.start()
    assert s.figures("charged") == (0, 5 * UNIT) and s.figures("charged", "other") == (0, 0)
    reply = s.settle(first, "0")  # it cost nothing
    assert reply.status == 200 and reply.json()["result"] == "expired", reply
    assert s.get(first)["state"] == "posted_late"
    assert s.figures("charged") == (0, 3 * UNIT)
    s.post(usage("charged", "2.5", second))
    assert s.figures("charged") == (5 * UNIT // 2, 0) and s.figures("charged", "other") == (5 * UNIT // 2, 0)
    s.stop()


@case
def nothing_is_counted_twice_when_the_process_dies_between(w):
    """What is settled is posted and not held, in one event: no cleaning up that could fail."""
    s = Service(w, "cleanup")
    total = 0
    for round_ in range(4):
        holds = [s.hold(1000) for _ in range(8)]
        done = []

        def settle_all():
            try:
                for h in holds:
                    if s.settle(h, "0.0000005").status == 200:
                        done.append(h)
            except (OSError, http.client.HTTPException):
                pass

        t = threading.Thread(target=settle_all)
        t.start()
        time.sleep(0.004 * (round_ + 1))
        s.stop(signal.SIGKILL)
        t.join()
        s.start()
        states = [s.get(h)["state"] for h in holds]
        posted = states.count("posted")
        assert posted >= len(done) and posted + states.count("pending") == 8, (states, done)
        total += posted * 500
        assert s.figures() == (total, 1000 * states.count("pending")), (s.figures(), total, states)
        for h in holds:
            status = s.settle(h, "0.0000005").status
            assert status == (409 if s.get(h)["posted"] and h in done else status), h
        total = 500 * 8 * (round_ + 1)
        assert s.figures() == (total, 0)
    s.stop()


@case
@about_the_file
def a_hold_that_cannot_be_recorded_refuses_the_decision(w):
    """The disk is full: no answer says allow, and nothing stays held."""
    s = Service(w, "full")
    s.stop()
    port = free_port()
    path = w.write("full.json", json.dumps(s.config))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    s.process = w.start(
        *[COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "-c", path, "--log-level", "error"],
        restore_signals=False,
    )
    s.port = port
    wait_for("countersign", lambda: s.ask("GET", "/health?bundles").status == 200, 30, s.process)
    s.hold(UNIT)
    size = os.path.getsize(w.path("full.db-wal"))
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    for n in range(5):
        request = f"full-{n}"
        reply = s.ask("POST", LISTED, {"input": question(UNIT)}, headers={"x-request-id": request})
        assert reply.status == 503 and reply.json()["code"] == "journal_unavailable", reply
        assert reply.headers["x-countersign-hold"] is None, reply
    assert s.figures() == (0, UNIT)
    held = s.ask("POST", "/v1/holds/" + hold_id("acme", "full-0") + "/settle", {"amount": "1"})
    assert held.status == 404, held
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_for("recovery", lambda: s.ask("GET", "/health/budget").json()["status"] == "ok", 10, s.process)
    s.decide(UNIT, request="full-0")
    assert s.figures() == (0, 2 * UNIT)
    s.stop()


def hold_id(tenant, request, index=0):
    """Known from tenant and request id alone."""
    text = f"{tenant}\0{request}\0{index}".encode()
    return "h-" + hashlib.sha256(text).hexdigest()[:32]


@case
def eight_first_requests_at_once_share_one_budget(w):
    """The first requests of a subject that nobody has seen before: exactly as many pass as there is money for."""
    s = Service(w, "first")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for i in range(40):
            tenant = f"fresh-{i}"
            results = list(pool.map(lambda _: s.decide(3 * UNIT // 10, tenant)[0], range(8)))
            allowed = [r for r in results if r["allow"]]
            assert len(allowed) == 3, (tenant, results)
            assert all(codes(r)[0] in ("budget_exceeded", "budget_contended") for r in results if not r["allow"])
            assert s.figures(tenant) == (0, 9 * UNIT // 10)
        users = [{"scope": {"user": f"u-{i}"}} for i in range(5)]
        for scope in users:  # each user of a tenant has a limit, also one who was never seen
            held = list(pool.map(lambda _: s.ask("POST", "/v1/data/gate/blind", per_user(scope)).status, range(8)))
            assert sorted(held) == [200] * 3 + [403] * 5, held
    by = s.row("users", "each")["by"]["user"]
    assert {u: r["held_nanos"] for u, r in by.items()} == {f"u-{i}": 9 * UNIT // 10 for i in range(5)}, by
    s.stop()


def per_user(scope):
    return {"input": question(3 * UNIT // 10, "users", hold=scope)}


@case
def a_stream_cut_midway_posts_what_it_came_to(w):
    s = Service(w, "stream")
    first = s.hold(4 * UNIT)
    s.post([usage("acme", "0.25", first)])
    assert s.figures() == (UNIT // 4, 0) and s.get(first)["posted"] == "0.25"
    s.post([usage("acme", "0.05", first)])  # what comes later counts, and settles nothing again
    assert s.figures() == (3 * UNIT // 10, 0) and s.get(first)["posted"] == "0.25"
    second = s.hold(4 * UNIT)
    s.post([usage("acme", "9.00", second)])  # more than was held, more than is left: a fact
    assert s.figures() == (93 * UNIT // 10, 0)
    s.stop()


@case
def settling_twice_counts_once(w):
    s = Service(w, "twice")
    hold = s.hold(4 * UNIT)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda i: s.settle(hold, f"1.{i % 4}"), range(16)))
    assert sorted(r.status for r in replies) == [200] + [409] * 15, replies
    assert {r.json()["code"] for r in replies if r.status == 409} == {"already_posted"}
    posted = [r.json()["posted"] for r in replies if r.status == 200][0]
    assert s.get(hold)["posted"] == posted and s.figures() == (round(float(posted) * 10) * UNIT // 10, 0)
    event = usage("acme", "1", hold)
    s.post([event, event])
    total = s.figures()[0]
    s.post([event])
    assert s.figures() == (total, 0)
    races = [s.hold(UNIT // 100) for _ in range(20)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda h: (s.settle(h, "0.01").status, s.void(h).status), races))
        mixed = list(pool.map(lambda i: (s.void if i % 2 else lambda h: s.settle(h, "0"))(races[i // 2]), range(40)))
    assert all(r == (200, 409) for r in replies), replies
    assert all(r.status == 409 for r in mixed), mixed
    s.stop()


@case
def settled_before_it_is_placed(w):
    """Events of one request may overtake each other: the hold then takes nothing."""
    s = Service(w, "early")
    s.post(usage("acme", "0.75", hold_id("acme", "early-1")))
    result, reply = s.decide(2 * UNIT, request="early-1")
    assert result["allow"] and reply.headers["x-countersign-hold"] == hold_id("acme", "early-1"), reply
    assert s.figures() == (3 * UNIT // 4, 0) and s.get(hold_id("acme", "early-1"))["state"] == "posted"
    # By the request's id alone, for a tenant that has holds; whose tenant and currency count.
    assert s.void(s.hold(1)).status == 200
    s.post(usage("acme", "0.25", correlationid="early-2"))
    s.decide(2 * UNIT, request="early-2")
    assert s.figures() == (UNIT, 0)
    s.decide(2 * UNIT, request="late-1")
    s.post(usage("two", "1", correlationid="late-1"))
    assert s.figures() == (UNIT, 2 * UNIT)
    s.post(usage("acme", "0.5", correlationid="late-1"))
    assert s.figures() == (3 * UNIT // 2, 0)
    s.stop(signal.SIGKILL)
    s.start()
    assert s.figures() == (3 * UNIT // 2, 0)
    s.stop()


@case
def a_restart_between_hold_and_settle(w):
    s = Service(w, "restart")
    kept = s.hold(2 * UNIT, request="kept")
    gone = s.hold(UNIT, hold={"ttl_s": 1})
    voided = s.hold(UNIT)
    assert s.void(voided).status == 200
    for how in (signal.SIGTERM, signal.SIGKILL):
        s.stop(how)
        s.start()
        assert s.get(kept)["state"] == "pending" and s.get(voided)["state"] == "voided"
        assert s.figures()[1] in (2 * UNIT, 3 * UNIT)
    wait_for("expiry", lambda: s.get(gone)["state"] == "expired", 15)
    assert s.figures() == (0, 2 * UNIT)
    assert s.settle(kept, "1.5").json()["result"] == "posted"
    reply = s.settle(gone, "0.5")
    assert reply.status == 200 and (reply.json()["result"], reply.json()["state"]) == ("expired", "posted_late"), reply
    assert s.void(gone).json()["code"] == "already_posted" and s.figures() == (2 * UNIT, 0)
    reply = s.settle(hold_id("acme", "kept"), "9")
    assert reply.status == 409 and reply.json()["code"] == "already_posted" and "1.50" in reply.json()["message"], reply
    s.stop()


@case
def a_start_from_a_snapshot_knows_all_holds_and_answers(w):
    """The journal behind the snapshot is not read again: what is known comes from the snapshot's rows."""
    s = Service(w, "snapshot")
    s.stop()
    path = w.path("snapshot.rows")
    s.config["journal"] = dict(s.config["journal"], snapshot={"path": path, "interval": "1s"})
    s.start()
    made = lambda: float(s.metric("countersign_snapshot_age_seconds") or 0)
    kept = s.hold(2 * UNIT, request="kept", hold={"scope": {"team": "growth"}})
    posted, voided = s.hold(UNIT), s.hold(UNIT)
    charged = s.hold(UNIT, "charged", hold={"ttl_s": 1})
    answer = s.decide(UNIT, request="again")[1]
    s.settle(posted, "0.5")
    s.void(voided)
    s.post(usage("acme", "0.25", hold_id("acme", "early")))
    wait_for("expiry", lambda: s.get(charged)["state"] == "expired", 15)
    time.sleep(2.2)  # two snapshots
    assert made() > 0 and os.path.getsize(path) > 0
    late = s.hold(UNIT, request="late")
    documents = [s.get(h) for h in (kept, posted, voided, charged, late)]
    figures = [s.figures(), s.figures("charged")]
    for how in (signal.SIGKILL, signal.SIGTERM):
        s.stop(how)
        s.start()
        assert 0 < made() < 60, made()
        assert [s.get(h) for h in (kept, posted, voided, charged, late)] == documents
        assert [s.figures(), s.figures("charged")] == figures, figures
        again = s.ask("POST", LISTED, {"input": question(UNIT)}, headers={"x-request-id": "again"})
        assert again.body == answer.body and again.headers["x-countersign-hold"], again
    assert s.decide(UNIT, request="early")[0]["allow"] and s.figures() == figures[0]
    assert s.settle(kept, "1").status == 200 and s.settle(charged, "0").json()["result"] == "expired"
    assert s.figures("charged") == (0, 0)
    s.stop()


@case
def expiry_answers_by_name(w):
    s = Service(w, "expiry")
    hold = s.hold(UNIT, hold={"ttl_s": 1})
    wait_for("expiry", lambda: s.figures() == (0, 0), 15)
    reply = s.void(hold)
    assert reply.status == 409 and reply.json()["code"] == "expired", reply
    s.hold(10 * UNIT)  # all of it is free again
    s.stop()


# ---- retries, races, gateways


@case
def a_retry_gets_the_same_answer_and_nothing_twice(w):
    s = Service(w, "retry")
    body = json.dumps({"input": question(2 * UNIT)}).encode()
    headers = {"x-request-id": "again", "content-type": "application/json"}
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: s.ask("POST", LISTED, body, headers=headers), range(24)))
    assert {r.status for r in replies} == {200} and len({r.body for r in replies}) == 1, replies
    assert {r.headers["x-countersign-hold"] for r in replies} == {hold_id("acme", "again")}
    assert s.figures() == (0, 2 * UNIT)
    other = json.dumps({"input": question(UNIT)}).encode()
    reply = s.ask("POST", LISTED, other, headers=headers)
    assert reply.status == 409 and reply.json()["code"] == "request_id_conflict", reply
    # Another tenant's request of the same id is another request. Time and place in the body do not count.
    assert s.decide(UNIT, "two", request="again")[0]["allow"]
    later = json.dumps({"input": dict(question(2 * UNIT), now=5)}).encode()
    assert s.ask("POST", LISTED, later, headers=headers).body == replies[0].body
    s.settle(hold_id("acme", "again"), "9.5")
    assert not s.decide(2 * UNIT)[0]["allow"]
    assert s.ask("POST", LISTED, body, headers=headers).body == replies[0].body
    for how in (signal.SIGTERM, signal.SIGKILL):
        s.stop(how)
        s.start()
        again = s.ask("POST", LISTED, body, headers=headers)
        assert again.body == replies[0].body and again.headers["x-countersign-hold"] == hold_id("acme", "again")
    assert s.ask("POST", LISTED, other, headers=headers).status == 409
    # A refusal asks for nothing and is remembered by nobody: the retry is decided anew.
    refused, _ = s.decide(2 * UNIT, request="refused")
    assert not refused["allow"]
    assert s.decide(UNIT // 4, request="refused")[0]["allow"]
    s.stop()


@case
def an_answer_is_forgotten_in_time_but_its_hold_is_not(w):
    s = Service(w, "forgotten", spend={"replay": "1s"})
    s.decide(UNIT, request="old")
    time.sleep(1.2)
    reply = s.ask("POST", LISTED, {"input": question(UNIT)}, headers={"x-request-id": "old"})
    assert reply.status == 409 and reply.json()["code"] == "request_id_conflict", reply
    assert s.figures() == (0, UNIT)
    s.stop()


@case
def killed_between_hold_and_answer(w):
    """Whoever got no answer asks again: the hold is there once, with the answer, or not at all."""
    s = Service(w, "killed")
    for round_ in range(4):
        requests = [f"k-{round_}-{i}" for i in range(6)]
        before = s.figures()[1]

        def go(request):
            try:
                return s.decide(1000, request=request)[1].body
            except (OSError, http.client.HTTPException):
                return None

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            going = [pool.submit(go, r) for r in requests]
            time.sleep(0.002 * round_)
            s.stop(signal.SIGKILL)
            first = [g.result() for g in going]
        s.start()
        held = s.figures()[1] - before
        assert 1000 * sum(a is not None for a in first) <= held <= 6000, (held, first)
        second = [go(r) for r in requests]
        assert s.figures()[1] - before == 6000
        assert all(a in (None, b) for a, b in zip(first, second)), (first, second)
    s.stop()


@case
def all_budgets_or_none(w):
    s = Service(w, "every")
    assert s.decide(4 * UNIT, "two")[0]["allow"]
    reply = s.ask("POST", "/v1/data/gate/blind", {"input": question(2 * UNIT, "two")})
    assert reply.status == 403 and reply.json()["code"] == "effect_contended", reply
    assert s.figures("two", "day") == (0, 4 * UNIT) and s.figures("two", "month") == (0, 4 * UNIT)
    # Budgets that only warn refuse nobody; limits of the policy's own hold for one hold.
    for _ in range(3):
        assert s.ask("POST", "/v1/data/gate/blind", {"input": question(UNIT, "warned")}).status == 200
    assert s.figures("warned") == (0, 3 * UNIT)
    for limit, status in ((6 * UNIT // 5, 200), (6 * UNIT // 5, 403), (12 * UNIT // 5, 200), (0, 403)):
        asked = {"input": question(6 * UNIT // 5, "soft", hold={"limits": {"total": limit}})}
        assert s.ask("POST", "/v1/data/gate/blind", asked).status == status, (limit, s.figures("soft"))
    # A family: what its members hold is held in it, and its limit is everybody's.
    assert s.decide(3 * UNIT, "child-1")[0]["allow"] and s.decide(UNIT, "child-2")[0]["allow"]
    assert s.figures("family") == (0, 4 * UNIT) and s.figures("child-1") == (0, 3 * UNIT)
    reply = s.ask("POST", "/v1/data/gate/blind", {"input": question(2 * UNIT, "child-2")})
    assert reply.status == 403 and s.figures("child-2") == (0, UNIT) and s.figures("family") == (0, 4 * UNIT), reply
    s.settle(s.hold(UNIT, "child-2"), "0.5")
    assert s.figures("family") == (UNIT // 2, 4 * UNIT) and s.figures("child-2") == (UNIT // 2, UNIT)
    s.stop()


def hammer(port, n, amount, tenant, finish, out):
    """Decides n times on one connection; finishes each hold as told."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"input": question(amount, tenant)})
    for _ in range(n):
        link.request("POST", LISTED, body)
        result = json.loads(link.getresponse().read())["result"]
        out.append(result["allow"])
        if result["allow"] and finish:
            path, with_body = finish(result["holds"][0]["id"])
            link.request("POST", path, with_body)
            assert link.getresponse().read() and True
    link.close()


def all_at_once(threads):
    for t in threads:
        t.start()
    for t in threads:
        t.join()


@case
def sixty_four_connections_never_one_nano_over_and_nothing_refused_in_vain(w):
    tenants = {f"t{i}": {"budgets": {"total": budget("0.000001"), "other": budget("1")}} for i in range(4)}
    s = Service(w, "hammer", tenants)
    settle = lambda h: (f"/v1/holds/{h}/settle", '{"amount": "0.000000001"}')
    # Exactly what there is money for: nobody may be refused, whether holds stay or are settled on the way.
    for tenant, finish, figures in (("t0", None, (0, 960)), ("t1", settle, (960, 0))):
        out = []
        all_at_once(
            [threading.Thread(target=hammer, args=(s.port, 15, 1, tenant, finish, out)) for _ in range(64)]
        )
        assert len(out) == 960 and all(out), out.count(False)
        assert s.figures(tenant) == figures, s.figures(tenant)
    # Far more than there is money for: what is admitted fills the limit to the nano, and no further.
    out = []
    all_at_once([threading.Thread(target=hammer, args=(s.port, 30, 7, "t2", None, out)) for _ in range(64)])
    assert out.count(True) == 142 and s.figures("t2") == (0, 994), (out.count(True), s.figures("t2"))
    out = []
    all_at_once([threading.Thread(target=hammer, args=(s.port, 1, 1, "t2", None, out)) for _ in range(64)])
    assert out.count(True) == 6 and s.figures("t2") == (0, 1000), (out.count(True), s.figures("t2"))
    # Given back all the time: the limit holds at every look.
    void = lambda h: (f"/v1/holds/{h}/void", "{}")
    seen, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            seen.append(sum(s.figures("t3")))

    watcher = threading.Thread(target=look)
    watcher.start()
    out = []
    all_at_once([threading.Thread(target=hammer, args=(s.port, 15, 50, "t3", void, out)) for _ in range(64)])
    stop.set()
    watcher.join()
    assert out.count(True) >= 20 and max(seen) <= 1000 and s.figures("t3") == (0, 0), (out.count(True), max(seen))
    s.stop()


@case
def gateways_pass_the_hold_on(w):
    s = Service(w, "gateway")
    headers = {"x-countersign-tenant": "acme", "x-countersign-subject": "alice", "x-request-id": "gw-1"}
    ask_envoy = lambda **more: s.ask("POST", "/v1/authz/envoy/graphql", b"{}", headers=dict(headers, **more))
    reply = ask_envoy()
    assert reply.status == 402 and reply.headers["x-countersign-hold"] is None, reply
    tenants = dict(TENANTS, acme={"currency": "USD", "budgets": {"total": budget("10.00")}})
    files = {
        ".manifest": json.dumps({"revision": "r2", "roots": ["gate", "tenants"]}),
        "gate.rego": POLICY.replace("estimate := input.cost.estimate_nanos", "estimate := 2000000000"),
        "data.json": json.dumps({"tenants": tenants}),
    }
    s.stop()
    w.build_files(files, s.name)
    s.start()
    reply = ask_envoy()
    assert reply.status == 200 and reply.headers["x-countersign-hold"] == hold_id("acme", "gw-1"), reply
    assert reply.headers["x-from-policy"] == "yes" and reply.body == b"", reply
    again = ask_envoy(traceparent="00-1")
    assert again.status == 200 and again.headers["x-countersign-hold"] == hold_id("acme", "gw-1"), again
    assert again.headers["x-from-policy"] == "yes" and s.figures() == (0, 2 * UNIT)
    conflict = s.ask("POST", "/v1/authz/envoy/other", b"{}", headers=headers)
    assert conflict.status == 403 and conflict.headers["x-countersign-reason"] == "request_id_conflict", conflict
    reply = s.ask("GET", "/v1/authz/nginx", headers=dict(headers, **{"x-request-id": "gw-2"}))
    assert reply.status == 200 and reply.headers["x-countersign-hold"] == hold_id("acme", "gw-2"), reply
    s.settle(hold_id("acme", "gw-1"), "2.5")
    assert s.figures() == (5 * UNIT // 2, 2 * UNIT)
    s.stop()


@case
def bad_bodies_and_unknown_holds(w):
    s = Service(w, "bodies")
    hold = s.hold(UNIT)
    for body in (b"", b"{", b"[]", b"null", b'"1"', b'{"amount": null}', b'{"amount": true}', b'{"amount": "x"}'):
        reply = s.ask("POST", f"/v1/holds/{hold}/settle", body)
        assert reply.status == 400, (body, reply)
    for amount in ("-1", -1, "1e400", "9223372036.854775808", "", "1,5", "0x1", "NaN", [1]):
        reply = s.settle(hold, amount)
        assert reply.status == 400 and reply.json()["code"] == "invalid_amount", (amount, reply)
    assert s.ask("POST", f"/v1/holds/{hold}/settle", {"amount": "1", "currency": "EUR"}).status == 400
    for body in (b"{", b"[]", b'{"reason": 5}', json.dumps({"reason": "x" * 300}).encode()):
        assert s.ask("POST", f"/v1/holds/{hold}/void", body).status == 400, body
    for path in ("h-0", hold + "x", "%00", "%ff", "a/b/c", hold + "/x", "", hold + "/settle/x"):
        for method, verb in (("GET", ""), ("POST", "/settle"), ("POST", "/void")):
            reply = s.ask(method, f"/v1/holds/{path}{verb}", {"amount": "1"} if method == "POST" else None)
            assert reply.status in (301, 307, 404, 405), (method, path, verb, reply)
    assert s.figures() == (0, UNIT)
    reply = s.ask("POST", f"/v1/holds/{hold}/settle", {"amount": 2.7e-06, "currency": "USD"})
    assert reply.status == 200 and reply.json()["posted"] == "0.0000027" and s.figures() == (2700, 0), reply
    assert s.ask("PUT", f"/v1/holds/{hold}").status == 405
    s.stop()


@case
def the_decision_log_names_the_hold(w):
    s = Service(w, "logged", decision_logs={"console": True})
    hold = s.hold(UNIT)
    s.decide(100 * UNIT)
    s.stop()
    lines = [json.loads(t) for t in open(w.path("countersign.log")) if t.startswith("{")]
    records = [r for r in lines if r.get("type") == "openpolicyagent.org/decision_logs" and r["path"] == "gate/result"]
    mine = [r for r in records if (r.get("custom") or {}).get("holds") == [hold]]
    assert len(mine) == 1 and mine[0]["result"]["holds"][0]["id"] == hold, records
    assert mine[0]["input"]["now"] > 0 and mine[0]["input"]["actor"]["tenant"] == "acme", mine


if __name__ == "__main__":
    close(*run_cases(CASES, World(), seconds=170))
