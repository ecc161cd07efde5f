#!/usr/bin/env python3
"""Budgets of teams, users and organisations, tiers that are earned, limits changed by people, alerts said once.

Environment: COUNTERSIGN (the built program)."""

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import World, ask, base_config, close, run_cases, spend_event, wait_for  # noqa: E402

CASES = []
DAY = 86400 * 10**9
RULES = "package probe\n\nrow := data.spend[input.tenant]\n"
UNIT = 10**9


def case(function):
    CASES.append(function)
    return function


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Service:
    """A journal and a bundle of limits, served again and again."""

    def __init__(self, world, name, tenants, tiers=None):
        self.w, self.name, self.revision = world, name, 0
        world.build_files(self.files(tenants, tiers), name)
        self.config = base_config(world, name)
        self.config["journal"] = world.journal(name)
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

    def spend_at(self, tenant, amount, seconds):
        reply = self.ask("POST", "/v1/events", spend_event(tenant, amount, time=rfc3339(seconds)))
        assert reply.status == 202, reply

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
    # Of a tenant without any history nothing is known.
    assert s.row("old", "daily")["limit_nanos"] == 25 * UNIT
    for tenant, at in since.items():
        s.spend_at(tenant, "1", at // UNIT + 60)
    s.spend_at("rich", "1", since["old"] // UNIT + 60)
    limits = {t: s.row(t, "daily")["limit_nanos"] // UNIT for t in tenants}
    assert limits == {"new": 25, "old": 50, "blemished": 25, "rich": 60}, limits
    assert s.row("rich", "monthly")["limit_nanos"] == 1500 * UNIT
    assert s.row("old", "daily")["tier"] == "standard" and s.row("new", "daily")["tier"] == "canary"
    status = s.ask("GET", "/admin/budget/status").json()
    canaries = {t["tenant"]: t for t in status["canary_tenants"]}
    assert sorted(canaries) == ["blemished", "new"], canaries
    assert canaries["new"]["promotes_at"] is not None and canaries["new"]["day"]["limit"] == "25.00", canaries
    # A day that turns out to have been above its limit takes the promotion back, until 7 days after that.
    s.spend_at("old", "24.5", since["old"] // UNIT + 3 * 86400)
    assert s.row("old", "daily")["tier"] == "standard"
    s.spend_at("old", "24.5", since["old"] // UNIT + 3 * 86400 + 1)
    assert s.row("old", "daily")["tier"] == "canary"
    s.restart(signal.SIGKILL)
    assert [s.row(t, "daily")["tier"] for t in tenants] == ["canary", "canary", "canary", "standard"]
    for wrong, path in (
        ({"canary": {"promote": {"to": "gold", "after_clean_days": 7}}}, "countersign.tiers.canary.promote.to"),
        ({"canary": {"budgets": {"daily": "x"}}}, "countersign.tiers.canary.budgets.daily.limit"),
        ({"canary": {"promote": {"to": "canary", "after_clean_days": 7}}}, "come round"),
        ({}, "tenants.new.budgets.daily.limit: is missing"),
    ):
        reply = s.push({"new": tenants["new"]}, wrong)
        assert reply.status == 400 and path in reply.json()["message"], (path, reply)
    s.stop()


@case
def people_change_limits_for_a_reason_and_a_time(w):
    tenants = {"acme": {"budgets": {"daily": {"window": ROLLING, "limit": "25"}}}}
    s = Service(w, "changes", tenants)
    path = "/v1/tenants/acme/budget"
    good = {"budget": "daily", "limit": "40.00", "currency": "USD", "reason": "launch"}

    def limit():
        return s.row("acme", "daily")["limit_nanos"] / UNIT

    before = s.ask("GET", path).json()["budgets"]["daily"]
    assert before["limit"] == before["configured_limit"] == "25.00" and before["change"] is None, before
    for wrong, status, text in (
        ({"budget": "weekly"}, 404, "no budget weekly"),
        ({"currency": "EUR"}, 404, "no budget daily in EUR"),
        ({"limit": "-1"}, 400, "limit"),
        ({"limit": "NaN"}, 400, "limit"),
        ({"limit": "1.0000000001"}, 400, "limit"),
        ({"limit": None}, 400, "limit"),
        ({"reason": " "}, 400, "reason"),
        ({"expires_at": "tomorrow"}, 400, "expires_at"),
        ({"expires_at": rfc3339(time.time() - 60)}, 400, "past"),
    ):
        reply = s.ask("PUT", path, {**good, **wrong})
        assert reply.status == status and text in reply.json()["message"], (wrong, reply)
    assert s.ask("PUT", path, b"{").status == 400 and s.ask("PUT", "/v1/tenants/acme/x", good).status == 404
    assert s.ask("PUT", "/v1/tenants/nobody/budget", good).status == 404
    assert limit() == 25
    expires = rfc3339(time.time() + 3600)
    reply = s.ask("PUT", path, {**good, "expires_at": expires}, headers={"X-Request-Id": "r-1"})
    daily = reply.json()["budgets"]["daily"]
    assert reply.status == 200 and daily["limit"] == "40.00" and daily["configured_limit"] == "25.00", reply
    change = daily["change"]
    assert (change["reason"], change["author"], change["id"]) == ("launch", "anonymous", "r-1"), change
    assert change["expires_at"] == expires and limit() == 40
    s.restart(signal.SIGKILL)
    assert limit() == 40
    # The same request again changes nothing; another one does; taken back, the bundle's limit holds.
    assert s.ask("PUT", path, {**good, "limit": "41"}, headers={"X-Request-Id": "r-1"}).status == 200 and limit() == 40
    assert s.ask("PUT", path, {**good, "limit": 41.5}).status == 200 and limit() == 41.5
    assert s.ask("DELETE", path + "?budget=daily&reason=over").status == 200 and limit() == 25
    assert s.ask("DELETE", path).status == 400 and s.ask("DELETE", path + "?budget=x").status == 404
    assert s.ask("PUT", path, {**good, "expires_at": rfc3339(time.time() + 2)}).status == 200 and limit() == 40
    time.sleep(2.2)
    assert limit() == 25 and s.ask("GET", path).json()["budgets"]["daily"]["change"] is None
    s.stop()


def alerts(s):
    lines = s.ask("GET", "/metrics").body.decode().splitlines()
    found = [line.rsplit(" ", 1) for line in lines if line.startswith("countersign_budget_alerts_total{")]
    return {name.split('"')[1]: int(float(n)) for name, n in found}


@case
def alerts_are_said_once(w):
    budget = {"window": ROLLING, "limit": "10", "mode": "enforce", "alert_ratios": [0.8, 1.0]}
    tenants = {"acme": {"budgets": {"daily": budget, "users": {**budget, "per": "user"}}}}
    s = Service(w, "alerts", tenants)
    s.spend("acme", "7.999999999")
    assert alerts(s) == {}
    s.spend("acme", "0.000000001")
    for _ in range(3):
        s.spend("acme", "0.1")
    wait_for("80 %", lambda: alerts(s) == {"approaching": 1}, 5, s.process)
    s.spend("acme", "5", scope={"user": "ann"})
    wait_for("100 %", lambda: alerts(s) == {"approaching": 1, "exceeded": 1}, 5, s.process)
    s.spend("acme", "3", scope={"user": "ann"})
    wait_for("a user's 80 %", lambda: alerts(s) == {"approaching": 2, "exceeded": 1}, 5, s.process)
    s.restart(signal.SIGKILL)
    s.spend("acme", "1", scope={"user": "ann"})
    s.spend("acme", "-9", kind="refund")
    s.spend("acme", "9")
    time.sleep(0.3)
    assert alerts(s) == {}, alerts(s)
    # Another limit is another matter: what is said then was not said before.
    path = "/v1/tenants/acme/budget"
    assert s.ask("PUT", path, {"budget": "users", "limit": "9", "reason": "less"}).status == 200
    s.spend("acme", "0", scope={"user": "ann"})
    wait_for("the user's 100 %", lambda: alerts(s) == {"exceeded": 1}, 5, s.process)
    s.stop()


@case
def a_budget_used_up_is_a_blemish(w):
    now = time.time_ns()
    budgets = {"daily": {"window": ROLLING, "alert_ratios": [0.8, 1.0]}, "monthly": {"window": "rolling:744h"}}
    tier = {"name": "canary", "since": now - 9 * DAY, "clean_since": now - 7 * DAY + 3600 * UNIT}
    s = Service(w, "blemish", {"acme": {"tier": tier, "budgets": budgets}}, TIERS)

    def promotes():
        return s.ask("GET", "/admin/budget/status").json()["canary_tenants"][0]["promotes_at"]

    soon = promotes()
    assert soon.startswith(rfc3339(time.time() + 3600)[:13]) or soon.startswith(rfc3339(time.time() + 3599)[:13]), soon
    s.spend("acme", "25")
    later = rfc3339(time.time() + 7 * 86400)[:13]
    wait_for("promotion put off", lambda: promotes().startswith(later), 5, s.process)
    s.restart()
    assert promotes().startswith(later)
    s.stop()


if __name__ == "__main__":
    close(*run_cases(CASES, World(), seconds=110))
