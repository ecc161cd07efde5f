#!/usr/bin/env python3
"""Money under kill -9: events twice, out of order by hours, corrections before and after what they correct, garbage;
the service killed again and again. At the end every window of every tenant is what tests/e2e/oracle.py says.

Environment: COUNTERSIGN (the built program), SEED."""

import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from oracle import Oracle  # noqa: E402
from serving import World, close, run_cases, spend_event  # noqa: E402
from spend_test import Service  # noqa: E402

CASES = []
WINDOWS = ["day", "week", "month", "quarter", "year", "rolling:36h"]
ZONES = ["Africa/Cairo", "America/New_York", "Asia/Kathmandu", "UTC", "Atlantic/Azores", "Pacific/Chatham"]
TENANTS = {
    f"t{i}": {"timezone": zone, "budgets": {w.replace(":", "-"): {"window": w, "limit": "1000000"} for w in WINDOWS}}
    for i, zone in enumerate(ZONES)
}
ROUNDS, EVENTS, BATCH = 5, 400, 40


def case(function):
    CASES.append(function)
    return function


def draw(r, made):
    ago = r.uniform(0, 60) if r.random() > 0.1 else r.uniform(0, 300 * 3600)
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - ago)) + f".{r.randrange(10**9):09d}Z"
    event = spend_event(r.choice(list(TENANTS)), f"{r.randrange(5)}.{r.randrange(10**9):09d}", time=at)
    if made and r.random() < 0.05:
        to = r.choice(made) if r.random() < 0.7 else {"source": "/tests", "id": "unseen-" + event["id"]}
        event["data"].update(kind="correction", amount="-0.5", corrects={k: to[k] for k in ("source", "id")})
    return event


def like(got, want):
    """The part of a row of which the oracle knows."""
    return {k: like(got.get(k, {}), v) if isinstance(v, dict) else got.get(k) for k, v in want.items()}


def agree(s, o):
    """Every window of every tenant; the clock may pass a boundary between the two looks, so look again then."""
    wrong = []
    for tenant, document in o.tenants.items():
        for budget in document["budgets"]:
            for attempt in range(3):
                row = s.row(tenant)["USD"][budget]
                want = o.row(tenant, budget, time.time_ns())
                got = like(row, want)
                if got == want:
                    break
            else:
                wrong.append((tenant, budget, got, want))
    assert not wrong, (len(wrong), wrong[:3])


@case
def every_window_is_what_the_events_say(w):
    r = random.Random(int(os.environ.get("SEED") or 1))
    s = Service(w, "oracle", TENANTS)
    o, made, late = Oracle(TENANTS), [], []
    for _ in range(ROUNDS):
        for _ in range(EVENTS // BATCH):
            batch = [draw(r, made) for _ in range(BATCH)]
            late += [batch.pop() for _ in range(2)]  # they come in a later round, and what corrects them comes before
            made += batch + late[-2:]
            batch += r.sample(made[:-BATCH], 2) if len(made) > 2 * BATCH else []
            r.shuffle(batch)
            # What waits for its round does not come by being drawn again.
            waiting = {e["id"] for e in late}
            batch = [e for e in batch if e["id"] not in waiting]
            answer = s.post("\n".join([json.dumps(e) for e in batch] + ['{"garbage": 1}', "no json"]).encode())
            fresh = sum(o.take(e, time.time_ns()) for e in batch)
            assert (answer["accepted"], answer["duplicates"]) == (fresh, len(batch) - fresh), answer
            assert len(answer["rejected"]) == 2, answer
        s.stop(signal.SIGKILL)
        s.start()
        r.shuffle(late)
        come, late = late[: len(late) // 2], late[len(late) // 2 :]
        assert s.post(come)["accepted"] == len(come)
        for e in come:
            o.take(e, time.time_ns())
        agree(s, o)
    s.stop(signal.SIGTERM)
    s.start()  # from a snapshot, where there is one
    agree(s, o)
    s.stop()


if __name__ == "__main__":
    close(*run_cases(CASES, World(), seconds=110))
