#!/usr/bin/env python3
"""Money over HTTP: events in, data.spend out; what is refused and why; restarts, kill -9, a full disk, a foreign file.

Environment: COUNTERSIGN (the built program)."""

import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import COUNTERSIGN, World, about_the_file, ask, base_config, close, free_port  # noqa: E402
from serving import run_cases, spend_event, wait_for  # noqa: E402

CASES = []
RULES = "package probe\n\nrow := data.spend[input.tenant]\n\nmeta := data.spend.meta\n"
# A zone in which it is about noon, so that no suite runs into midnight.
NOON = 12 - time.gmtime().tm_hour
TENANTS = {
    "acme": {
        "timezone": f"Etc/GMT{-NOON:+d}",
        "tier": {"name": "canary", "since": 1756700000000000000},
        "budgets": {
            "daily": {"window": "day", "limit": "25.00"},
            "monthly": {"window": "month", "limit_nanos": 750000000000},
        },
    },
    "flood": {"budgets": {"total": {"window": "rolling:100h", "limit": "1000000"}}},
}


def case(function):
    CASES.append(function)
    return function


def bundle_files(tenants):
    return {
        ".manifest": json.dumps({"revision": "r", "roots": ["probe", "tenants"]}),
        "probe.rego": RULES,
        "data.json": json.dumps({"tenants": tenants}),
    }


class Service:
    """One journal, served again and again."""

    def __init__(self, world, name, tenants=TENANTS, journal=None):
        self.w, self.name = world, name
        world.build_files(bundle_files(tenants), name)
        self.config = base_config(world, name)
        self.config["journal"] = journal or world.journal(name)
        self.config["persistence_directory"] = world.path(name + ".state")
        self.config["push"] = {name: {"keyid": "ci", "scope": "write"}}
        self.start()

    def start(self):
        self.process, self.port = self.w.serve(self.config)

    def stop(self, how=signal.SIGTERM):
        return self.w.stop(self.process, how)

    def ask(self, *arguments, **how):
        return ask(self.port, *arguments, **how)

    def post(self, events, status=202):
        reply = self.ask("POST", "/v1/events", events)
        assert reply.status == status, reply
        return reply.json()

    def row(self, tenant):
        reply = self.ask("POST", "/v1/data/probe/row", {"input": {"tenant": tenant}})
        assert reply.status == 200, reply
        return reply.json().get("result")


def counts(accepted=0, duplicates=0):
    return {"accepted": accepted, "duplicates": duplicates, "rejected": []}


@case
def events_become_counters(w):
    s = Service(w, "counters")
    zero = s.row("acme")["USD"]["daily"]
    assert (zero["posted_nanos"], zero["limit_nanos"], zero["remaining_nanos"]) == (0, 25000000000, 25000000000), zero
    event = spend_event("acme", "0.0000027")
    assert s.post(event) == counts(1)
    assert s.post(event) == counts(0, 1)
    assert s.post([event, spend_event("acme", 1.5), spend_event("acme", 2.5e-7)]) == counts(2, 1)
    lines = "\n".join(json.dumps(spend_event("acme", "1")) for _ in range(3)).encode()
    assert s.post(lines) == counts(3)
    daily = s.row("acme")["USD"]["daily"]
    assert daily["posted_nanos"] == 4500002950 and daily["events"] == 6, daily
    assert daily["remaining_nanos"] == 25000000000 - 4500002950 and daily["held_nanos"] == 0, daily
    assert daily["window_start"] <= time.time_ns() < daily["window_end"] and daily["tier"] == "canary", daily
    one = s.ask("GET", "/v1/spend/acme").json()
    one = one.get("result", one)
    assert one["spend"]["USD"]["daily"]["posted"] == "4.50000295", one
    assert s.ask("GET", "/v1/spend/nobody").status == 404
    status = s.ask("GET", "/admin/budget/status").json()
    assert [t["tenant"] for t in status["canary_tenants"]] == ["acme"], status
    assert status["canary_tenants"][0]["day"]["spent"] == "4.50000295", status
    assert status["canary_tenants"][0]["month"]["limit"] == "750.00", status
    health = s.ask("GET", "/health/budget")
    assert health.status == 200 and health.json()["status"] == "ok" and health.json()["caught_up"], health
    metrics = s.ask("GET", "/metrics").body.decode()
    for line in (
        'countersign_spend_events_total{result="accepted"} 6',
        'countersign_spend_events_total{result="duplicate"} 2',
        "countersign_spend_caught_up 1",
        'countersign_budget_spent{tenant="acme",window="day",currency="USD"} 4.50000295',
    ):
        assert line in metrics, metrics
    s.stop()


@case
def unknown_tenants_count_under_their_own_names(w):
    s = Service(w, "unknown")
    assert s.post(spend_event("stranger", "3")) == counts(1)
    assert s.row("stranger") == {"USD": {}}
    rows = {t["tenant"]: t for t in s.ask("GET", "/admin/budget/status").json()["tenants"]}
    assert rows["stranger"]["known"] is False and rows["acme"]["known"] is True, rows
    # The limit comes later; the money was counted all the time.
    more = dict(TENANTS, stranger={"budgets": {"daily": {"window": "rolling:1h", "limit": "10"}}})
    packed = open(w.build_files(bundle_files(more), "unknown", iat=int(time.time()) + 1), "rb").read()
    assert s.ask("PUT", "/v1/bundles/unknown", packed).status == 200
    assert s.row("stranger")["USD"]["daily"]["posted_nanos"] == 3000000000
    # A bundle with limits that mean nothing changes nothing.
    more["stranger"]["budgets"]["daily"]["limit"] = "ten"
    packed = open(w.build_files(bundle_files(more), "unknown", iat=int(time.time()) + 2), "rb").read()
    reply = s.ask("PUT", "/v1/bundles/unknown", packed)
    assert reply.status == 400 and reply.json()["code"] == "invalid_bundle", reply
    assert "tenants.stranger.budgets.daily.limit" in reply.json()["message"], reply
    assert s.row("stranger")["USD"]["daily"]["limit_nanos"] == 10000000000
    s.stop()


def with_data(**members):
    event = spend_event("acme", "1")
    event["data"].update(members)
    event["data"] = {k: v for k, v in event["data"].items() if v is not None}
    return event


@case
def bad_events_are_refused_by_name(w):
    s = Service(w, "bad")
    before = s.row("acme")
    text = json.dumps(spend_event("acme", 12345))
    bad = [
        (spend_event("acme", "1", id=None), "missing_field", "id"),
        (spend_event("acme", "1", source=""), "missing_field", "source"),
        (spend_event("acme", "1", time="noon"), "invalid_time", "time"),
        (spend_event("acme", "1", specversion="0.3"), "unsupported_version", "specversion"),
        (spend_event("acme", "1", type="other"), "unknown_type", "type"),
        (spend_event("acme", "1", subject="tenant/other"), "invalid_subject", "subject"),
        (with_data(tenant=None), "missing_field", "tenant"),
        (with_data(amount="-1"), "negative_usage", "amount"),
        (with_data(amount="NaN"), "invalid_amount", "amount"),
        (with_data(amount="1e400"), "amount_out_of_range", "amount"),
        (with_data(kind="gift"), "unknown_kind", "kind"),
        (with_data(currency="usd"), "invalid_currency", "currency"),
        (text.replace("12345", "NaN").encode(), "invalid_json", ""),
        (text.replace("12345", "1e400").encode(), "amount_out_of_range", "amount"),
        (text.replace("12345", "-12345").encode(), "negative_usage", "amount"),
        (text[:-10].encode(), "invalid_json", ""),
        (b"", "invalid_json", ""),
        (b"\xff\xfe", "invalid_json", ""),
        (text.replace("12345", "[" * 100000 + "]" * 100000).encode(), None, ""),
        (text.replace("12345", "1" * 100000).encode(), None, ""),
    ]
    for body, code, word in bad:
        answer = s.post(body, 400)
        assert answer["accepted"] == 0 and len(answer["rejected"]) >= 1, (body, answer)
        first = answer["rejected"][0]
        assert set(first) == {"index", "id", "code", "message"} and first["index"] == 0, first
        assert code is None or first["code"] == code, (body, first)
        assert word in first["message"], first
    mixed = [spend_event("acme", "1", id="good"), with_data(amount=None), spend_event("acme", "1", id="good")]
    answer = s.post(mixed)
    assert (answer["accepted"], answer["duplicates"]) == (1, 1), answer
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [(1, "missing_field")], answer
    letters = s.ask("GET", "/v1/dead-letters").json()["dead_letters"]
    assert len(letters) == len(bad) + 1 and letters[0]["code"] == "missing_field", letters[:2]
    assert '"acme"' in letters[0]["event"] and set(letters[0]) == {"at", "code", "reason", "event"}, letters[0]
    assert len(max((v["event"] for v in letters), key=len)) <= 4096, letters
    after = s.row("acme")
    assert after["USD"]["daily"]["events"] == before["USD"]["daily"]["events"] + 1, after
    too_many = b"{}\n" * 10001
    assert s.ask("POST", "/v1/events", too_many).status == 413
    s.stop()


@case
def a_restart_gives_the_same_numbers(w):
    s = Service(w, "restart")
    events = [spend_event("acme", f"0.{i:06d}") for i in range(1, 400)]
    link = {"source": "/tests", "id": events[7]["id"]}
    correction = with_data(kind="correction", amount="-0.000008", corrects=link)
    unsettled = with_data(kind="refund", amount="-0.01", corrects={"source": "/tests", "id": "to come"})
    assert s.post(events + [correction, unsettled]) == counts(401)
    assert s.post(events[:50]) == counts(0, 50)
    before = s.row("acme")
    assert before["USD"]["daily"]["late_nanos"] == -10000000, before
    assert s.stop() == 0
    s.start()
    assert s.row("acme") == before, (s.row("acme"), before)
    assert s.post(events[:50] + [correction]) == counts(0, 51)
    assert s.row("acme") == before
    assert s.post(spend_event("acme", "1", id="to come")) == counts(1)
    assert s.row("acme")["USD"]["daily"]["late_nanos"] == 0
    s.stop(signal.SIGKILL)
    s.start()
    assert s.row("acme")["USD"]["daily"]["events"] == 402
    s.stop()


def flood(port, sent, acknowledged, stop):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        while not stop.is_set():
            events = [spend_event("flood", "0.01") for _ in range(5)]
            sent.extend(events)
            link.request("POST", "/v1/events", json.dumps(events), {"content-type": "application/json"})
            reply = link.getresponse()
            if reply.status == 202 and json.loads(reply.read())["accepted"] == 5:
                acknowledged.extend(e["id"] for e in events)
    except (OSError, http.client.HTTPException):
        pass  # the server was killed
    finally:
        link.close()


@case
def kill_9_during_a_flood_loses_nothing_acknowledged(w):
    s = Service(w, "killed")
    every, total = [], 0
    for _ in range(3):
        sent, acknowledged, stop = [], [], threading.Event()
        assert s.post(spend_event("acme", "1")) == counts(1)
        threads = [threading.Thread(target=flood, args=(s.port, sent, acknowledged, stop)) for _ in range(4)]
        for t in threads:
            t.start()
        time.sleep(0.7)
        s.stop(signal.SIGKILL)
        stop.set()
        for t in threads:
            t.join()
        every += sent
        assert len(acknowledged) >= 20, len(acknowledged)
        s.start()
        row = s.row("flood")["USD"]["total"]
        assert total + len(acknowledged) <= row["events"] <= total + len(sent), (total, len(acknowledged), row)
        known = set(acknowledged)
        repeated = [e for e in sent if e["id"] in known]
        for i in range(0, len(repeated), 5000):
            part = repeated[i : i + 5000]
            again = s.post(part)
            assert again == counts(0, len(part)), (again, len(part))
        total = row["events"]
    for i in range(0, len(every), 5000):
        s.post(every[i : i + 5000])
    row = s.row("flood")["USD"]["total"]
    assert row["events"] == len(every) and row["posted_nanos"] == len(every) * 10000000, (len(every), row)
    s.stop()


def refused_to_start(w, config, words):
    path = w.write(f"refused-{uuid.uuid4()}.json", json.dumps(config))
    done = subprocess.run(
        [COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{free_port()}", "-c", path],
        capture_output=True,
        timeout=30,
        cwd=w.dir,
    )
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 1 and words in text, (done.returncode, text)


@case
@about_the_file
def a_journal_in_use_foreign_or_damaged_stops_the_start(w):
    s = Service(w, "held")
    s.post([spend_event("acme", "1") for _ in range(300)])
    other = dict(s.config, persistence_directory=w.path("other.state"))
    refused_to_start(w, other, "another process holds it")
    assert s.post(spend_event("acme", "1")) == counts(1)
    s.stop()
    path = w.path("held.db")
    good = open(path, "rb").read()
    os.remove(path + ".snapshot")  # with it the start reads what came after it, and nothing did
    at = good.index(b'"amount"')
    open(path, "wb").write(good[:at] + b'"Amount"' + good[at + 8 :])
    refused_to_start(w, s.config, "is damaged")
    open(path, "wb").write(good[: len(good) // 2 // 4096 * 4096])
    refused_to_start(w, s.config, "damaged")
    open(path, "wb").write(b"no database at all " * 1000)
    refused_to_start(w, s.config, "not an SQLite database")
    open(path, "wb").write(good)
    s.start()
    assert s.row("acme")["USD"]["daily"]["events"] == 301
    s.stop()


@case
@about_the_file
def a_full_disk_refuses_events_and_says_so(w):
    s = Service(w, "full")
    s.stop()
    port = free_port()
    path = w.write("full.json", json.dumps(s.config))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # inherited: a write over the limit fails, as on a full disk
    s.process = w.start(
        *[COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "-c", path, "--log-level", "error"],
        restore_signals=False,
    )
    s.port = port
    wait_for("countersign", lambda: s.ask("GET", "/health?bundles").status == 200, 30, s.process)
    assert s.post(spend_event("acme", "1")) == counts(1)
    size = os.path.getsize(w.path("full.db-wal"))
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (size + 8192, resource.RLIM_INFINITY))
    events = [spend_event("acme", "1") for _ in range(400)]
    answer = s.post(events, 503)
    assert answer["code"] == "journal_unavailable" and "journal" in answer["message"], answer
    health = s.ask("GET", "/health/budget").json()
    assert health["status"] in ("degraded", "stale") and health["reason"], health
    assert s.row("acme")["USD"]["daily"]["events"] == 1
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_for("recovery", lambda: s.ask("GET", "/health/budget").json()["status"] == "ok", 10, s.process)
    assert s.post(events) == counts(400)
    s.stop(signal.SIGKILL)
    s.start()
    assert s.row("acme")["USD"]["daily"]["events"] == 401
    s.stop()


if __name__ == "__main__":
    close(*run_cases(CASES, World(), seconds=110))
