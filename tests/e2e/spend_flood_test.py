#!/usr/bin/env python3
"""The big run: a flood of events through a real broker with eight partitions, each event in any of them, so that
duplicates, corrections and what they correct come in every order; garbage between them; the service and the broker
killed again and again. At the end every window of every tenant is what tests/e2e/oracle.py says, and each piece of
garbage is a dead letter.

Environment: COUNTERSIGN (the built program), SEED, EVENTS (60,000; 5,000,000 is the full run, with ten kills)."""

import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import spend_test  # noqa: E402
from kafka_broker import Broker  # noqa: E402
from oracle import Oracle  # noqa: E402
from serving import World, close, run_cases, wait_for  # noqa: E402
from spend_kill_test import agree  # noqa: E402

EVENTS = int(os.environ.get("EVENTS") or 60_000)
SEED = int(os.environ.get("SEED") or 1)
KILLS, BROKER_KILLS = (10, 2) if EVENTS >= 500_000 else (5, 1)
PARTITIONS, TOPIC, HOUR = 8, "flood", 3600
WINDOWS = ["hour", "day", "week", "month", "quarter", "year", "rolling:36h", "rolling:500h"]
ZONES = ["Africa/Cairo", "America/New_York", "Asia/Kathmandu", "UTC", "Atlantic/Azores", "Pacific/Chatham"]
TEAMS, USERS = ["growth", "core", None], [f"u{i}" for i in range(7)] + [None]


def tenants():
    """Two organisations with tenants in six zones below, one of those with tenants of its own."""
    budgets = {w.replace(":", "-"): {"window": w} for w in WINDOWS}
    budgets.update(
        {
            "growth": {"window": "month", "scope": {"team": "growth"}},
            "user": {"window": "rolling:500h", "per": "user"},
            "core-user": {"window": "week", "per": "user", "scope": {"team": "core"}},
        }
    )
    budgets = {b: dict(rule, limit="1000000000") for b, rule in budgets.items()}
    made = {f"org{i}": {"timezone": zone, "budgets": budgets} for i, zone in enumerate(ZONES[:2])}
    for i in range(12):
        above = "t0" if i in (6, 7) else f"org{i % 2}"
        made[f"t{i}"] = {"timezone": ZONES[i % 6], "parent": above, "budgets": budgets}
    return made


class Source:
    """What others produce. The record's timestamp is the time of arrival, and a duplicate has that of the first: of two
    in different partitions either may be read first."""

    def __init__(self, broker, o):
        self.r, self.o, self.out = random.Random(SEED), o, broker.producer(enable_idempotence=True)
        self.names = [t for t in o.tenants for _ in range(1 if t.startswith("org") else 4)]
        self.recent, self.later, self.garbage, self.sent, self.n = [], [], 0, 0, 0

    def event(self):
        """A new event, now and then of the past, in rare cases of the future or from before all that is kept."""
        r, now = self.r, time.time_ns()
        chance = r.random()
        ago = r.randrange(60 * 10**9)
        if chance < 0.02:
            ago = r.randrange(HOUR * 10**9, (60 if chance < 0.015 else 2000) * HOUR * 10**9)
        elif chance < 0.022:
            ago = r.choice([-HOUR, 500 * 24 * HOUR]) * 10**9
        at = now - ago
        tenant = r.choice(self.names)
        self.n += 1
        data = {"tenant": tenant, "amount": f"{r.randrange(5)}.{r.randrange(10**9):09d}", "currency": "USD"}
        scope = {k: v for k, v in (("team", r.choice(TEAMS)), ("user", r.choice(USERS))) if v}
        data.update(kind="usage", **({"scope": scope} if scope else {}))
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 10**9)) + f".{at % 10**9:09d}Z"
        return {"specversion": "1.0", "id": f"{SEED}-{self.n}", "source": "/flood", "time": text,
                "type": "io.countersign.spend.recorded.v1", "subject": "tenant/" + tenant, "data": data}

    def step(self):
        """The next record: what is new, what came before, what corrects something, or what nobody can read."""
        r = self.r
        chance = r.random()
        if chance < 0.05 and self.recent:
            return self.send(*r.choice(self.recent))
        if chance < 0.06 and self.recent:
            return self.correction()
        if chance < 0.065:
            return self.nonsense()
        event, ms = self.event(), time.time_ns() // 10**6
        self.send(event, ms)
        if len(self.recent) < 5000:
            self.recent.append((event, ms))
        else:
            self.recent[r.randrange(5000)] = (event, ms)
        if self.later and r.random() < 0.01:
            self.send(self.later.pop(), ms)

    def correction(self):
        """Of something known, of something that comes long after, or of what never comes."""
        r, event, ms = self.r, self.event(), time.time_ns() // 10**6
        chance, (original, _) = r.random(), r.choice(self.recent)
        if chance < 0.3:
            original = self.event()
            self.later.append(original)
        elif chance < 0.35:
            original = {"source": "/flood", "id": "never-" + event["id"]}
        event["data"].update(kind="correction", amount=f"-0.{r.randrange(10**9):09d}")
        event["data"]["corrects"] = {k: original[k] for k in ("source", "id")}
        if "data" in original:  # of the same tenant and scope, as a correction has to be for the books to be even
            event["subject"] = original["subject"]
            event["data"].pop("scope", None)
            event["data"].update({k: v for k, v in original["data"].items() if k in ("tenant", "scope")})
        self.send(event, ms)
        if r.random() < 0.1:
            self.recent.append((event, ms))  # corrected and sent again like any other

    def nonsense(self):
        event = self.event()
        amount = event["data"]["amount"]
        text = json.dumps(event)
        self.garbage += 1
        self.put(self.r.choice([
            b"no json", b"", text[:-9].encode(), text.replace(f'"{amount}"', "NaN").encode(),
            text.replace(f'"{amount}"', '"-1"').encode(), text.replace('"1.0"', '"9.9"').encode(),
            text.replace('"kind": "usage"', '"kind": "gift"').encode(), b"\xff" + text.encode(),
            json.dumps({k: v for k, v in event.items() if k != "time"}).encode(),
        ]), time.time_ns() // 10**6)

    def send(self, event, ms):
        self.o.take(event, ms * 10**6)
        self.put(json.dumps(event).encode(), ms, event["data"]["tenant"].encode())

    def put(self, value, ms, key=None):
        self.sent += 1
        while True:
            try:
                return self.out.produce(TOPIC, value, key=key, timestamp=ms, partition=self.r.randrange(PARTITIONS),
                                        on_delivery=delivered)
            except BufferError:
                self.out.poll(0.1)

    def flush(self):
        while self.later:
            self.send(self.later.pop(), time.time_ns() // 10**6)
        assert self.out.flush(60) == 0


def delivered(error, _):
    assert error is None, error


class Service(spend_test.Service):
    def __init__(self, world, broker):
        journal = {
            "kafka": {"brokers": [broker.bootstrap], "topics": {"spend": TOPIC, "own": TOPIC + ".own"}},
            "snapshot": {"path": world.path("flood.snapshot"), "interval": "1s"},
        }
        super().__init__(world, "flood", tenants(), journal)

    def reads_all(self, sent, seconds):
        def done():
            meta = self.ask("POST", "/v1/data/probe/meta").json()["result"]
            ends = [x["offset"] for x in meta["sources"] if x["topic"] == TOPIC]
            return meta["caught_up"] and sum(ends) >= sent

        wait_for("the end of the log", done, seconds, self.process)


def flood(w, broker, s, source):
    """Produces all; the kills are spread over it, some while there is no broker."""
    r = random.Random(SEED + 1)
    part = EVENTS // (KILLS + 1)
    broker_dies = {(i + 1) * KILLS // (BROKER_KILLS + 1) for i in range(BROKER_KILLS)}
    for i in range(KILLS + 1):
        for k in range(part):
            source.step()
            if k % 256 == 0:
                source.out.poll(0)
        if i == KILLS:
            break
        if i in broker_dies:
            broker.kill()
            broker.launch()
        time.sleep(r.uniform(0, 1.5))  # with a snapshot since the last one, or without
        s.stop(signal.SIGKILL)
        s.start()
        if i in broker_dies:
            broker.ready()
    source.flush()


def letters_are(broker, s, garbage):
    def places():
        return {m.key() for m in broker.read(TOPIC + ".dlq", seconds=60)}

    wait_for(f"{garbage} dead letters", lambda: len(places()) >= garbage, 60, s.process)
    assert len(places()) == garbage, (len(places()), garbage)


def every_window_is_what_the_events_say_after_all_that(w):
    began = time.monotonic()
    broker = Broker(w.path("kafka"), partitions=2).start()
    broker.create(TOPIC, partitions=PARTITIONS)
    s, o = Service(w, broker), Oracle(tenants())
    source = Source(broker, o)
    flooding = time.monotonic()
    flood(w, broker, s, source)
    produced = time.monotonic()
    s.reads_all(source.sent, 30 + EVENTS / 20_000)
    read = time.monotonic()
    agree(s, o)
    letters_are(broker, s, source.garbage)
    assert s.stop() == 0
    s.start()  # from the last snapshot
    s.reads_all(source.sent, 30)
    agree(s, o)
    s.stop()
    for f in os.listdir(w.dir):
        if f.startswith("flood.snapshot"):
            os.remove(w.path(f))
    again = time.monotonic()
    s.start()  # from the log alone
    s.reads_all(source.sent, 30 + EVENTS / 20_000)
    rebuilt = time.monotonic()
    agree(s, o)
    letters_are(broker, s, source.garbage)
    s.stop()
    broker.stop()
    print(f"{source.sent} records, {len(o.events)} events, {source.garbage} dead letters, {KILLS} kills, "
          f"{BROKER_KILLS} of the broker; {produced - flooding:.1f} s to produce, "
          f"{read - produced:.1f} s more to read, {rebuilt - again:.1f} s from the log alone, "
          f"{time.monotonic() - began:.1f} s in all")


if __name__ == "__main__":
    close(*run_cases([every_window_is_what_the_events_say_after_all_that], World(), seconds=90 + EVENTS / 3000))
