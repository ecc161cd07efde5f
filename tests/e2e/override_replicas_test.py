#!/usr/bin/env python3
"""The emergency override on Kafka: put at one replica, in force at all of them, also at one that starts later; a nonce
counts once among them.

The clock is the real one (Kafka's client and libfaketime do not get along), so times are short here, and what is looked
at is the phase of the allowlist.

Environment: COUNTERSIGN (the built program); build/kafka and build/venv of deploy/build/install-deps.sh test."""

import concurrent.futures
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kafka_broker  # noqa: E402
import override_test  # noqa: E402
from override_test import FINOPS, OVERRIDE, decide, put  # noqa: E402
from serving import ask, run_scene, wait_for  # noqa: E402

CASES = []


def case(function):
    CASES.append(function)
    return function


def is_soft(w):
    result = decide(w)
    return result["mode"] == "log" and result["override"]["id"].startswith("ovr-")


def is_strict(w):
    result = decide(w)
    return result["mode"] == "enforce" and "override" not in result


class Cluster(override_test.Scene):
    def __init__(self):
        super().__init__()
        self.broker = kafka_broker.Broker(self.path("kafka"), partitions=2).start()
        self.broker.create("spend", "own", partitions=2)
        self.replicas = []

    def start_replica(self, i):
        config = self.config(f"r{i}")
        config["journal"] = {
            "kafka": {"brokers": [self.broker.bootstrap], "topics": {"spend": "spend", "own": "own"}},
            "snapshot": {"path": self.path(f"r{i}.rows")},
        }
        process, port = self.serve(config)
        wait_for("catching up", lambda: ask(port, "GET", "/health/budget").json()["caught_up"], 20, process)
        return process, port

    def start_main(self):
        self.replicas = [self.start_replica(i) for i in range(3)]
        self.all_are(is_strict)

    def wait_until(self, end):
        time.sleep(max(0.0, end - time.monotonic()))

    def all_are(self, check):
        for process, port in self.replicas:
            self.port = port
            wait_for(check.__name__, lambda: check(self), 10, process)


@case
def put_at_one_it_is_in_force_at_all(w):
    # As large as one may be: its event is larger than any spend event.
    padding = os.urandom(190000).hex()
    settings = {"softening": {"budget_percent": 120}, "pq": {"phase": "log"}, "padding": padding}
    bundle = w.emergency({"data.json": json.dumps({"settings": settings})}, name="large")
    assert 150000 < len(bundle) < 512 * 1024, len(bundle)
    reply = put(w, bundle, "?ttl=10m&reason=outage", port=w.replicas[1][1])
    assert reply.status == 200, reply
    w.all_are(is_soft)
    w.port = w.replicas[2][1]
    assert decide(w)["override"]["id"] == reply.json()["id"]
    w.stop(w.replicas[0][0], signal.SIGKILL)
    w.replicas[0] = w.start_replica(0)
    w.replicas.append(w.start_replica(3))
    w.all_are(is_soft)


@case
def a_nonce_counts_once_among_all(w):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        ports = [port for _, port in w.replicas] * 3
        replies = list(pool.map(lambda port: put(w, query="?ttl=6s&nonce=incident-7", port=port), ports))
    started = time.monotonic()
    assert sorted(r.status for r in replies) == [200] + [409] * (len(ports) - 1), replies
    assert {r.json()["code"] for r in replies if r.status == 409} == {"nonce_reused"}, replies
    w.wait_until(started + 6)
    for _, w.port in w.replicas:
        assert is_strict(w)
        assert put(w, query="?ttl=6s&nonce=incident-7").status == 409
    assert put(w, query="?ttl=5m&nonce=incident-8").status == 200
    w.all_are(is_soft)


@case
def ended_at_one_it_is_over_at_all(w):
    assert ask(w.replicas[2][1], "DELETE", OVERRIDE, headers=FINOPS).status == 200
    w.all_are(is_strict)
    for _, port in w.replicas:
        assert ask(port, "GET", OVERRIDE, headers=FINOPS).status == 404


if __name__ == "__main__":
    scene = Cluster()
    run_scene(scene, CASES, ["countersign.log"], scene.start_main)
