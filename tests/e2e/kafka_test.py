#!/usr/bin/env python3
"""The journal on a real Kafka broker: what others produce is counted once and exactly, what cannot be read becomes a
dead letter, and whatever happens to the brokers and the topics is survived and said. Then the suites of spend on it.

Environment: COUNTERSIGN (the built program); build/kafka and build/venv of deploy/build/install-deps.sh test."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kafka_broker  # noqa: E402
import spend_test  # noqa: E402
from serving import COUNTERSIGN, World, ask, base_config, close, free_port  # noqa: E402
from serving import run_cases, spend_event, wait_for  # noqa: E402
from spend_test import TENANTS, bundle_files, counts  # noqa: E402

CASES = []
UNIT = 10**9
STRUCTURED = [("content-type", b"application/cloudevents+json")]


def case(function):
    CASES.append(function)
    return function


class KafkaWorld(World):
    def __init__(self):
        super().__init__()
        self.broker = kafka_broker.Broker(self.path("kafka"), partitions=2, sasl=True).start()
        self.out = self.broker.producer()

    def journal(self, name, partitions=2, topic=None, **properties):
        self.broker.create(name, partitions=partitions, config=topic)
        return self.journal_of(name, **properties)

    def journal_of(self, name, **properties):
        return {
            "kafka": {
                "brokers": [self.broker.bootstrap],
                "topics": {"spend": name, "own": name + ".own"},
                "properties": properties,
            },
            "snapshot": {"path": self.path(name + ".snapshot")},
        }

    def produce(self, topic, events, headers=STRUCTURED, **where):
        for event in events:
            body = event if isinstance(event, bytes) else json.dumps(event).encode()
            key = None if isinstance(event, bytes) else event["data"]["tenant"].encode()
            self.out.produce(topic, body, key=key, headers=headers, on_delivery=self.delivered, **where)
            self.out.poll(0)
        assert self.out.flush(20) == 0

    @staticmethod
    def delivered(error, _):
        assert error is None, error


class Service(spend_test.Service):
    def __init__(self, world, name, journal=None):
        super().__init__(world, name, journal=journal)

    def daily(self):
        return self.row("acme")["USD"]["daily"]

    def comes_to(self, events, seconds=20):
        """Waits for a number of counted events; not one more."""
        wait_for(f"{events} events", lambda: self.daily()["events"] >= events, seconds, self.process)
        time.sleep(0.1)
        assert self.daily()["events"] == events, self.daily()

    def metrics(self):
        return self.ask("GET", "/metrics").body.decode()

    def health(self):
        return self.ask("GET", "/health/budget").json()

    def becomes(self, status, word="", seconds=20):
        def good():
            h = self.health()
            return h["status"] in status and word in h.get("reason", "")

        try:
            wait_for(f"{status} {word}", good, seconds, self.process)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.health()}")


def binary(event, **other):
    """(headers, value) of an event in binary mode."""
    heads = {k: v for k, v in dict(event, **other).items() if k != "data" and v is not None}
    headers = [("ce_" + k, str(v).encode()) for k, v in heads.items()] + [("content-type", b"application/json")]
    return headers, json.dumps(event["data"]).encode()


@case
def both_modes_count_and_bad_records_become_dead_letters(w):
    s = Service(w, "modes")
    one = spend_event("acme", "1.5")
    w.produce("modes", [one, one, spend_event("acme", "0.0000027")])
    w.produce("modes", [spend_event("acme", "0.25")], headers=None)
    for event in (spend_event("acme", "0.125"), spend_event("acme", 3e-9)):
        headers, value = binary(event)
        w.produce("modes", [value], headers=headers)
    headers, value = binary(one)
    w.produce("modes", [value], headers=headers)  # the first one again
    big = json.dumps(spend_event("acme", "1", more="x" * 300000)).encode()
    deep = json.dumps(spend_event("acme", "1")).replace('"1"', "[" * 200 + "]" * 200).encode()
    bad = [
        (b"no event", None, "invalid_json"),
        (b"", None, "invalid_json"),
        (b"[1]", None, "invalid_event"),
        (b"\xff\xfe\x00", STRUCTURED, "invalid_json"),
        (json.dumps(spend_event("acme", "x")).encode(), STRUCTURED, "invalid_amount"),
        (json.dumps(spend_event("acme", "1", time="noon")).encode(), STRUCTURED, "invalid_time"),
        (json.dumps(spend_event("acme", "1", subject="tenant/b")).encode(), STRUCTURED, "invalid_subject"),
        (json.dumps(spend_event("acme", "1", type="other.v1")).encode(), STRUCTURED, "unknown_type"),
        (big, STRUCTURED, "too_large"),
        (deep, STRUCTURED, "too_deep"),
        (b'{"a": 1}, "id": "x"', binary(one)[0], "invalid_json"),
        (binary(one)[1], binary(one, id=None)[0], "missing_field"),
        (json.dumps(dict(one["data"], currency="usd")).encode(), binary(one, id="z")[0], "invalid_currency"),
    ]
    for value, headers, _ in bad:
        w.produce("modes", [value], headers=headers, partition=1)
    w.out.produce("modes", None, key=b"tomb", partition=1)
    w.produce("modes", [spend_event("acme", "1")])
    s.comes_to(6)
    assert s.daily()["posted_nanos"] == 1500000000 + 2700 + 250000000 + 125000000 + 3 + UNIT, s.daily()
    letters = {}
    wait_for("dead letters", lambda: letters.update({m.key(): m for m in w.broker.read("modes.dlq")}) or
             len(letters) == len(bad) + 1, 10)
    sent = {m.offset(): m for m in w.broker.read("modes") if m.partition() == 1}
    codes = []
    for key, m in letters.items():
        heads = {k: v.decode() for k, v in m.headers()}
        assert key.decode() == f"modes/{heads['partition']}/{heads['offset']}" and heads["topic"] == "modes", heads
        original = sent[int(heads["offset"])]
        assert heads["partition"] == "1" and m.value() == (original.value() or b""), heads
        assert heads["reason"] and all((k, v) in m.headers() for k, v in original.headers() or []), heads
        codes.append(heads["code"])
    assert sorted(codes) == sorted([c for _, _, c in bad] + ["invalid_event"]), codes
    text = s.metrics()
    assert f'countersign_spend_events_total{{result="dead_letter"}} {len(bad) + 1}\n' in text, text
    assert 'countersign_spend_lag_seconds{partition="modes/1"} 0\n' in text, text
    meta = s.ask("POST", "/v1/data/probe/meta").json()["result"]
    places = [(x["topic"], x["partition"]) for x in meta["sources"]]
    assert places == [("modes", 0), ("modes", 1), ("modes.own", 0), ("modes.own", 1)], meta
    assert all(x["offset"] == x["high"] and x["lag_ms"] == 0 for x in meta["sources"]) and meta["caught_up"], meta
    assert s.health()["status"] == "ok", s.health()
    s.stop()


@case
def posts_and_produced_events_are_one_log(w):
    s = Service(w, "onelog")
    event = spend_event("acme", "1")
    assert s.post(event) == counts(1)
    w.produce("onelog", [event, spend_event("acme", "2")])
    s.comes_to(2)
    assert s.post([event, spend_event("acme", "4")]) == counts(1, 1)
    assert s.daily()["posted_nanos"] == 7 * UNIT
    kept = [json.loads(m.value()) for m in w.broker.read("onelog")]
    assert len(kept) == 4 and all(m.key() == b"acme" for m in w.broker.read("onelog")), kept
    assert s.stop() == 0
    s.start()
    assert s.daily()["posted_nanos"] == 7 * UNIT and s.daily()["events"] == 3
    s.stop()


@case
def partitions_are_added_at_run_time(w):
    s = Service(w, "grown", w.journal("grown", partitions=1))
    w.produce("grown", [spend_event("acme", "1") for _ in range(10)])
    s.comes_to(10)
    w.broker.grow("grown", 3)
    w.out = w.broker.producer()  # one that knows of them
    for partition in (0, 1, 2):
        w.produce("grown", [spend_event("acme", "1") for _ in range(10)], partition=partition)
    s.comes_to(40)
    assert s.health()["status"] == "ok", s.health()
    s.stop(signal.SIGKILL)
    s.start()
    s.comes_to(40)
    s.stop()


@case
def records_that_were_removed_before_they_were_read_are_told(w):
    s = Service(w, "gap", w.journal("gap", partitions=1))
    w.produce("gap", [spend_event("acme", "1") for _ in range(5)])
    s.comes_to(5)
    os.kill(s.process.pid, signal.SIGSTOP)
    time.sleep(0.5)  # the answer to the fetch that waits at the broker
    w.produce("gap", [spend_event("acme", "1") for _ in range(2)])
    time.sleep(0.5)
    w.produce("gap", [spend_event("acme", "1") for _ in range(20)])
    w.broker.cut("gap", 0, 20)
    os.kill(s.process.pid, signal.SIGCONT)
    s.becomes(("degraded",), "were removed before they were read")
    w.produce("gap", [spend_event("acme", "1")])
    lost = int(re.search(r"^countersign_journal_lost_records_total (\d+)$", s.metrics(), re.M).group(1))
    assert lost >= 10, lost
    s.comes_to(28 - lost)
    s.stop()


@case
def a_topic_made_anew_is_noticed_and_read(w):
    s = Service(w, "anew", w.journal("anew", partitions=3))
    events = [spend_event("acme", "1") for _ in range(30)]
    w.produce("anew", events)
    s.comes_to(30)
    w.broker.delete("anew")
    s.becomes(("degraded", "stale"), "does not exist")
    w.broker.create("anew", partitions=2)
    w.out = w.broker.producer()
    w.produce("anew", events[:10] + [spend_event("acme", "1")])  # ten of them are known
    s.comes_to(31)
    s.becomes(("degraded",), "had 3")
    assert s.post(spend_event("acme", "1")) == counts(1)
    s.stop()


@case
def clocks_that_are_far_off_are_not_believed(w):
    s = Service(w, "clocks", w.journal("clocks", topic={"message.timestamp.after.max.ms": str(2**60)}))
    day = 86400 * 1000
    now = int(time.time() * 1000)
    event = spend_event("acme", "1")
    w.produce("clocks", [event], timestamp=now)
    w.produce("clocks", [spend_event("acme", "1")], timestamp=now + 400 * day)
    w.produce("clocks", [spend_event("acme", "1")], timestamp=1)
    w.produce("clocks", [event], timestamp=now + 40000 * day)  # the first one is still known
    s.comes_to(3)
    assert s.health()["status"] == "ok" and s.health()["lag_ms"] < 1000, s.health()
    s.stop()


def secured(w, mechanism, user, password):
    return {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": w.broker.path("ca.pem"),
        "sasl": {"mechanism": mechanism, "username": user, "password": password},
    }


@case
def tls_and_sasl_settings_reach_the_client(w):
    b = w.broker
    ways = [
        ("tls", b.tls_bootstrap, {"security.protocol": "SSL", "ssl.ca.location": b.path("ca.pem")}),
        ("plain", b.sasl_bootstrap, secured(w, "PLAIN", kafka_broker.USER, kafka_broker.PASSWORD)),
    ]
    for name, address, properties in ways:
        journal = w.journal(name, **properties)
        journal["kafka"]["brokers"] = [address]
        s = Service(w, name, journal)
        w.produce(name, [spend_event("acme", "1")])
        s.comes_to(1)
        assert s.post(spend_event("acme", "1")) == counts(1)
        shown = s.ask("GET", "/v1/config").body
        assert kafka_broker.PASSWORD.encode() not in shown, shown
        s.stop()
    refused = [
        ("denied", secured(w, "PLAIN", kafka_broker.LIMITED, kafka_broker.LIMITED_PASSWORD), "no permission"),
        ("wrong", secured(w, "PLAIN", kafka_broker.USER, "guess"), "uthentication"),
    ]
    for name, properties, word in refused:
        journal = w.journal(name, **properties)
        journal["kafka"]["brokers"] = [b.sasl_bootstrap]
        s = Service(w, name, journal)
        s.becomes(("stale",), word)
        assert s.row("acme")["USD"]["daily"]["events"] == 0
        s.post(spend_event("acme", "1"), 503)
        s.stop()


@case
def wrong_settings_are_named_at_the_start(w):
    wrong = [
        ({"security.protocoll": "SSL"}, "journal.kafka.properties.security.protocoll: librdkafka has no such property"),
        ({"socket.timeout.ms": "soon"}, "journal.kafka.properties.socket.timeout.ms: "),
        ({"acks": 1}, "journal.kafka.properties.acks: is not to be set here"),
        ({"fetch.min.bytes": [1]}, "journal.kafka.properties.fetch.min.bytes must be a text"),
    ]
    config = base_config(w)
    for properties, words in wrong:
        config["journal"] = w.journal_of("wrong-settings", **properties)
        spend_test.refused_to_start(w, config, words)
        path = w.write("wrong.json", json.dumps(config))
        done = subprocess.run([COUNTERSIGN, "run", "--check-config", "-c", path], capture_output=True, timeout=20)
        assert done.returncode == 1 and words in (done.stdout + done.stderr).decode(), done
    config["journal"]["sqlite"] = {"path": "x"}
    config["journal"]["kafka"]["properties"] = {}
    spend_test.refused_to_start(w, config, "journal is either sqlite or kafka")
    config["journal"] = {"kafka": {"topics": {"spend": "x"}}}
    spend_test.refused_to_start(w, config, "journal.kafka needs brokers")


@case
def brokers_may_be_away_at_the_start_and_later(w):
    w.journal("away")
    events = [spend_event("acme", "0.01") for _ in range(2000)]
    w.produce("away", events[:1000])
    w.broker.kill()
    s = Service(w, "away", w.journal_of("away"))  # starts and serves
    assert s.row("acme")["USD"]["daily"]["events"] == 0
    s.becomes(("stale",), "no broker")
    h = s.ask("GET", "/health/budget")
    assert h.status == 503 and not h.json()["caught_up"], h
    ready = s.ask("GET", "/health?plugins")
    assert ready.status == 500 and s.ask("GET", "/health").status == 200, ready
    meta = s.ask("POST", "/v1/data/probe/meta").json()["result"]
    assert meta["lag_ms"] > 1000 and not meta["caught_up"], meta
    began = time.monotonic()
    s.post(spend_event("acme", "1"), 503)
    assert time.monotonic() - began < 5
    w.broker.start()
    s.comes_to(1000)
    s.becomes(("ok",))
    assert s.ask("GET", "/health?plugins").status == 200
    w.broker.kill()
    s.becomes(("degraded", "stale"), "no broker")
    assert s.daily()["events"] == 1000  # decisions go on
    s.post(spend_event("acme", "1"), 503)
    s.becomes(("stale",))
    assert s.ask("POST", "/v1/data/probe/meta").json()["result"]["lag_ms"] > 5000
    w.broker.start()
    w.produce("away", events[500:])
    s.comes_to(2000)
    s.becomes(("ok",))
    assert s.post(events[1999]) == counts(0, 1)
    s.stop(signal.SIGKILL)
    s.start()
    s.comes_to(2000)
    assert s.daily()["posted_nanos"] == 20 * UNIT
    s.stop()


def move(w, word, config, lines=b"", status=0):
    path = w.write(f"move-{uuid.uuid4()}.json", json.dumps(config))
    done = subprocess.run([COUNTERSIGN, "journal", word, "-c", path], input=lines, capture_output=True, timeout=60)
    assert done.returncode == status, done
    return done


@case
def a_log_moves_between_a_file_and_a_cluster(w):
    file = {"sqlite": {"path": w.path("move.db")}}
    s = Service(w, "move", file)
    refund = spend_event("acme", "-1")
    refund["data"].update(kind="refund", corrects={"source": "/tests", "id": "later"})
    s.post([spend_event("acme", f"0.{i:06d}") for i in range(1, 200)] + [refund])
    before = s.row("acme")
    config = s.config
    assert "another process holds it" in move(w, "export", config, status=1).stderr.decode()
    assert s.stop() == 0
    out = move(w, "export", config).stdout
    lines = [json.loads(line) for line in out.splitlines()]
    assert [x["offset"] for x in lines] == list(range(1, 201)) and lines[0]["arrived_ns"] > 0, lines[0]
    there = dict(config, journal=w.journal("move"))
    bad = b'no event\n{"event": {"specversion": "1.0"}}\n\n'
    done = move(w, "import", there, out + bad, status=1)
    text = done.stderr.decode()
    assert "200 events imported, 2 left out" in text and "line 201: not taken" in text, text
    headers, value = binary(spend_event("acme", "4"))
    w.produce("move", [value], headers=headers)
    w.produce("move", [b"garbage"])
    s = Service(w, "move-there", there["journal"])
    s.comes_to(201)
    assert s.daily()["posted_nanos"] == before["USD"]["daily"]["posted_nanos"] + 4 * UNIT
    s.stop()
    back = move(w, "export", there)
    assert "201 events exported, 1 left out" in back.stderr.decode(), back.stderr
    arrived = {x["event"]["id"]: x["arrived_ns"] // 10**6 for x in map(json.loads, back.stdout.splitlines())}
    assert all(arrived[x["event"]["id"]] == x["arrived_ns"] // 10**6 for x in lines)
    again = dict(config, journal={"sqlite": {"path": w.path("again.db")}})
    move(w, "import", again, back.stdout)
    s = Service(w, "move-again", again["journal"])
    assert s.daily()["events"] == 201 and s.daily()["late_nanos"] == before["USD"]["daily"]["late_nanos"], s.daily()
    s.stop()


def main():
    world = KafkaWorld()
    borrowed = [c for c in spend_test.CASES if not getattr(c, "about_the_file", False)]
    only = sys.argv[1:]
    chosen = [c for c in CASES + borrowed if not only or any(o in c.__name__ for o in only)]
    close(*run_cases(chosen, world, seconds=240))


if __name__ == "__main__":
    main()
