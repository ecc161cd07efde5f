#!/usr/bin/env python3
"""Holds: money kept aside for what was admitted, until it is known what it cost. One case for each complaint that users
have about reservations elsewhere, and for each way in which a request, the journal or the process can fail between.

Environment: COUNTERSIGN (the built program)."""

import concurrent.futures
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
from serving import COUNTERSIGN, RENAME, ROOT, World, ask, base_config, close, free_port  # noqa: E402
from serving import run_cases, spend_event, wait_for  # noqa: E402

CASES = []
UNIT = 10**9
LISTED = "/v1/data/gate/result"
POLICY = """package gate

tenant := input.actor.tenant

estimate := input.cost.estimate_nanos

budgets := data.spend[tenant][input.cost.currency]

reasons contains {"code": "cost_unknown"} if not is_number(estimate)

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
        self.config["journal"] = {"sqlite": {"path": world.path(name + ".db")}}
        self.config["gateways"] = {"decision": "gate/result", "effects": ["gate/result", "/gate/blind"]}
        self.config["persistence_directory"] = world.path(name + ".state")
        self.config.update(sections)
        self.start()

    def start(self):
        self.process, self.port = self.w.serve(self.config)

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
    s.stop()


if __name__ == "__main__":
    close(*run_cases(CASES, World(), seconds=170))
