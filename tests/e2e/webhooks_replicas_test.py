#!/usr/bin/env python3
"""Webhooks of three replicas on one Kafka: one of them sends, whichever of them has heard what; if it dies, another one
goes on. Then the suite of one process (webhooks_test.py) on that journal.

Environment: COUNTERSIGN (the built program); build/kafka and build/venv of deploy/build/install-deps.sh test."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import webhooks_test  # noqa: E402
from kafka_broker import KafkaWorld  # noqa: E402
from serving import close, run_cases, wait_for  # noqa: E402
from webhooks_test import Outside, Service, hook, vote  # noqa: E402

CASES = []
REPLICAS = 3
ELSEWHERE = ["what_happens_is_told_in_order_signed_and_once"]


def case(function):
    CASES.append(function)
    return function


class Cluster:
    """Replicas of one service, with one clock that can be moved."""

    def __init__(self, w, name, webhooks):
        journal = w.journal(name)
        self.replicas = []
        for i in range(REPLICAS):
            own = dict(journal, snapshot={"path": w.path(f"{name}-{i}.snapshot"), "interval": "1s"})
            self.replicas.append(Service(w, f"{name}-{i}", webhooks, clock=True, journal=own))

    def move(self, seconds):
        for r in self.replicas:
            r.clock.move(seconds)

    def agree(self, what, check, seconds=15):
        wait_for(what, lambda: all(check(r) for r in self.replicas if r.process.poll() is None), seconds)

    def drained(self):
        self.agree("an empty queue", lambda r: r.status()["pending"] == 0)

    def sent_by(self):
        return [
            r.metric("countersign_webhook_deliveries_total", webhook="ops", result="delivered") for r in self.replicas
        ]


@case
def one_sends_and_if_it_dies_another_goes_on(w):
    out = Outside()
    c = Cluster(w, "cluster", [hook(out)])
    opened = [c.replicas[i % REPLICAS].open(i) for i in range(12)]
    out.wait(12)
    for i, (approval, digest) in enumerate(opened):
        replica = c.replicas[(i + 1) % REPLICAS]
        wait_for("the approval", lambda r=replica, a=approval: r.state(a) == "requested")
        assert replica.post(vote(approval, digest)).status == 200
    out.wait(24)
    c.drained()
    time.sleep(1.2)
    ids = [b["id"] for b in out.bodies()]
    assert len(ids) == 24 and len(set(ids)) == 24, ids
    for approval, _ in opened:
        events = [b["data"]["event"] for b in out.bodies() if b["subject"] == "approval/" + approval]
        assert events == ["opened", "decided"], events
    sent = c.sent_by()
    assert sorted(sent) == [0, 0, 24], sent

    # The one that sends dies while the target is down.
    sender = sent.index(24)
    out.otherwise = 503
    c.replicas[(sender + 1) % REPLICAS].open(100)
    out.wait(25)
    c.replicas[sender].stop(signal.SIGKILL)
    out.got.clear()
    out.otherwise = 200
    time.sleep(1.5)
    assert not out.got, "another replica sent before the lease had ended"
    c.move(130)
    told = out.wait(1)[0]
    assert told["data"]["event"] == "opened" and told["data"]["approval"]["variables"] == {"n": 100}, told
    c.drained()
    c.replicas[sender].start()
    c.drained()
    c.replicas[sender].open(101)
    out.wait(2)
    c.drained()
    time.sleep(1.2)
    assert [b["data"]["approval"]["variables"]["n"] for b in out.bodies()] == [100, 101], out.bodies()
    for r in c.replicas:
        r.stop(signal.SIGKILL)  # the client library's waits end by the wall clock, which has been moved
    out.end()


@case
def a_delivery_counts_once_wherever_it_comes_in(w):
    c = Cluster(w, "twice", [hook()])
    approval, digest = c.replicas[0].open(1, quorum=2)
    c.agree("the approval", lambda r: r.state(approval) == "requested")
    at = c.replicas[0].now()
    first = c.replicas[1].post(vote(approval, digest), delivery="msg_x", at=at)
    assert first.status == 200 and first.json()["result"] == "approved", first
    c.agree("the grant", lambda r: r.state(approval) == "partially_approved")

    def again(r):
        reply = r.post(vote(approval, digest), delivery="msg_x", at=at)
        assert reply.status == 200, reply
        return reply.json()["result"] == "duplicate"

    c.agree("the delivery", again)
    for r in c.replicas:
        r.stop()


if __name__ == "__main__":
    world = KafkaWorld()
    cases = CASES + [c for c in webhooks_test.CASES if c.__name__ in ELSEWHERE]
    done = run_cases([c for c in cases if c.__name__ in sys.argv[1:]] or cases, world, seconds=90)
    if done[1]:
        print("---- countersign.log\n" + open(world.path("countersign.log"), errors="replace").read()[-6000:])
    world.end()
    world.broker.stop()
    close(*done)
