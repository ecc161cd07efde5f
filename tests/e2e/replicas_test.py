#!/usr/bin/env python3
"""Several replicas on one Kafka: together they never admit more than a limit allows, refuse nothing that there is money
for, and know each other's holds and answers. Then the suite of holds, on Kafka instead of the file.

Environment: COUNTERSIGN (the built program); build/kafka and build/venv of deploy/build/install-deps.sh test."""

import http.client
import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import holds_test  # noqa: E402
from holds_test import LISTED, UNIT, budget, hold_id, question, usage  # noqa: E402
from kafka_broker import KafkaWorld  # noqa: E402
from serving import ask, close, run_cases, wait_for  # noqa: E402

CASES = []
REPLICAS = 3


def case(function):
    CASES.append(function)
    return function


class Cluster:
    """Replicas of one service: each with its own state, all on one pair of topics."""

    def __init__(self, w, name, tenants):
        self.w, journal = w, w.journal(name)
        self.replicas = [
            holds_test.Service(
                w,
                f"{name}-{i}",
                tenants,
                journal=dict(journal, snapshot={"path": w.path(f"{name}-{i}.snapshot")}),
            )
            for i in range(REPLICAS)
        ]
        for r in self.replicas:
            wait_for("catching up", lambda r=r: r.ask("GET", "/health/budget").json()["caught_up"], 20, r.process)

    def __getitem__(self, i):
        return self.replicas[i]

    def agree(self, tenant, figures, seconds=10, budget="total"):
        """Every replica comes to see the same."""
        seen = lambda: [r.figures(tenant, budget) for r in self.replicas]
        try:
            wait_for("agreement", lambda: seen() == [figures] * REPLICAS, seconds)
        except AssertionError:
            raise AssertionError(f"{tenant}: {seen()}, not {figures}")

    def stop(self):
        for r in self.replicas:
            r.stop()


def hammer(cluster, tenant, amount, each, finish=None, connections=64):
    """Decisions on many connections, spread over the replicas; [allowed?]"""
    out = []

    def work(i):
        holds_test.hammer(cluster[i % REPLICAS].port, each, amount, tenant, finish, out)

    holds_test.all_at_once([threading.Thread(target=work, args=(i,)) for i in range(connections)])
    return out


class Held:
    """What clients have been told that they may spend, and have not given back."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def change(self, by):
        with self.lock:
            self.now += by
            self.most = max(self.most, self.now)

    def hammer(self, port, tenant, out):
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for _ in range(10):
            link.request("POST", LISTED, json.dumps({"input": question(100, tenant)}))
            result = json.loads(link.getresponse().read())["result"]
            out.append(result["allow"])
            if result["allow"]:
                self.change(100)
                time.sleep(0.002)
                self.change(-100)
                link.request("POST", f"/v1/holds/{result['holds'][0]['id']}/void", "{}")
                assert link.getresponse().read()
        link.close()


@case
def three_replicas_never_one_nano_over(w):
    tenants = {f"t{i}": {"budgets": {"total": budget("0.000001"), "other": budget("1")}} for i in range(6)}
    tenants["up"] = {"budgets": {"total": budget("0.0000005")}}
    tenants["one"] = dict(tenants["t0"], parent="up")
    tenants["two"] = dict(tenants["t0"], parent="up")
    c = Cluster(w, "never", tenants)
    # Exactly what there is money for: nobody is refused.
    out = hammer(c, "t0", 1, 15)
    assert len(out) == 960 and out.count(False) == 0, out.count(False)
    c.agree("t0", (0, 960))
    # Far more than that: the limit is filled to the nano, and no further.
    out = hammer(c, "t1", 7, 10)
    assert out.count(True) == 142, out.count(True)
    c.agree("t1", (0, 994))
    out = hammer(c, "t1", 1, 1)
    assert out.count(True) == 6, out.count(True)
    c.agree("t1", (0, 1000))
    # Settled on the way, for as much as was held: the money is enough for all.
    settle = lambda h: (f"/v1/holds/{h}/settle", '{"amount": "0.000000001"}')
    out = hammer(c, "t2", 1, 15, settle)
    assert len(out) == 960 and out.count(False) <= 1, out.count(False)
    c.agree("t2", (out.count(True), 0))
    # Room for one hold of each connection, given back or settled with nothing all the time: nobody is refused.
    void = lambda h: (f"/v1/holds/{h}/void", "{}")
    settle = lambda h: (f"/v1/holds/{h}/settle", '{"amount": "0"}')
    for tenant, finish in (("t3", void), ("t4", settle)):
        out = hammer(c, tenant, 15, 15, finish)
        assert len(out) == 960 and out.count(False) == 0, (tenant, out.count(False))
        c.agree(tenant, (0, 0))
    # Room for ten only: what clients were told that they have is never more.
    out, held = [], Held()
    threads = [threading.Thread(target=held.hammer, args=(c[i % REPLICAS].port, "t5", out)) for i in range(64)]
    holds_test.all_at_once(threads)
    assert held.most <= 1000 and out.count(True) >= 20, (held.most, out.count(True))
    c.agree("t5", (0, 0))
    # Two members of a family whose limit is below theirs.
    outs = [[], []]
    threads = [
        threading.Thread(target=lambda k=k: outs[k].extend(hammer(c, ("one", "two")[k], 1, 15, None, 32)))
        for k in (0, 1)
    ]
    holds_test.all_at_once(threads)
    assert outs[0].count(True) + outs[1].count(True) == 500, [o.count(True) for o in outs]
    c.agree("up", (0, 500))
    c.stop()


@case
def replicas_know_each_others_holds_and_answers(w):
    c = Cluster(w, "others", holds_test.TENANTS)
    hold = c[0].hold(2 * UNIT, request="shared")
    c.agree("acme", (0, 2 * UNIT))
    assert c[1].get(hold)["state"] == "pending" and hold == hold_id("acme", "shared")
    reply = c[1].settle(hold, "1.5")
    assert reply.status == 200 and reply.json()["result"] == "posted", reply
    c.agree("acme", (3 * UNIT // 2, 0))
    assert c[2].settle(hold, "1.5").json()["code"] == "already_posted"
    # A retry at another replica gets the answer of the first.
    first = c[0].decide(UNIT, request="moved")[1]
    again = c[1].decide(UNIT, request="moved")[1]
    assert again.body == first.body and again.headers["x-countersign-hold"] == first.headers["x-countersign-hold"]
    c.agree("acme", (3 * UNIT // 2, UNIT))
    reply = c[2].ask("POST", LISTED, {"input": question(2 * UNIT)}, headers={"x-request-id": "moved"})
    assert reply.status == 409 and reply.json()["code"] == "request_id_conflict", reply
    # Asked of all of them at once: one hold.
    answers = []

    def go(i):
        answers.append(c[i % REPLICAS].decide(UNIT, request="everywhere")[1].body)

    holds_test.all_at_once([threading.Thread(target=go, args=(i,)) for i in range(12)])
    assert len(set(answers)) == 1, set(answers)
    c.agree("acme", (3 * UNIT // 2, 2 * UNIT))
    # The one that placed it dies; the others go on, and it comes back to the same.
    c[0].stop(signal.SIGKILL)
    assert c[1].settle(hold_id("acme", "moved"), "0.25").status == 200
    c[0].start()
    c.agree("acme", (7 * UNIT // 4, UNIT), 30)
    assert c[0].get(hold_id("acme", "moved"))["state"] == "posted"
    c[2].post(usage("acme", "1", hold_id("acme", "everywhere")))
    c.agree("acme", (11 * UNIT // 4, 0))
    c.stop()


@case
def without_a_broker_nothing_is_admitted(w):
    c = Cluster(w, "away", holds_test.TENANTS)
    c[0].hold(UNIT)
    w.broker.pause()
    try:
        reply = c[0].ask("POST", LISTED, {"input": question(UNIT)}, timeout=30)
        assert reply.status == 503 and reply.json()["code"] == "journal_unavailable", reply
    finally:
        w.broker.resume()
    wait_for("recovery", lambda: c[0].ask("GET", "/health/budget").json()["status"] == "ok", 30)
    c[0].hold(UNIT)
    c.stop()


def main():
    borrowed = [c for c in holds_test.CASES if not getattr(c, "about_the_file", False)]
    only = sys.argv[1:]
    chosen = [c for c in CASES + borrowed if not only or any(o in c.__name__ for o in only)]
    close(*run_cases(chosen, KafkaWorld(), seconds=280))


if __name__ == "__main__":
    main()
