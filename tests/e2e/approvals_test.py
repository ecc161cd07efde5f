#!/usr/bin/env python3
"""Approvals: the whole life of a request over HTTP, with real tokens and a clock that the test moves; every way to
cheat; every wrong act; a process that is killed.

Environment: COUNTERSIGN (the built program)."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import COUNTERSIGN, MERGE, ROOT, Clock, Issuer, World, ask, base_config, close  # noqa: E402
from serving import run_cases, wait_for  # noqa: E402

CASES = []
DECISION = "/v1/data/countersign/authz/result"
CHEAP = "aa" * 32  # has no ceiling
HOUR, DAY = 3600, 86400
LEADS, MANAGERS = ["platform-leads"], ["managers"]


def case(function):
    CASES.append(function)
    return function


def here_only(function):
    """Marks a case that is not about the journal, or moves the clock by more than a broker believes."""
    function.here_only = True
    return function


def approval(**more):
    section = {
        "quorum": 2,
        "cost_threshold_nanos": 5 * 10**9,
        "groups": LEADS,
        "escalation_groups": MANAGERS,
        "escalate_after_s": 1800,
        "approve_within_s": DAY,
        "execute_within_s": HOUR,
    }
    section.update(more)
    return {k: v for k, v in section.items() if v is not None}


RULES = [{"groups": ["security"], "quorum": 1}, {"groups": ["platform-leads", "security"], "quorum": 1}]


def tenants(**sections):
    """Tenants with plenty of money, by name their approval sections."""
    window = {"window": "day", "limit": "1000000.00", "mode": "enforce"}
    return {
        name: {"timezone": "UTC", "currency": "USD", "budgets": {"daily": window}, "approval": section}
        for name, section in sections.items()
    }


TENANTS = tenants(
    demo=approval(),
    other=approval(),
    ruled=approval(rules=RULES, quorum=3, groups=["platform-leads", "security"]),
    twice=approval(uses=2),
    patient=approval(rejections=2),
    asserted=approval(evidence="asserted"),
    named=approval(evidence="asserted", approvers=["bob", "carol", "dan"]),
    masked=approval(masked_variables=["/secret"]),
)
PEOPLE = {"aliases": {"b.smith": "bob", "Bob@example.org": "bob"}}


def document(section=TENANTS, people=PEOPLE, **operations):
    """data.json of the bundle: ours for the tenants and people, the shipped one for the rest."""
    with open(os.path.join(ROOT, "rego-bundles", "safe-mutations", "data.json")) as f:
        data = json.load(f)
    data["tenants"] = section
    if people is not None:
        data["countersign"]["people"] = people
    data["operations"][CHEAP] = {
        "name": "Uncapped",
        "kind": "mutation",
        "risk_tags": ["purge"],
        "cost": {"estimate_nanos": 1000},
        "state": "active",
    }
    for name, changes in operations.items():
        data["operations"][name].update(changes)
    return data


def build(w, name, data, **how):
    """The shipped policy with other data, signed."""
    folder = w.path(name + ".bundle")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(ROOT, "rego-bundles", "safe-mutations"), folder)
    with open(os.path.join(folder, "data.json"), "w") as out:
        json.dump(data, out)
    return w.build(folder, name, **how)


class Service:
    """The shipped policies on a journal, with an identity provider; served again and again."""

    def __init__(self, w, name, data=None, clock=True, journal=None, **sections):
        self.w, self.name = w, name
        self.clock = Clock(w, name + ".clock") if clock else None
        self.idp = Issuer(w, name + ".idp")
        build(w, name, data or document())
        w.build(os.path.join(ROOT, "rego-bundles", "system"), "system")
        self.config = base_config(w, "system")
        self.config["push"] = {"policy": {"keyid": "ci", "scope": "write"}}
        self.config["bundles"]["policy"] = {
            "resource": "file://" + w.path(name + ".tar.gz"),
            "signing": {"keyid": "ci", "scope": "write"},
        }
        self.config["journal"] = journal or w.journal(name)
        self.config["gateways"]["effects"] = ["countersign/authz/result"]
        self.config["approvals"] = {"evidence": "verified"}
        self.config["identity"] = self.idp.configuration()
        self.config["persistence_directory"] = w.path(name + ".state")
        self.config.update(sections)
        self.start()

    def start(self):
        self.process, self.port = self.w.serve(self.config, **({"env": self.clock.env()} if self.clock else {}))
        wait_for("the journal", lambda: self.ask("GET", "/health/budget").json()["caught_up"], 30, self.process)

    def stop(self, how=signal.SIGTERM):
        return self.w.stop(self.process, how)

    def ask(self, *arguments, **how):
        return ask(self.port, *arguments, **how)

    def decide(self, variables=None, actor="alice", tenant="demo", request=None, document_id=MERGE, cost=None, **more):
        """One decision, as a gateway asks for it: (result, reply)."""
        body = {
            "version": "countersign/v1",
            "gateway": {"kind": "test", "body": "complete"},
            "actor": {"sub": actor, "tenant": tenant, "roles": ["analyst"]},
            "graphql": {
                "document_id": document_id,
                "freeform": False,
                "batch": False,
                "kind": "mutation",
                "introspection": False,
                "variables": {"from": "e1", "to": "e2"} if variables is None else variables,
            },
            "cost": {"currency": "USD", "estimate_nanos": cost or 1},
        }
        headers = self.idp.headers("gw", roles=["gateway"])
        headers["x-request-id"] = request or str(uuid.uuid4())
        reply = self.ask("POST", DECISION, {"input": body}, headers=headers)
        assert reply.status == 200, reply
        return reply.json()["result"], reply

    def request(self, **about):
        """The id of an approval that a refused decision has opened."""
        result, reply = self.decide(**about)
        assert not result["allow"] and "approval_required" in result["reason"]["codes"], result
        opened = result["approval"]["request_id"]
        assert opened.startswith("apr-") and reply.headers["x-countersign-approval"] == opened, (result, reply)
        return opened

    def as_person(self, who, method, path, body=None, groups=LEADS, roles=("approver",), tenant=None, **claims):
        headers = self.idp.headers(who, roles=list(roles), groups=groups, tenant=tenant, **claims)
        return self.ask(method, path, body, headers=headers)

    def act(self, who, verb, approval_id, status=200, code=None, body=None, **how):
        reply = self.as_person(who, "POST", f"/v1/approvals/{approval_id}/{verb}", body or {}, **how)
        assert reply.status == status, (verb, who, reply)
        got = reply.json()
        assert code is None or got.get("code", got.get("result")) == code, got
        return got

    def show(self, approval_id):
        reply = self.as_person("aud", "GET", "/v1/approvals/" + approval_id, roles=["auditor"])
        assert reply.status == 200, reply
        return reply.json()

    def listed(self, query=""):
        reply = self.as_person("aud", "GET", "/v1/approvals" + query, roles=["auditor"])
        assert reply.status == 200, reply
        return reply.json()["result"]

    def state(self, approval_id):
        return self.show(approval_id)["state"]

    def becomes(self, approval_id, state, seconds=10):
        wait_for(f"{approval_id} {state}", lambda: self.state(approval_id) == state, seconds, self.process)

    def approved(self, **about):
        """An approval that bob and carol have given."""
        opened = self.request(**about)
        self.act("bob", "approve", opened)
        assert self.act("carol", "approve", opened)["state"] == "approved"
        return opened

    def metrics(self):
        return self.as_person("v", "GET", "/metrics", roles=["viewer"]).body.decode()


def codes(result):
    return result["reason"]["codes"]


class Shared(World):
    """A world with one service for the cases that need none of their own."""

    def __init__(self):
        super().__init__()
        self.service = None

    @property
    def s(self):
        if self.service is None or self.service.process.poll() is not None:
            self.service = Service(self, "shared")
        return self.service


def fresh():
    """Variables that nobody has used before."""
    return {"from": str(uuid.uuid4()), "to": "x"}


# ---- the life


@case
def the_whole_life(w):
    s = w.s
    variables = fresh()
    result, reply = s.decide(variables, request="life-1")
    assert codes(result) == ["approval_required"] and result["reasons"][0]["have"] == 0, result
    opened = result["approval"]["request_id"]
    assert reply.headers["x-countersign-approval"] == opened and result["approval"]["required"] == 2, result
    assert result["approval"]["escalates_at"] - result["approval"]["approve_by"] == (1800 - DAY) * 10**9, result
    # The same again opens nothing, and a retry gets the same bytes.
    assert s.decide(variables)[0]["approval"]["request_id"] == opened
    assert s.decide(variables, request="life-1")[1].body == reply.body
    shown = s.show(opened)
    assert (shown["state"], shown["requester"], shown["tenant"]) == ("requested", "alice", "demo"), shown
    assert shown["operation"] == "MergeEntities" and shown["variables"] == variables, shown
    assert (shown["cost"], shown["currency"], shown["quorum"], shown["have"]) == ("1.20", "USD", 2, 0), shown
    assert shown["execute_by"] is None and not shown["escalated"] and shown["digest"].startswith("sha256:"), shown
    assert [a["id"] for a in s.listed(f"?tenant=demo&state=requested&digest={shown['digest']}")] == [opened]
    one = s.act("bob", "approve", opened, code="approved", body={"comment": "fine with me"})
    assert one["state"] == "partially_approved" and one["have"] == 1, one
    assert one["grants"][0]["approver"] == "bob" and one["grants"][0]["comment"] == "fine with me", one
    assert one["grants"][0]["verified"] == "session" and one["grants"][0]["groups"] == LEADS, one
    assert s.act("bob", "approve", opened, code="unchanged")["have"] == 1
    assert codes(s.decide(variables)[0]) == ["approval_required"]
    two = s.act("carol", "approve", opened)
    assert two["state"] == "approved" and two["have"] == 2 and two["execute_by"], two
    row = s.ask("GET", "/v1/data/approvals/demo", headers=s.idp.headers("gw", roles=["gateway"])).json()["result"]
    row = row[shown["digest"]]
    assert (row["id"], row["state"], row["uses_left"]) == (opened, "approved", 1), row
    assert [g["approver"] for g in row["grants"]] == ["bob", "carol"] and row["rejections"] == [], row
    result, reply = s.decide(variables, request="life-2")
    assert result["allow"] and codes(result) == [] and reply.headers["x-countersign-hold"], result
    assert s.state(opened) == "consumed" and s.show(opened)["uses_left"] == 0
    # A retry of the same request is answered the same, and uses nothing up.
    assert s.decide(variables, request="life-2")[1].body == reply.body
    # Anything else needs new people; what is asked for then is another approval.
    result = s.decide(variables)[0]
    assert codes(result) == ["approval_consumed", "approval_required"] and not result["allow"], result
    again = result["approval"]["request_id"]
    assert again != opened and s.state(again) == "requested" and s.show(again)["digest"] == shown["digest"]
    assert s.decide(variables)[0]["approval"]["request_id"] == again
    s.act("bob", "approve", opened, 409, "wrong_state")


@case
@here_only
def several_uses_and_masked_variables(w):
    s = w.s
    variables = fresh()
    opened = s.approved(variables=variables, tenant="twice")
    assert s.decide(variables, tenant="twice")[0]["allow"] and s.state(opened) == "approved"
    assert s.decide(variables, tenant="twice")[0]["allow"] and s.state(opened) == "consumed"
    assert not s.decide(variables, tenant="twice")[0]["allow"]
    # What approvers see is masked, what they approve is the whole.
    secret = dict(fresh(), secret="s3cret")
    opened = s.approved(variables=secret, tenant="masked")
    assert s.show(opened)["variables"] == dict(secret, secret="(masked)"), s.show(opened)
    assert not s.decide(dict(secret, secret="other"), tenant="masked")[0]["allow"]
    assert s.decide(secret, tenant="masked")[0]["allow"]


@case
@here_only
def too_late_to_approve_and_too_late_to_use(w):
    s = Service(w, "clocks")
    variables = fresh()
    opened = s.request(variables=variables)
    s.act("bob", "approve", opened)
    s.clock.move(DAY + 1)
    # It is so at once, whatever the timers do.
    assert s.state(opened) == "expired"
    s.act("carol", "approve", opened, 409, "wrong_state")
    result = s.decide(variables)[0]
    assert codes(result) == ["approval_expired", "approval_required"], result
    second = result["approval"]["request_id"]
    assert second != opened
    s.act("bob", "approve", second)
    s.act("carol", "approve", second)
    s.clock.move(HOUR - 60)
    assert s.state(second) == "approved"
    s.clock.move(61)
    assert s.state(second) == "expired"
    result = s.decide(variables)[0]
    assert codes(result) == ["approval_execution_expired", "approval_required"], result
    third = s.approved(variables=variables)
    assert third not in (opened, second)
    # The log says it too, with the reason; a clock that goes back does not bring it back.
    wait_for("the expiry in the log", lambda: s.show(second)["reason"] == "execute_within", 10)
    assert s.show(opened)["reason"] == "approve_within"
    s.clock.move(-DAY)
    assert (s.state(opened), s.state(second), s.state(third)) == ("expired", "expired", "approved")
    assert s.decide(variables)[0]["allow"]
    s.stop()


@case
@here_only
def escalation_adds_people_and_asks_for_no_fewer(w):
    s = Service(w, "escalation")
    variables = fresh()
    opened = s.request(variables=variables)
    s.act("meg", "approve", opened, 403, "approver_ineligible", groups=MANAGERS)
    assert "countersign_approval_escalations_total 0" in s.metrics()
    assert 'countersign_approvals_pending{tenant="demo"} 1' in s.metrics()
    s.clock.move(1801)
    assert s.show(opened)["escalated"] and s.show(opened)["quorum"] == 2
    assert s.act("meg", "approve", opened, groups=MANAGERS)["state"] == "partially_approved"
    assert codes(s.decide(variables)[0]) == ["approval_required"]
    wait_for("the escalation in the log", lambda: "countersign_approval_escalations_total 1" in s.metrics(), 10)
    oldest = float(s.metrics().split("\ncountersign_approval_oldest_seconds ")[1].split("\n")[0])
    assert 1801 <= oldest < 1900, oldest
    s.stop(signal.SIGKILL)
    s.start()
    assert s.show(opened)["escalated"]
    assert s.act("bob", "approve", opened)["state"] == "approved"
    assert s.decide(variables)[0]["allow"]
    # Approved in time: nothing escalates any more.
    other = s.approved(variables=fresh())
    s.clock.move(1801)
    time.sleep(1.6)
    assert "countersign_approval_escalations_total 0" in s.metrics() and s.state(other) == "approved"
    s.stop()


@case
@here_only
def rules_are_filled_by_the_best_seating(w):
    s = w.s
    variables = fresh()
    opened = s.request(variables=variables, tenant="ruled")
    both = ["platform-leads", "security"]
    # One of security, one of either, one more of any: three people, and bob alone may fill security's place.
    s.act("bob", "approve", opened, groups=both)
    assert s.act("carol", "approve", opened)["have"] == 2
    assert s.decide(variables, tenant="ruled")[0]["approval"]["have"] == 2
    assert s.act("dan", "approve", opened)["state"] == "approved"
    assert s.decide(variables, tenant="ruled")[0]["allow"]
    # Nobody of security: however many there are, one place stays empty.
    variables = fresh()
    opened = s.request(variables=variables, tenant="ruled")
    for who in ("bob", "carol", "dan", "erin"):
        got = s.act(who, "approve", opened)
    assert got["state"] == "partially_approved" and got["have"] == 2, got
    assert s.decide(variables, tenant="ruled")[0]["approval"]["have"] == 2
    assert s.act("sue", "approve", opened, groups=["security"])["state"] == "approved"
    assert s.decide(variables, tenant="ruled")[0]["allow"]


@case
def rejected_revoked_delegated_and_many_at_once(w):
    s = w.s
    variables = fresh()
    opened = s.request(variables=variables)
    s.act("bob", "approve", opened)
    got = s.act("carol", "reject", opened, code="rejected", body={"comment": "not on a Friday"})
    assert got["state"] == "rejected" and got["rejections"][0]["comment"] == "not on a Friday", got
    assert s.act("carol", "reject", opened)["result"] == "unchanged"
    s.act("dan", "approve", opened, 409, "wrong_state")
    assert codes(s.decide(variables)[0]) == ["approval_rejected", "approval_required"]
    assert s.listed(f"?digest={got['digest']}")[0]["id"] == opened, "nobody is asked again"
    # Where two must reject, one does not end it.
    opened = s.request(variables=fresh(), tenant="patient")
    assert s.act("bob", "reject", opened)["state"] == "requested"
    assert s.act("carol", "reject", opened)["state"] == "rejected"
    # Taken back, also after it was approved.
    variables = fresh()
    opened = s.approved(variables=variables)
    got = s.act("bob", "revoke", opened, code="revoked")
    assert (got["state"], got["have"], got["execute_by"]) == ("partially_approved", 1, None), got
    assert codes(s.decide(variables)[0]) == ["approval_required"]
    s.act("bob", "revoke", opened, 409, "wrong_state")
    s.act("dan", "approve", opened)
    # In somebody's place: with their groups, once, and not beside them.
    variables = fresh()
    opened = s.request(variables=variables)
    s.act("eve", "approve", opened, 403, "approver_ineligible", groups=[])
    s.act("eve", "delegate", opened, 403, "approver_ineligible", groups=[], body={"to": "bob"})
    s.act("bob", "delegate", opened, 403, "self_approval", body={"to": "Alice"})
    s.act("bob", "delegate", opened, 400, "invalid_parameter", body={"to": "b.smith"})
    s.act("bob", "delegate", opened, 400, "invalid_parameter", body={})
    s.act("bob", "delegate", opened, 400, "invalid_parameter", body={"to": "eve", "until": "2020-01-01T00:00:00Z"})
    s.act("bob", "delegate", opened, 400, "invalid_parameter", body={"to": "eve", "until": "tomorrow"})
    got = s.act("bob", "delegate", opened, code="delegated", body={"to": "eve", "until": "2099-01-01T00:00:00Z"})
    assert got["delegations"][0]["to"] == "eve" and got["delegations"][0]["until"] == got["approve_by"], got
    got = s.act("eve", "approve", opened, groups=[])
    assert got["grants"][0]["on_behalf_of"] == "bob" and got["grants"][0]["groups"] == LEADS, got
    s.act("bob", "approve", opened, 409, "already_approved")
    assert s.act("carol", "approve", opened)["state"] == "approved"
    assert s.decide(variables)[0]["allow"]
    # A delegation taken back takes what came of it along.
    opened = s.request(variables=fresh())
    s.act("bob", "delegate", opened, body={"to": "eve"})
    s.act("eve", "approve", opened, groups=[])
    assert s.act("bob", "revoke", opened)["have"] == 0
    s.act("eve", "approve", opened, 403, "approver_ineligible", groups=[])
    # Many at once.
    ids = [s.request(variables=fresh()) for _ in range(5)]
    bulk = {"ids": ids + ["apr-nothing", ids[0]], "decision": "approve", "comment": "all fine"}
    reply = s.as_person("bob", "POST", "/v1/approvals/bulk", bulk)
    results = reply.json()["results"]
    assert reply.status == 200 and [r["id"] for r in results] == bulk["ids"], reply
    assert [r["status"] for r in results] == [200] * 5 + [404, 200], results
    assert results[0]["approval"]["have"] == 1 and results[5]["code"] == "resource_not_found", results
    reply = s.as_person("carol", "POST", "/v1/approvals/bulk", {"ids": ids, "decision": "reject"})
    assert {r["approval"]["state"] for r in reply.json()["results"]} == {"rejected"}, reply
    for bad in ({}, {"ids": []}, {"ids": [1], "decision": "approve"}, {"ids": ids}, {"ids": ids, "decision": "maybe"}):
        reply = s.as_person("bob", "POST", "/v1/approvals/bulk", bad)
        assert reply.status == 400 and reply.json()["code"] == "invalid_parameter", reply


LOOK = """package look

t := input.actor.tenant

d := input.graphql.digest

found := data.approvals[t][d]

enough if found.state == "approved"

default allow := false

allow if enough

effects contains {"type": "request_approval", "digest": d, "quorum": 1} if not enough

effects contains {"type": "consume_approval", "approval": found.id} if enough

result := {"allow": allow, "effects": effects}

ways["one"] := data.approvals[t][d].id

ways["row"] := {v.id | some v in data.approvals[t]}

ways["keys"] := {k | some k, _ in data.approvals[t]}

ways["loop"] := {data.approvals[t][k].id | some k, _ in data.approvals[t]}

ways["both"] := [data.approvals[t][d].id, count(data.approvals[t])]

ways["all"] := {k | some k, _ in data.approvals}

ways["every"] := {v.id | some k; v := data.approvals[k][_]}

ways["fixed"] := {v.id | some v in data.approvals.demo}

ways["deep"] := data.approvals.demo[d].state

ways["whole"] := count(data.approvals[t])

ways["missing"] := true if not data.approvals.ghost

ways["nobody"] := true if not data.approvals[d]

ways["nothing"] := true if not data.approvals[t].x

ways["none"] := [v | some v in data.approvals[d]]

ways["mocked"] := id if id := found.id with data.approvals as {"demo": {d: {"id": "mock"}}}

ways["patched"] := ids if ids := {id | id := data.approvals[t][_].id} with data.approvals.demo.x as {"id": "patch"}
"""


@case
@here_only
def policies_read_them_in_any_way(w):
    manifest = json.dumps({"revision": "1", "roots": ["look"]})
    w.build_files({".manifest": manifest, "look.rego": LOOK}, "look")
    # A configuration without budgets: approvals alone, of a policy that knows nothing of the shipped one.
    config = base_config(w, "look")
    del config["spend"]
    config.update(approvals={}, journal={"sqlite": {"path": w.path("look.db")}})
    config["gateways"] = {"decision": "look/result", "effects": ["look/result"]}
    config["persistence_directory"] = w.path("look.state")
    idp = Issuer(w, "look.idp")
    config["identity"] = idp.configuration()
    w.build(os.path.join(ROOT, "rego-bundles", "system"), "system")
    config["bundles"]["system"] = {
        "resource": "file://" + w.path("system.tar.gz"),
        "signing": {"keyid": "ci", "scope": "write"},
    }
    process, port = w.serve(config)
    gateway = idp.headers("gw", roles=["gateway"])
    graphql = {"kind": "mutation", "variables": {"a": 1}}
    body = {"input": {"actor": {"sub": "alice", "tenant": "demo"}, "graphql": graphql}}
    ids = []
    for i in range(3):
        graphql["variables"] = {"a": i}
        result = ask(port, "POST", "/v1/data/look/result", body, gateway).json()["result"]
        ids.append(result["approval"]["request_id"])
    digest = ask(port, "GET", "/v1/approvals/" + ids[2], headers=idp.headers("a", roles=["auditor"])).json()["digest"]
    asked = {"input": {"actor": {"tenant": "demo"}, "graphql": {"digest": digest}}}
    expected = {
        "one": ids[2],
        "row": sorted(ids),
        "loop": sorted(ids),
        "every": sorted(ids),
        "fixed": sorted(ids),
        "both": [ids[2], 3],
        "all": ["demo"],
        "deep": "requested",
        "whole": 3,
        "missing": True,
        "nobody": True,
        "nothing": True,
        "none": [],
        "mocked": "mock",
        "patched": sorted(ids + ["patch"]),
    }
    for how in ("", "?explain=notes"):
        got = ask(port, "POST", "/v1/data/look/ways" + how, asked, gateway).json()["result"]
        assert len(got.pop("keys")) == 3 and got == expected, (how, got)
    headers = idp.headers("bob", roles=["approver"])
    assert ask(port, "POST", f"/v1/approvals/{ids[2]}/approve", {}, headers).json()["state"] == "approved"
    assert ask(port, "POST", "/v1/data/look/result", body, gateway).json()["result"]["allow"]
    assert not ask(port, "POST", "/v1/data/look/result", body, gateway).json()["result"]["allow"]
    w.stop(process)


# ---- cheating


@case
def nobody_approves_their_own_nor_twice(w):
    s = w.s
    variables = fresh()
    opened = s.request(variables=variables)
    for me in ("alice", "ALICE", " Alice "):
        s.act(me, "approve", opened, 403, "self_approval")
    s.act("bob", "approve", opened)
    for again in ("b.smith", "BOB", "bob@Example.org"):
        s.act(again, "approve", opened, 409, "already_approved")
    assert s.show(opened)["have"] == 1
    # Names in the variables are no acts.
    named = dict(variables, approvers=["bob", "carol", "dan"])
    result = s.decide(named)[0]
    assert not result["allow"] and result["approval"]["request_id"] == opened, result
    # The requester by another name does not count either, at the use.
    mine = s.request(variables=fresh(), actor="bob")
    s.act("b.smith", "approve", mine, 403, "self_approval")
    # Asserted: the same person by two names is one.
    for approvers, good in [
        (["bob", "b.smith"], False),
        (["bob", "BOB@EXAMPLE.ORG", "bob"], False),
        (["bob", "Alice"], False),
        (["bob", "carol"], True),
    ]:
        result = s.decide({"approvers": approvers}, tenant="asserted")[0]
        assert result["allow"] == good, (approvers, result)
    assert codes(s.decide({"approvers": ["bob", "eve"]}, tenant="named")[0]) == [
        "approval_required",
        "approver_ineligible",
    ]
    assert s.decide({"approvers": ["b.smith", "dan"]}, tenant="named")[0]["allow"]


@case
@here_only
def another_operation_is_another_approval(w):
    s = w.s
    variables = fresh()
    opened = s.approved(variables=variables)
    for other in (
        {"variables": dict(variables, to="y")},
        {"variables": dict(variables, more=1)},
        {"variables": variables, "actor": "anna"},
        {"variables": variables, "tenant": "other"},
        {"variables": variables, "document_id": CHEAP},
    ):
        result = s.decide(**other)[0]
        assert not result["allow"] and result["approval"]["request_id"] != opened, (other, result)
    # Variables that the allowlist declares unbound may differ; everything else is the same.
    assert s.decide(dict(variables, approvers=["x"]))[0]["allow"]
    # Used up: replayed, it is refused, by whatever request id.
    assert "approval_consumed" in codes(s.decide(variables)[0])
    # More money: beyond the ceiling nothing helps; without a ceiling the figure itself is bound.
    variables = fresh()
    s.approved(variables=variables)
    assert codes(s.decide(variables, cost=21 * 10**9)[0]) == ["cost_over_ceiling"]
    uncapped = fresh()
    s.approved(variables=uncapped, document_id=CHEAP, cost=5000)
    assert not s.decide(uncapped, document_id=CHEAP, cost=5001)[0]["allow"]
    assert s.decide(uncapped, document_id=CHEAP, cost=5000)[0]["allow"]


@case
@here_only
def tokens_are_not_believed_for_nothing(w):
    s = w.s
    opened = s.request(variables=fresh())
    path = f"/v1/approvals/{opened}/approve"
    jwt, idp = s.idp.jwt, s.idp

    def refused(token, status=401, at=path):
        reply = s.ask("POST", at, {}, headers={"authorization": "Bearer " + token} if token else {})
        assert reply.status == status, (token, reply)

    claims = idp.claims("mallory", roles=["approver"], groups=LEADS)
    head, body, signature = idp.token("mallory", roles=["viewer"], groups=[]).split(".")
    stolen = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    refused(None)
    refused(f"{head}.{stolen}.{signature}")
    refused(idp.token("mallory", roles=["approver"], groups=LEADS, exp=int(s.clock.now()) - 120))
    refused(idp.token("mallory", roles=["approver"], groups=LEADS, exp=None))
    refused(idp.token("mallory", roles=["approver"], groups=LEADS, aud="somebody-else"))
    refused(idp.token("mallory", roles=["approver"], groups=LEADS, iss="https://evil.test"))
    refused(idp.token("mallory", roles=["approver"], groups=LEADS, nbf=int(s.clock.now()) + HOUR))
    refused(jwt.encode(claims, None, "none"))
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    refused(f"{none}.{stolen}.")
    # The public key as the secret of an HMAC.
    from cryptography.hazmat.primitives import hashes, hmac, serialization

    public = idp.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for alg_head in ({"alg": "HS256", "typ": "JWT", "kid": idp.kid}, {"alg": "HS256", "typ": "JWT"}):
        start = base64.urlsafe_b64encode(json.dumps(alg_head).encode()).decode().rstrip("=") + "." + stolen
        mac = hmac.HMAC(public, hashes.SHA256())
        mac.update(start.encode())
        refused(start + "." + base64.urlsafe_b64encode(mac.finalize()).decode().rstrip("="))
    stranger = Issuer(w, "stranger")
    refused(stranger.token("mallory", roles=["approver"], groups=LEADS))
    stranger.kid = idp.kid
    refused(stranger.token("mallory", roles=["approver"], groups=LEADS))
    # A good token of somebody who may not.
    for roles in (["viewer"], ["gateway"], ["auditor"], ["tenant_admin"], ["finops_admin"], []):
        refused(idp.token("vic", roles=roles, groups=LEADS), 403)
    refused(idp.token("vic", roles=["approver"], groups=["visitors"]), 403)
    # An approver, and an admin, of another tenant.
    for roles in (["approver"], ["manager"], ["tenant_admin", "approver"]):
        refused(idp.token("olga", roles=roles, groups=LEADS, tenant="other"), 403)
    seen = s.as_person("olga", "GET", "/v1/approvals", tenant="other").json()["result"]
    assert {a["tenant"] for a in seen} <= {"other"}, seen
    assert s.as_person("olga", "GET", "/v1/approvals/" + opened, tenant="other").status == 404
    assert s.as_person("olga", "GET", "/v1/approvals?tenant=demo", tenant="other").status == 403
    assert s.show(opened)["have"] == 0 and s.state(opened) == "requested"
    # The gateway's word for who approves counts for nothing: its own token has no such role.
    headers = idp.headers("gw", roles=["gateway"])
    headers["x-countersign-subject"] = "bob"
    assert s.ask("POST", path, {}, headers=headers).status == 403
    assert s.act("bob", "approve", opened, tenant="demo")["have"] == 1


@case
@here_only
def wrong_acts_change_nothing(w):
    s = w.s
    opened = s.request(variables=fresh())
    before = s.show(opened)
    for verb in ("approve", "reject", "revoke", "delegate"):
        s.act("bob", verb, "apr-0000000000000000", 404, "resource_not_found", body={"to": "eve"})
    s.act("bob", "bless", opened, 404, "resource_not_found")
    s.act("bob", "approve", "%00", 404, "resource_not_found")
    other = "sha256:" + "0" * 64
    s.act("bob", "approve", opened, 409, "digest_mismatch", body={"digest": other})
    for bad in ("sha256:12", "md5:" + "0" * 32, "sha256:" + "G" * 64, "x"):
        s.act("bob", "approve", opened, 400, "invalid_digest", body={"digest": bad})
        reply = s.as_person("aud", "GET", "/v1/approvals?digest=" + bad, roles=["auditor"])
        assert reply.status == 400 and reply.json()["code"] == "invalid_digest", reply
    for body in ([1], "x", 3, {"comment": 7}, {"comment": "x" * 1025}, {"digest": []}):
        reply = s.as_person("bob", "POST", f"/v1/approvals/{opened}/approve", body)
        assert reply.status == 400 and reply.json()["code"] == "invalid_parameter", (body, reply)
    reply = s.as_person("bob", "POST", f"/v1/approvals/{opened}/approve", b"{")
    assert reply.status == 400 and reply.json()["code"] == "invalid_parameter", reply
    for query in ("?state=done", "?limit=0", "?limit=x", "?limit=501", "?state=open,done"):
        assert s.as_person("aud", "GET", "/v1/approvals" + query, roles=["auditor"]).status == 400, query
    assert s.show(opened) == before
    s.act("bob", "approve", opened, body={"digest": before["digest"]})
    # Lists: by page, by state, by who asked.
    ids = [s.request(variables=fresh(), actor="lister") for _ in range(5)]
    page = s.as_person("aud", "GET", "/v1/approvals?requester=lister&limit=3", roles=["auditor"]).json()
    assert [a["id"] for a in page["result"]] == ids[:1:-1] and page["next"] == ids[2], page
    rest = s.as_person("aud", "GET", f"/v1/approvals?requester=lister&after={page['next']}", roles=["auditor"]).json()
    assert [a["id"] for a in rest["result"]] == ids[1::-1] and rest["next"] is None, rest
    assert s.listed("?requester=lister&state=approved,consumed") == []
    assert len(s.listed("?requester=lister&state=open")) == len(s.listed("?requester=lister&state=pending")) == 5


# ---- what bundles may not do, and what changes with them


def push(s, packed, name="policy"):
    with open(packed, "rb") as f:
        return s.ask("PUT", "/v1/bundles/" + name, f.read(), headers=s.idp.headers("ci", roles=["publisher"]))


@case
def another_configuration_cancels_what_is_open(w):
    s = Service(w, "changed", document(tenants(demo=approval(), other=approval())))
    pending, given = s.request(variables=fresh()), s.approved(variables=(kept := fresh()))
    elsewhere = s.request(variables=fresh(), tenant="other")
    # Clocks and thresholds are no approvers.
    same = tenants(demo=approval(approve_within_s=60, cost_threshold_nanos=1), other=approval())
    assert push(s, build(w, "changed-1", document(same), iat=int(time.time()) + 1)).status == 200
    time.sleep(1.5)
    assert s.state(pending) == "requested" and s.state(given) == "approved"
    more = tenants(demo=approval(quorum=3), other=approval())
    assert push(s, build(w, "changed-2", document(more), iat=int(time.time()) + 2)).status == 200
    for one in (pending, given):
        s.becomes(one, "cancelled")
        assert s.show(one)["reason"] == "config_changed"
        s.act("dan", "approve", one, 409, "wrong_state")
    assert s.state(elsewhere) == "requested"
    result = s.decide(kept)[0]
    assert codes(result) == ["approval_required"] and result["approval"]["request_id"] not in (pending, given)
    assert s.show(result["approval"]["request_id"])["quorum"] == 3
    s.stop()


@case
@here_only
def quorums_that_nobody_can_reach_are_refused(w):
    people = lambda **groups: dict(PEOPLE, groups=groups)
    leads = ["ann", "bob", "b.smith", "carol"]  # three people
    s = Service(w, "pools", document(tenants(demo=approval()), people=people(**{"platform-leads": leads})))
    iat = int(time.time())

    def attempt(data, why):
        nonlocal iat
        iat += 1
        reply = push(s, build(w, "pools-new", data, iat=iat))
        if why is None:
            assert reply.status == 200, reply
        else:
            assert reply.status == 400 and reply.json()["code"] == "invalid_bundle", reply
            assert why in reply.json()["message"], reply

    opened = s.request(variables=fresh())
    listed = people(**{"platform-leads": leads, "security": ["sue", "sid"]})
    three = document(tenants(demo=approval(quorum=3)), people=people(**{"platform-leads": leads}))
    attempt(three, "smaller than the pool")
    attempt(document(tenants(demo=approval(rules=RULES, groups=None, quorum=None)), people=listed), None)
    one = people(**{"platform-leads": leads, "security": ["sue"]})
    attempt(document(tenants(demo=approval(rules=RULES)), people=one), "tenants.demo.approval")
    attempt(document(tenants(demo=approval(approvers=["bob", "Bob", "dan"])), people=None), "smaller than the pool")
    attempt(document(tenants(demo=approval(quorum=0))), "quorum")
    attempt(document(tenants(demo=approval(rules=[{"quorum": 1}]))), "rules[0].groups")
    attempt(document(people={"aliases": {"a": "b", "b": "c"}}), "leads to another alias")
    attempt(document(people={"aliases": {"a": 1}}), "aliases")
    attempt(document(people={"groups": {"a": "b"}}), "groups")
    assert s.show(opened)["state"] in ("requested", "cancelled")
    # Whoever has left the group has no vote any more, whatever their token says.
    attempt(document(tenants(demo=approval()), people=people(**{"platform-leads": leads + ["dan"]})), None)
    variables = fresh()
    opened = s.request(variables=variables)
    s.act("zoe", "approve", opened)
    s.act("bob", "approve", opened)
    assert codes(s.decide(variables)[0]) == ["approval_required"]
    # A bundle that claims the live root.
    claim = {".manifest": json.dumps({"revision": "x", "roots": ["approvals"]}), "data.json": '{"approvals": {}}'}
    reply = push(s, w.build_files(claim, "claim", iat=iat + 1))
    assert reply.status == 409 and reply.json()["code"] == "roots_conflict", reply
    s.stop()


# ---- the process


@case
def killed_and_back(w):
    s = Service(w, "killed")
    used_variables = fresh()
    used = s.approved(variables=used_variables)
    result, reply = s.decide(used_variables, request="used-once")
    assert result["allow"], result
    given_variables = fresh()
    given, pending = s.approved(variables=given_variables), s.request(variables=fresh())
    s.act("bob", "approve", pending, body={"comment": "é ☂"})
    rejected = s.request(variables=fresh())
    s.act("bob", "reject", rejected)
    lent = s.request(variables=fresh())
    s.act("bob", "delegate", lent, body={"to": "eve"})
    before = {i: s.show(i) for i in (used, given, pending, rejected, lent)}
    order = [a["id"] for a in s.listed()]
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        s.stop(how)
        s.start()
        assert {i: s.show(i) for i in before} == before
        assert [a["id"] for a in s.listed()] == order
    # What was answered is answered so again; what was used stays used; what was given is good once.
    assert s.decide(used_variables, request="used-once")[1].body == reply.body
    assert "approval_consumed" in codes(s.decide(used_variables)[0])
    assert s.decide(given_variables)[0]["allow"] and not s.decide(given_variables)[0]["allow"]
    s.act("eve", "approve", lent, groups=[])
    s.act("carol", "approve", pending)
    assert s.state(pending) == "approved"
    s.stop()


@case
def from_a_snapshot(w):
    journal = w.journal("snapped")
    journal["snapshot"] = dict(journal.get("snapshot", {"path": w.path("snapped.rows")}), interval="1s")
    s = Service(w, "snapped", journal=journal)
    variables = fresh()
    given, pending = s.approved(variables=variables), s.request(variables=fresh())
    s.act("bob", "approve", pending)
    old = s.approved(variables=(old_variables := fresh()))
    assert s.decide(old_variables)[0]["allow"]
    before = {i: s.show(i) for i in (given, pending, old)}
    order = [a["id"] for a in s.listed()]
    path = journal["snapshot"]["path"]
    wait_for("a snapshot", lambda: os.path.exists(path) and os.path.getmtime(path) > time.time() - 60, 20)
    time.sleep(2.5)
    late = s.request(variables=fresh())
    s.stop(signal.SIGKILL)
    s.start()
    assert {i: s.show(i) for i in before} == before
    assert [a["id"] for a in s.listed()] == [late] + order
    assert s.decide(variables)[0]["allow"] and not s.decide(variables)[0]["allow"]
    assert s.act("carol", "approve", pending)["state"] == "approved"
    s.stop()


@case
@here_only
def from_the_command_line(w):
    s = w.s
    opened, other = s.request(variables=fresh()), s.request(variables=fresh())
    url = f"http://127.0.0.1:{s.port}"

    def run(who, *arguments, status=0, **claims):
        token = w.write(f"{who}.token", s.idp.token(who, roles=["approver"], groups=LEADS, **claims) + "\n")
        done = subprocess.run(
            [COUNTERSIGN, "approvals", *arguments, "--url", url, "--token-file", token],
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == status, (arguments, done)
        return json.loads(done.stdout) if status == 0 else done.stderr.decode()

    assert opened in [a["id"] for a in run("bob", "list", "--state", "pending", "--tenant", "demo")["result"]]
    assert run("bob", "show", opened)["state"] == "requested"
    got = run("bob", "approve", opened, "--comment", "by hand", "--digest", s.show(opened)["digest"])
    assert got["grants"][0]["comment"] == "by hand", got
    assert run("bob", "revoke", opened)["have"] == 0
    assert run("bob", "delegate", opened, "--to", "eve")["delegations"][0]["to"] == "eve"
    results = run("carol", "approve", opened, other)["results"]
    assert [r["status"] for r in results] == [200, 200], results
    assert run("dan", "reject", other)["state"] == "rejected"
    assert "409 wrong_state" in run("bob", "approve", other, status=1)
    assert "403 self_approval" in run("alice", "approve", opened, status=1)
    assert "404 resource_not_found" in run("bob", "show", "apr-x", status=1)
    assert "name the approval" in run("bob", "show", status=1)
    assert "specify one of" in run("bob", "fondle", opened, status=1)


@case
@here_only
def without_the_section_it_is_as_it_was(w):
    s = Service(w, "without", clock=False)
    s.stop()
    del s.config["approvals"]
    s.config["settings"] = {"evidence": "verified"}
    s.start()
    result = s.decide(fresh())[0]
    assert codes(result) == ["approval_required"] and result["approval"]["request_id"] is None, result
    assert s.as_person("bob", "GET", "/v1/approvals").status == 404
    assert s.as_person("bob", "POST", "/v1/approvals/x/approve", {}).status == 404
    s.stop()


def main():
    only = sys.argv[1:]
    close(*run_cases([c for c in CASES if not only or any(o in c.__name__ for o in only)], Shared(), seconds=150))


if __name__ == "__main__":
    main()
