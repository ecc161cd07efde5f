#!/usr/bin/env python3
"""Approvals on three replicas of one Kafka: each is used exactly once, whoever tries, wherever, however often; what
people do at one replica holds at all of them. Then the suite of one process (approvals_test.py) on that journal.

APPROVALS (100) approvals are tried for TRIES (10) times each; 1000 times 10 is what is measured by hand.

Environment: COUNTERSIGN (the built program); build/kafka and build/venv of deploy/build/install-deps.sh test."""

import concurrent.futures
import os
import random
import signal
import sys
import threading
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import approvals_test  # noqa: E402
import kafka_broker  # noqa: E402
from approvals_test import codes, fresh  # noqa: E402
from serving import close, run_cases, wait_for  # noqa: E402

CASES = []
REPLICAS = 3
APPROVALS = int(os.environ.get("APPROVALS", "100"))
TRIES = int(os.environ.get("TRIES", "10"))


def case(function):
    CASES.append(function)
    return function


class KafkaWorld(kafka_broker.Replicated, approvals_test.Shared):
    pass


class Cluster:
    """Replicas of one service: each with its own state and clock, all on one pair of topics, with one identity
    provider."""

    def __init__(self, w, name, data=None):
        self.w, journal = w, w.journal(name)
        self.replicas = []
        for i in range(REPLICAS):
            own = dict(journal, snapshot={"path": w.path(f"{name}-{i}.snapshot")})
            s = approvals_test.Service(w, f"{name}-{i}", data, clock=False, journal=own)
            if i > 0:
                s.idp = self.replicas[0].idp
                s.config["identity"] = s.idp.configuration()
                s.stop()
                s.start()
            self.replicas.append(s)

    def __getitem__(self, i):
        return self.replicas[i % REPLICAS]

    def agree(self, approval_id, state, seconds=10):
        """Every replica comes to see it so."""

        def seen():
            replies = [
                r.as_person("a", "GET", "/v1/approvals/" + approval_id, roles=["auditor"]) for r in self.replicas
            ]
            return [r.json().get("state") for r in replies]

        try:
            wait_for("agreement", lambda: seen() == [state] * REPLICAS, seconds)
        except AssertionError:
            raise AssertionError(f"{approval_id}: {seen()}, not {state}")

    def stop(self):
        for r in self.replicas:
            r.stop()


def everywhere(pool, function, items):
    return list(pool.map(function, items))


@case
def each_is_used_exactly_once(w):
    c = Cluster(w, "once")
    pool = concurrent.futures.ThreadPoolExecutor(48)
    variables = [fresh() for _ in range(APPROVALS)]
    ids = everywhere(pool, lambda i: c[i].request(variables=variables[i]), range(APPROVALS))
    assert len(set(ids)) == APPROVALS
    for who, replica in (("bob", 0), ("carol", 1)):
        for at in range(0, APPROVALS, 100):
            for one in ids[at : at + 100]:
                c.agree(one, "requested" if who == "bob" else "partially_approved", 20)
            body = {"ids": ids[at : at + 100], "decision": "approve"}
            reply = c[replica].as_person(who, "POST", "/v1/approvals/bulk", body)
            assert [r["status"] for r in reply.json()["results"]] == [200] * len(body["ids"]), reply
    for one in ids:
        c.agree(one, "approved", 20)
    attempts = [(i, r) for i in range(APPROVALS) for r in range(TRIES)]
    random.shuffle(attempts)
    allowed = [0] * APPROVALS
    others = {}
    lock = threading.Lock()

    def attempt(which):
        i, r = which
        result = c[r].decide(variables[i])[0]
        with lock:
            if result["allow"]:
                allowed[i] += 1
            else:
                key = ",".join(codes(result))
                others[key] = others.get(key, 0) + 1

    everywhere(pool, attempt, attempts)
    assert allowed == [1] * APPROVALS, (sum(allowed), max(allowed), min(allowed), others)
    assert set(others) <= {"approval_consumed,approval_required", "approval_required"}, others
    for one in ids:
        c.agree(one, "consumed")
    # What the losers asked for is one new approval for each, everywhere the same.
    for i in range(0, APPROVALS, max(1, APPROVALS // 10)):
        news = {r.decide(variables[i])[0]["approval"]["request_id"] for r in c.replicas}
        assert len(news) == 1 and ids[i] not in news, news
    c.stop()


@case
def asked_of_all_at_once_it_is_one_request(w):
    c = Cluster(w, "asked")
    pool = concurrent.futures.ThreadPoolExecutor(24)
    for _ in range(5):
        variables = fresh()
        seen = everywhere(pool, lambda i: c[i].request(variables=variables), range(24))
        assert len(set(seen)) == 1, seen
    # The same request id at all of them: one answer, one use.
    variables = fresh()
    opened = c[0].approved(variables=variables, tenant="twice")
    c.agree(opened, "approved")
    name = str(uuid.uuid4())
    bodies = everywhere(pool, lambda i: c[i].decide(variables, tenant="twice", request=name)[1].body, range(12))
    assert len(set(bodies)) == 1, set(bodies)
    wait_for("the use", lambda: all(r.show(opened)["uses_left"] == 1 for r in c.replicas), 10)
    c.stop()


@case
def what_people_do_at_one_holds_at_all(w):
    c = Cluster(w, "people")
    pool = concurrent.futures.ThreadPoolExecutor(24)
    variables = fresh()
    opened = c[0].request(variables=variables)
    c.agree(opened, "requested")
    # One person, twelve times at once: one grant.
    statuses = everywhere(pool, lambda i: c[i].act("bob", "approve", opened)["have"], range(12))
    assert set(statuses) == {1}, statuses
    names = ["bob", "b.smith", "Bob@example.org"] * 4
    replies = everywhere(
        pool, lambda i: c[i].as_person(names[i], "POST", f"/v1/approvals/{opened}/approve", {}), range(12)
    )
    assert {r.status for r in replies} == {200, 409}, replies
    assert [len(r.show(opened)["grants"]) for r in c.replicas] == [1] * 3
    # An approval against a rejection: whichever comes first in the log, all agree.
    for _ in range(5):
        one = c[0].request(variables=fresh())
        c.agree(one, "requested")
        c[1].act("bob", "approve", one)
        c.agree(one, "partially_approved")
        acts = [("carol", "approve", 0), ("dan", "reject", 1), ("dan", "reject", 2), ("carol", "approve", 1)]
        everywhere(
            pool, lambda a: c[a[2]].as_person(a[0], "POST", f"/v1/approvals/{one}/{a[1]}", {}), acts
        )
        wait_for("agreement", lambda: len({r.state(one) for r in c.replicas}) == 1, 10)
        assert c[0].state(one) == "rejected"
    # The replica that took the acts dies; the others go on, and it comes back to the same.
    c[2].act("carol", "approve", opened)
    c.agree(opened, "approved")
    c[2].stop(signal.SIGKILL)
    assert c[0].decide(variables)[0]["allow"]
    c[2].start()
    c.agree(opened, "consumed")
    assert not c[2].decide(variables)[0]["allow"]
    c.stop()


@case
def where_the_money_is_gone_the_approval_is_not(w):
    """Approved operations that cost more together than there is: who gets no money has used nothing up."""
    section = approvals_test.tenants(**{f"tight-{i}": approvals_test.approval() for i in range(3)})
    for one in section.values():
        one["budgets"]["daily"]["limit"] = "6.00"  # five times 1.20
    c = Cluster(w, "tight", approvals_test.document(section))
    pool = concurrent.futures.ThreadPoolExecutor(48)
    for tenant in section:
        variables = [fresh() for _ in range(12)]
        ids = everywhere(pool, lambda i: c[i].request(variables=variables[i], tenant=tenant), range(12))
        for replica, who in enumerate(("bob", "carol")):
            for one in ids:
                c.agree(one, "partially_approved" if replica else "requested")
            c[replica].as_person(who, "POST", "/v1/approvals/bulk", {"ids": ids, "decision": "approve"})
        for one in ids:
            c.agree(one, "approved")
        attempts = [(i, r) for r in range(REPLICAS) for i in range(12)]
        random.shuffle(attempts)
        results = everywhere(pool, lambda a: (a[0], c[a[1]].decide(variables[a[0]], tenant=tenant)[0]), attempts)
        good = {i: result["holds"][0]["id"] for i, result in results if result["allow"]}
        assert len(good) == len([r for _, r in results if r["allow"]]) and 3 <= len(good) <= 5, good
        for i, one in enumerate(ids):
            c.agree(one, "consumed" if i in good else "approved")
        # When money comes back, what is left over is good, once.
        gateway = c[0].idp.headers("g", roles=["gateway"])
        reply = c[1].ask("POST", f"/v1/holds/{list(good.values())[0]}/void", {}, headers=gateway)
        assert reply.status == 200, reply
        left = [i for i in range(12) if i not in good][0]
        wait_for("money", lambda: c[2].decide(variables[left], tenant=tenant)[0]["allow"], 10)
        assert "approval_consumed" in codes(c[2].decide(variables[left], tenant=tenant)[0])
    c.stop()


def main():
    borrowed = [c for c in approvals_test.CASES if not getattr(c, "here_only", False)]
    only = sys.argv[1:]
    chosen = [c for c in CASES + borrowed if not only or any(o in c.__name__ for o in only)]
    close(*run_cases(chosen, KafkaWorld(), seconds=900))


if __name__ == "__main__":
    main()
