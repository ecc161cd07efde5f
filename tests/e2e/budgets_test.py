#!/usr/bin/env python3
"""Budgets of teams, users and organisations, tiers that are earned, limits changed by people, alerts said once.

Environment: COUNTERSIGN (the built program)."""

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import World, ask, base_config, close, run_cases, spend_event  # noqa: E402

CASES = []
DAY = 86400 * 10**9
RULES = "package probe\n\nrow := data.spend[input.tenant]\n"
UNIT = 10**9


def case(function):
    CASES.append(function)
    return function


class Service:
    """A journal and a bundle of limits, served again and again."""

    def __init__(self, world, name, tenants, tiers=None):
        self.w, self.name, self.revision = world, name, 0
        world.build_files(self.files(tenants, tiers), name)
        self.config = base_config(world, name)
        self.config["journal"] = {"sqlite": {"path": world.path(name + ".db")}}
        self.config["persistence_directory"] = world.path(name + ".state")
        self.config["push"] = {name: {"keyid": "ci", "scope": "write"}}
        self.start()

    def files(self, tenants, tiers):
        data = {"tenants": tenants}
        if tiers is not None:
            data["countersign"] = {"tiers": tiers}
        manifest = {"revision": "r", "roots": ["probe", "tenants", "countersign"]}
        return {".manifest": json.dumps(manifest), "probe.rego": RULES, "data.json": json.dumps(data)}

    def start(self):
        self.process, self.port = self.w.serve(self.config)

    def stop(self, how=signal.SIGTERM):
        return self.w.stop(self.process, how)

    def restart(self, how=signal.SIGTERM):
        self.stop(how)
        self.start()

    def push(self, tenants, tiers=None):
        self.revision += 1
        iat = int(time.time()) + self.revision
        packed = open(self.w.build_files(self.files(tenants, tiers), self.name, iat=iat), "rb").read()
        return self.ask("PUT", "/v1/bundles/" + self.name, packed)

    def ask(self, *arguments, **how):
        return ask(self.port, *arguments, **how)

    def spend(self, tenant, amount, **data):
        event = spend_event(tenant, amount)
        event["data"].update(data)
        reply = self.ask("POST", "/v1/events", event)
        assert reply.status == 202, reply
        return event

    def row(self, tenant, budget, currency="USD"):
        reply = self.ask("POST", "/v1/data/probe/row", {"input": {"tenant": tenant}})
        assert reply.status == 200, reply
        return reply.json()["result"][currency][budget]


ROLLING = "rolling:24h"


@case
def budgets_of_a_team_and_of_each_user(w):
    tenants = {
        "acme": {
            "budgets": {
                "all": {"window": ROLLING, "limit": "100"},
                "growth": {"window": ROLLING, "limit": "10", "scope": {"team": "growth"}},
                "users": {"window": ROLLING, "limit": "5", "per": "user"},
                "growth_users": {"window": ROLLING, "limit": "3", "scope": {"team": "growth"}, "per": "user"},
            }
        }
    }
    s = Service(w, "scopes", tenants)
    s.spend("acme", "1", scope={"team": "growth", "user": "ann"})
    s.spend("acme", "2", scope={"team": "core", "user": "ann"})
    s.spend("acme", "4", scope={"user": "bob", "model": "m"})
    s.spend("acme", "8")
    for _ in range(2):
        assert s.row("acme", "all")["posted_nanos"] == 15 * UNIT
        assert s.row("acme", "growth")["posted_nanos"] == 1 * UNIT
        users = s.row("acme", "users")
        assert users["posted_nanos"] == 15 * UNIT and users["remaining_nanos"] == 1 * UNIT, users
        by = {name: (v["posted_nanos"], v["remaining_nanos"]) for name, v in users["by"]["user"].items()}
        assert by == {"ann": (3 * UNIT, 2 * UNIT), "bob": (4 * UNIT, 1 * UNIT)}, by
        by = s.row("acme", "growth_users")["by"]["user"]
        assert list(by) == ["ann"] and by["ann"]["posted_nanos"] == UNIT, by
        s.restart(signal.SIGKILL)
    # A correction takes its own scope back.
    usage = s.spend("acme", "1", scope={"team": "growth", "user": "cleo"})
    s.spend("acme", "-1", kind="correction", scope={"team": "growth", "user": "cleo"},
            corrects={"source": usage["source"], "id": usage["id"]})
    assert s.row("acme", "growth")["posted_nanos"] == 1 * UNIT
    assert s.row("acme", "users")["by"]["user"]["cleo"]["posted_nanos"] == 0
    s.stop()


@case
def corrections_before_their_original_move_with_their_scope(w):
    tenants = {"acme": {"budgets": {"users": {"window": ROLLING, "limit": "5", "per": "user"}}}}
    s = Service(w, "early", tenants)
    original = spend_event("acme", "3")
    original["data"]["scope"] = {"user": "ann"}
    s.spend("acme", "-1", kind="refund", scope={"user": "ann"},
            corrects={"source": original["source"], "id": original["id"]})
    assert s.ask("POST", "/v1/events", original).status == 202
    ann = s.row("acme", "users")["by"]["user"]["ann"]
    assert (ann["posted_nanos"], ann["corrected_nanos"], ann["late_nanos"]) == (2 * UNIT, -UNIT, 0), ann
    s.stop()


@case
def organisations_count_what_is_below_them(w):
    budget = {"total": {"window": ROLLING, "limit": "100"}}
    per_team = dict(budget, teams={"window": ROLLING, "limit": "9", "per": "team"})
    tenants = {
        "org": {"budgets": per_team},
        "unit": {"parent": "org", "budgets": budget},
        "leaf": {"parent": "unit", "budgets": budget},
        "alone": {"budgets": budget},
    }
    s = Service(w, "families", tenants)
    s.spend("org", "1")
    s.spend("unit", "2", scope={"team": "a"})
    s.spend("leaf", "4", scope={"team": "b"})
    s.spend("alone", "8")

    def totals():
        return [s.row(t, "total")["posted_nanos"] // UNIT for t in ("org", "unit", "leaf", "alone")]

    assert totals() == [7, 6, 4, 8], totals()
    by = s.row("org", "teams")["by"]["team"]
    assert {k: v["posted_nanos"] // UNIT for k, v in by.items()} == {"a": 2, "b": 4}, by
    s.restart()
    assert totals() == [7, 6, 4, 8], totals()
    # A tenant that moves takes its past along.
    tenants["alone"]["parent"] = "unit"
    del tenants["leaf"]["parent"]
    assert s.push(tenants).status == 200
    assert totals() == [11, 10, 4, 8], totals()
    by = s.row("org", "teams")["by"]["team"]
    assert {k: v["posted_nanos"] // UNIT for k, v in by.items()} == {"a": 2}, by
    s.spend("alone", "16")
    s.spend("leaf", "32")
    assert totals() == [27, 26, 36, 24], totals()
    tenants["org"]["parent"] = "alone"
    reply = s.push(tenants)
    assert reply.status == 400 and "parent" in reply.json()["message"], reply
    tenants["org"]["parent"] = "nobody"
    reply = s.push(tenants)
    assert reply.status == 400 and "tenants.org.parent: there is no tenant nobody" in reply.json()["message"], reply
    assert totals() == [27, 26, 36, 24], totals()
    s.stop()


TIERS = {
    "canary": {
        "budgets": {"daily": "25.00", "monthly": {"limit": "750.00"}},
        "promote": {"to": "standard", "after_clean_days": 7},
    },
    "standard": {"budgets": {"daily": "50.00", "monthly": "1500.00"}},
}


@case
def clean_days_earn_the_next_tier(w):
    now = time.time_ns()
    budgets = {"daily": {"window": "day"}, "monthly": {"window": "month"}}
    since = {"new": now - 6 * DAY, "old": now - 7 * DAY - 3600 * UNIT, "blemished": now - 9 * DAY}
    tenants = {t: {"tier": {"name": "canary", "since": at}, "budgets": budgets} for t, at in since.items()}
    tenants["blemished"]["tier"]["clean_since"] = now - 2 * DAY
    tenants["rich"] = {
        "tier": {"name": "canary", "since": since["old"]},
        "budgets": {"daily": {"window": "day", "limit": "60"}, "monthly": {"window": "month", "limit": "70"}},
    }
    s = Service(w, "tiers", tenants, TIERS)
    limits = {t: s.row(t, "daily")["limit_nanos"] // UNIT for t in tenants}
    assert limits == {"new": 25, "old": 50, "blemished": 25, "rich": 60}, limits
    assert s.row("rich", "monthly")["limit_nanos"] == 1500 * UNIT
    assert s.row("old", "daily")["tier"] == "standard" and s.row("new", "daily")["tier"] == "canary"
    status = s.ask("GET", "/admin/budget/status").json()
    canaries = {t["tenant"]: t for t in status["canary_tenants"]}
    assert sorted(canaries) == ["blemished", "new"], canaries
    assert canaries["new"]["promotes_at"] is not None and canaries["new"]["day"]["limit"] == "25.00", canaries
    for wrong, path in (
        ({"canary": {"promote": {"to": "gold", "after_clean_days": 7}}}, "countersign.tiers.canary.promote.to"),
        ({"canary": {"budgets": {"daily": "x"}}}, "countersign.tiers.canary.budgets.daily.limit"),
        ({"canary": {"promote": {"to": "canary", "after_clean_days": 7}}}, "come round"),
        ({}, "tenants.new.budgets.daily.limit: is missing"),
    ):
        reply = s.push({"new": tenants["new"]}, wrong)
        assert reply.status == 400 and path in reply.json()["message"], (path, reply)
    s.stop()


if __name__ == "__main__":
    close(*run_cases(CASES, World(), seconds=110))
