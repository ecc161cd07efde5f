#!/usr/bin/env python3
"""What FinOps asks for: cost by whatever, the daily report, forecasts, bills against what was captured; over HTTP and
with the commands.

Environment: COUNTERSIGN (the built program)."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import COUNTERSIGN, World, ask, base_config, close, run_cases, spend_event  # noqa: E402

CASES = []
DAY = 86400


def case(function):
    CASES.append(function)
    return function


TENANTS = {
    "acme": {"timezone": "Asia/Kathmandu", "budgets": {"monthly": {"window": "month", "limit": "750.00"}}},
    "other": {"currency": "EUR", "budgets": {"daily": {"window": "day", "limit": "25.00"}}},
}


RULES = """package probe

result := {"allow": true, "cost": input.cost, "effects": [{
	"type": "hold", "amount_nanos": input.cost.estimate_nanos, "currency": "USD",
	"document_id": input.graphql.document_id,
	"estimate_nanos": data.operations[input.graphql.document_id].cost.estimate_nanos,
}]}

undoable := {"allow": true, "effects": [{"type": "compensation", "document_id": "undo", "variables": input.undo}]}
"""


class Service:
    def __init__(self, world, name, tenants=TENANTS):
        self.w = world
        operation = {"cost": {"estimate_nanos": 10**9, "ceiling_nanos": 10**10}}
        files = {
            ".manifest": json.dumps({"revision": "r", "roots": ["tenants", "operations", "probe"]}),
            "data.json": json.dumps({"tenants": tenants, "operations": {"graph": operation, "other": operation}}),
            "probe.rego": RULES,
        }
        world.build_files(files, name)
        self.config = base_config(world, name)
        self.config["gateways"] = {"effects": ["probe/result", "probe/undoable"]}
        self.config["journal"] = {"sqlite": {"path": world.path(name + ".db")}}
        self.start()

    def start(self):
        self.process, self.port = self.w.serve(self.config)

    def stop(self, how=signal.SIGTERM):
        return self.w.stop(self.process, how)

    def ask(self, *arguments, **how):
        return ask(self.port, *arguments, **how)

    def get(self, path, status=200):
        reply = self.ask("GET", path)
        assert reply.status == status, (path, reply)
        return reply.json()

    def post(self, events):
        reply = self.ask("POST", "/v1/events", events)
        assert reply.status == 202 and not reply.json()["rejected"], reply
        return reply.json()

    def command(self, *arguments, status=0):
        words = [COUNTERSIGN, *arguments, "--url", f"http://127.0.0.1:{self.port}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        assert done.returncode == status, (words, done)
        return done.stdout if status == 0 else done.stderr


def instant(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(tenant, amount, at, currency="USD", **data):
    e = spend_event(tenant, amount, time=instant(at))
    e["data"].update(data, currency=currency)
    return e


def midnight(days_ago=0):
    now = int(time.time())
    return now - now % DAY - days_ago * DAY


def some_spend(s):
    """Yesterday's, by hand: what each test adds up on its own."""
    y = midnight(1)
    scope = {"team": "growth", "user": "ann", "model": "m-1"}
    merge = {"document_id": "sha256:ab", "name": "Merge"}
    tags = {"cost_center": "cc-42"}
    s.post([
        event("acme", "1.25", y + 60, operation=merge, scope=scope, tags=tags,
              quantity={"value": "18", "unit": "tokens"}),
        event("acme", "0.000000001", y + 120, operation=merge, scope=scope, tags=tags,
              quantity={"value": "2", "unit": "tokens"}),
        event("acme", "2.5", y + 7200, operation={"name": "=Rename"}, scope={"team": "core"}, estimated=True),
        event("acme", "-0.5", y + 7300, operation=merge, kind="refund"),
        event("other", "10", y + 100, currency="EUR"),
        event("acme", "100", y - 1),
    ])
    return y


@case
def cost_by_whatever(w):
    s = Service(w, "cost")
    y = some_spend(s)
    path = f"/v1/cost?from={instant(y)}&to={instant(y + DAY)}"
    whole = s.get(path)
    assert whole["totals"] == {"EUR": "10.00", "USD": "3.250000001"}, whole
    assert [(r["start"], r["end"], r["currency"], r["amount"], r["events"]) for r in whole["rows"]] == [
        (instant(y), instant(y + DAY), "EUR", "10.00", 1),
        (instant(y), instant(y + DAY), "USD", "3.250000001", 4),
    ], whole
    rows = s.get(path + "&group_by=tenant,operation,tag:cost_center,scope:team&currency=USD")["rows"]
    assert [(r["tenant"], r["operation"], r["tag:cost_center"], r["scope:team"], r["amount"]) for r in rows] == [
        ("acme", "=Rename", None, "core", "2.50"),
        ("acme", "Merge", "cc-42", "growth", "1.250000001"),
        ("acme", "Merge", None, None, "-0.50"),
    ], rows
    rows = s.get(path + "&granularity=hour&tenant=acme")["rows"]
    assert [(r["start"], r["amount"]) for r in rows] == [
        (instant(y), "1.250000001"), (instant(y + 7200), "2.00")], rows
    rows = s.get(path + "&group_by=kind,unit&granularity=total&tenant=acme")["rows"]
    assert {(r["kind"], r["unit"]): r["amount_nanos"] for r in rows} == {
        ("usage", "tokens"): 1250000001, ("usage", None): 2500000000, ("refund", None): -500000000}, rows
    # A day in Nepal begins at a quarter past six in the evening.
    days = s.get(f"/v1/cost?from={instant(y - DAY)}&to={instant(y + DAY)}&timezone=Asia/Kathmandu&tenant=acme")["rows"]
    assert [d["start"][11:] for d in days] == ["18:15:00Z"] and days[0]["amount"] == "103.250000001", days
    months = s.get(f"/v1/cost?from={instant(y - DAY)}&to={instant(y + DAY)}&granularity=month&tenant=acme")
    assert months["totals"] == {"USD": "103.250000001"}, months
    reply = s.ask("GET", path + "&group_by=operation&format=csv")
    table = list(csv.reader(io.StringIO(reply.body.decode())))
    assert reply.headers["content-type"].startswith("text/csv"), reply
    assert table[0] == ["start", "end", "operation", "currency", "amount", "events"], table
    assert ["'=Rename", "USD", "2.50", "1"] in [row[2:] for row in table], table
    for wrong in ("granularity=week", "format=xml", "group_by=colour", "from=now", "timezone=Mars/Base",
                  f"from={instant(y)}&to={instant(y)}", "group_by=" + ",".join(["tenant"] * 7)):
        assert s.get("/v1/cost?" + wrong, 400)["code"] == "invalid_parameter", wrong
    out = json.loads(s.command("spend", "cost", "acme", "--from", instant(y), "--group-by", "tenant"))
    assert out["totals"] == {"USD": "3.250000001"}, out
    s.stop()


@case
def the_daily_report(w):
    s = Service(w, "report")
    y = some_spend(s)
    day = instant(y)[:10]
    report = s.get("/v1/reports/finops")
    assert report == {**s.get(f"/v1/reports/finops?day={day}"), "generated_at": report["generated_at"],
                      "health": report["health"]}
    assert report["day"] == day and report["totals"]["USD"]["spent"] == "3.250000001", report
    acme = next(t for t in report["tenants"] if t["tenant"] == "acme")
    assert (acme["usage"], acme["corrections"], acme["estimated"], acme["events"]) == (
        "3.750000001", "-0.50", "2.50", 4), acme
    assert [(o["operation"], o["spent"]) for o in acme["operations"]] == [
        ("=Rename", "2.50"), ("Merge", "0.750000001")], acme
    assert acme["budgets"]["monthly"]["limit"] == "750.00", acme
    reply = s.ask("GET", f"/v1/reports/finops?day={day}&format=csv")
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert len(rows) == 4 and sum(float(r["BilledCost"]) for r in rows if r["BillingCurrency"] == "USD") > 3.25, rows
    merge = next(r for r in rows if r["ConsumedUnit"] == "tokens")
    assert (merge["BilledCost"], merge["ConsumedQuantity"], merge["SubAccountId"], merge["SkuId"]) == (
        "1.250000001", "20.00", "acme", "m-1"), merge
    assert merge["ChargePeriodStart"] == instant(y) and merge["ChargePeriodEnd"] == instant(y + DAY), merge
    assert json.loads(merge["Tags"]) == {"cost_center": "cc-42", "model": "m-1", "team": "growth", "user": "ann"}
    refund = next(r for r in rows if r["x_Kind"] == "refund")
    assert (refund["ChargeCategory"], refund["BilledCost"]) == ("Credit", "-0.50"), refund
    assert refund["ChargeClass"] == "", refund
    for wrong in ("day=today", "day=2026-02-30", "timezone=x", "format=pdf"):
        assert s.get("/v1/reports/finops?" + wrong, 400)["code"] == "invalid_parameter", wrong
    assert s.get("/v1/reports/other", 404)
    assert json.loads(s.command("spend", "report", day))["day"] == day
    assert s.command("spend", "report", "--day", day, "--format", "csv").startswith("BillingAccountId,")
    assert "400 invalid_parameter" in s.command("spend", "report", "tomorrow", status=1)
    s.stop()


@case
def the_month_s_end(w):
    """Ten units on each day of the week, twenty on Saturdays: the model has no error."""
    s = Service(w, "forecast", {"acme": TENANTS["acme"] | {"timezone": "UTC"}, "young": {}})
    today = midnight()
    weekly = {5: "20"}

    def amount(at):
        return weekly.get(datetime.fromtimestamp(at, timezone.utc).weekday(), "10")

    events = [event("acme", amount(today - d * DAY), today - d * DAY + h * 3600)
              for d in range(1, 80) for h in (0, 23)]
    s.post(events)
    s.post(event("young", "5", today - 2 * DAY))
    f = s.get("/v1/forecast/acme")
    now = datetime.fromtimestamp(today, timezone.utc)
    start = now.replace(day=1)
    end = (start + timedelta(days=32)).replace(day=1)
    days = [start + timedelta(days=i) for i in range((end - start).days)]
    spent = sum(2 * int(amount(d.timestamp())) for d in days if d < now)
    rest = sum(2 * int(amount(d.timestamp())) for d in days if d > now)
    assert f["spent"] == f"{spent}.00" and f["month"] == now.strftime("%Y-%m"), f
    projected = float(f["projected"])
    most = 2 * int(amount(today))
    assert spent + rest <= projected <= spent + rest + most, (f, spent, rest)
    assert f["low"] == f["high"] == f["projected"] and f["confidence"] == 0.8, f
    test = f["backtest"]
    assert (test["horizon_days"], test["origins"], test["coverage"], test["mean_absolute_percentage_error"]) == (
        7, 28, 1, 0), test
    assert (f["exceeds_on"] is None) == (projected <= 750), f
    young = s.get("/v1/forecast/young")
    assert young["projected"] is None and young["days_observed"] == 2 and "reason" in young, young
    s.get("/v1/forecast/nobody", 404)
    s.get("/v1/forecast/acme?currency=dollars", 400)
    assert json.loads(s.command("spend", "forecast", "acme"))["tenant"] == "acme"
    # Noise makes a range, and the range holds most of the past.
    noisy = [event("noisy", str(10 + (d * 7919) % 13), today - d * DAY + 60) for d in range(1, 90)]
    s.post(noisy)
    f = s.get("/v1/forecast/noisy")
    assert float(f["low"]) < float(f["projected"]) < float(f["high"]), f
    assert f["backtest"]["coverage"] > 0.5 and f["backtest"]["mean_absolute_percentage_error"] < 0.5, f
    s.stop()


@case
def bills(w):
    s = Service(w, "bills", {"acme": {"timezone": "UTC"} | {"budgets": TENANTS["acme"]["budgets"]}})
    y = some_spend(s)
    day = instant(y)[:10]
    bill = {"source": "provider", "day": day, "billed": {"acme": "3.26", "ghost": "1"}}
    result = s.ask("POST", "/v1/reconciliations", bill).json()
    assert (result["captured"], result["billed"], result["within"]) == ("3.250000001", "4.26", False), result
    assert result["tenants"][0] == {
        "tenant": "acme", "captured": "3.250000001", "billed": "3.26", "delta": "0.009999999",
        "ratio": 0.996933, "within": False}, result
    again = s.ask("POST", "/v1/reconciliations", bill | {"apply": True}).json()
    assert again["captured"] == "3.250000001" and again["applied"] is True, again
    third = s.ask("POST", "/v1/reconciliations", bill | {"apply": True}).json()
    assert (third["captured"], third["within"], third["accuracy"]) == ("4.26", True, 1), third
    assert s.get(f"/v1/cost?from={instant(y)}&to={instant(y + DAY)}&tenant=acme&group_by=kind")["rows"][-2][
        "kind"] in ("refund", "reconciliation")
    figures = s.get("/v1/reconciliations")
    assert figures["accuracy"] == 1 and figures["fresh_ratio"] == 1 and figures["age_s"] < 60, figures
    assert {t["tenant"]: t["billed"] for t in figures["tenants"]} == {"acme": "3.26", "ghost": "1.00"}, figures
    metrics = s.ask("GET", "/metrics").body.decode()
    assert "countersign_spend_accuracy_ratio 1" in metrics and "countersign_reconciliation_age_seconds" in metrics
    for wrong in ({"source": ""}, {"currency": "usd"}, {"day": "yesterday"}, {"billed": {}}, {"billed": {"a": "x"}},
                  {"billed": [{"tenant": "a", "billed": "1"}, {"tenant": "a", "billed": "2"}]}, {"tolerance": 2},
                  {"apply": "yes"}, {"day": None, "from": day, "to": day}, {"timezone": "x"}):
        reply = s.ask("POST", "/v1/reconciliations", bill | wrong)
        assert reply.status == 400 and reply.json()["code"] == "invalid_parameter", (wrong, reply)
    assert s.ask("POST", "/v1/reconciliations", b"[").status == 400
    s.stop(signal.SIGKILL)
    s.start()
    assert s.get("/v1/reconciliations")["accuracy"] == 1
    file = w.path("bill.csv")
    with open(file, "w") as f:
        f.write("tenant,amount\nacme,3.26\nghost, 1.00\n")
    out = json.loads(s.command("spend", "reconcile", file, "--source", "provider", "--day", day, "--tolerance", "0.01"))
    assert out["within"] is True and out["tolerance"] == 0.01, out
    with open(file, "w") as f:
        f.write("acme\n")
    assert "line 1" in s.command("spend", "reconcile", file, "--source", "provider", "--day", day, status=1)
    s.stop()


@case
def estimates_are_corrected_by_what_operations_cost(w):
    s = Service(w, "estimates", {"acme": {"budgets": {"total": {"window": "rolling:24h", "limit": "1000000"}}}})

    def decide(document, **cost):
        given = {"actor": {"tenant": "acme", "sub": "ann"}, "graphql": {"document_id": document}, "cost": cost}
        reply = s.ask("POST", "/v1/data/probe/result", {"input": given})
        assert reply.status == 200, reply
        return reply.json()["result"]

    for i in range(10):
        decision = decide("graph")
        assert decision["cost"]["estimate_nanos"] == 10**9 and decision["cost"]["source"] == "manifest", decision
        settled = s.ask("POST", f"/v1/holds/{decision['holds'][0]['id']}/settle", {"amount": ["1.00", "2.00"][i % 2]})
        assert settled.status == 200, settled
    learned = decide("graph")["cost"]
    factor = learned["correction"]["factor"]
    assert learned["source"] == "learned" and 1.5 < factor < 1.52 and learned["correction"]["samples"] == 10, learned
    assert 0.3 < learned["correction"]["error_ratio"] < 0.35, learned
    assert 1.5 * 10**9 < learned["estimate_nanos"] < 1.52 * 10**9, learned
    assert learned["correction"]["manifest_nanos"] == 10**9, learned
    # Of another operation nothing is known; a client's own figure can only raise it.
    assert decide("other")["cost"]["source"] == "manifest"
    assert decide("graph", estimate_nanos=1)["cost"]["source"] == "learned"
    assert decide("graph", estimate_nanos=5 * 10**9)["cost"]["estimate_nanos"] == 5 * 10**9
    estimates = s.get("/v1/reports/finops")["estimates"]
    assert [(e["document_id"], e["samples"]) for e in estimates] == [("graph", 10)], estimates
    metrics = s.ask("GET", "/metrics").body.decode()
    assert 'countersign_estimate_error_ratio{operation="graph"} 0.5' in metrics, metrics
    s.stop(signal.SIGKILL)
    s.start()
    assert decide("graph")["cost"]["correction"]["samples"] == 10
    s.stop()


@case
def what_was_allowed_can_be_undone_once(w):
    s = Service(w, "undo", {"acme": {}, "other": {}})

    def decide(tenant, n):
        body = {"input": {"actor": {"tenant": tenant}, "graphql": {"document_id": "graph"}, "undo": {"n": n}}}
        reply = s.ask("POST", "/v1/data/probe/undoable", body)
        assert reply.status == 200, reply

    for n in range(5):
        decide("acme", n)
    decide("other", 5)

    def replay(**body):
        reply = s.ask("POST", "/v1/compensations/replay", body)
        assert reply.status == 200, reply
        answer = reply.json()
        return answer["requested"], [(c["compensation"]["variables"]["n"], c["state"])
                                     for c in answer["compensations"]]

    assert replay(last=3, dry_run=True) == (0, [(5, "recorded"), (4, "recorded"), (3, "recorded")])
    assert replay(last=2) == (2, [(5, "requested"), (4, "requested")])
    assert replay(last=3) == (1, [(5, "requested"), (4, "requested"), (3, "requested")])
    s.stop(signal.SIGKILL)
    s.start()
    assert replay(last=3) == (0, [(5, "requested"), (4, "requested"), (3, "requested")])
    assert replay(tenant="acme", dry_run=True)[1][2:] == [(2, "recorded"), (1, "recorded"), (0, "recorded")]
    out = json.loads(s.command("compensate", "--last", "4"))
    assert out["requested"] == 1 and len(out["compensations"]) == 4, out
    for wrong in ({"last": 0}, {"last": "all"}, {"dry_run": 1}, {"tenant": 1}):
        assert s.ask("POST", "/v1/compensations/replay", wrong).status == 400, wrong
    s.stop()


@case
def events_are_replayed_from_a_file(w):
    s = Service(w, "replay")
    file = w.path("events.ndjson")
    with open(file, "w") as f:
        for i in range(5001):
            f.write(json.dumps(event("acme", "0.001", midnight() - 60, id=str(i)) | {"id": str(i)}) + "\n")
    for expected in ([5000, 1], [0, 0]):
        answers = [json.loads(line) for line in s.command("spend", "replay", file).splitlines() if line.strip()]
        assert [a["accepted"] for a in answers] == expected, answers
    status = json.loads(s.command("spend", "status"))
    assert any(t["tenant"] == "acme" for t in status["tenants"]), status
    assert "one of report" in s.command("spend", "guess", status=1)
    s.stop()


if __name__ == "__main__":
    close(*run_cases(CASES, World(), seconds=110))
