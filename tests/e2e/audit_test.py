#!/usr/bin/env python3
"""The audit log of the built program: what becomes a record, who may read it, what is masked, the chain against
tampering, kill -9, a full disk, the report. AUDIT_RECORDS is how large the log is that is tampered with (20000)."""
import base64
import glob
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time

from approvals_test import Service
from serving import COUNTERSIGN, ROOT, World, archive, ask, base_config, close, free_port, run_cases, wait_for

RECORDS = int(os.environ.get("AUDIT_RECORDS") or "20000")
BENCH = os.path.join(os.environ.get("B") or "build", "release", "tests", "perf", "audit_bench")
POLICY = 'package gate\n\nresult := {"allow": input.n == 1, "echo": input}\n'
TOKENS = {
    "t-auditor": {"subject": "olga", "roles": ["auditor"]},
    "t-publisher": {"subject": "pat", "roles": ["publisher"]},
    "t-finops": {"subject": "fin", "roles": ["FinOps Admin"]},
    "t-viewer": {"subject": "vic", "roles": ["viewer"]},
    "t-gateway": {"subject": "gw", "roles": ["gateway"]},
}
SECRET = "the patient's diagnosis"


def token(name):
    return {"authorization": "Bearer t-" + name}


def lines(folder):
    out = []
    for name in sorted(glob.glob(os.path.join(folder, "audit-*.ndjson"))):
        with open(name, encoding="utf-8") as f:
            out += [json.loads(line) for line in f if line.endswith("\n")]
    return out


def check_chain(records):
    """By hand: what docs/audit.md says is enough to verify a log."""
    prev = "0" * 64
    for i, r in enumerate(records):
        rest = {k: v for k, v in r.items() if k != "hash"}
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == r["hash"], r
        assert r["prev"] == prev and r["seq"] == i + 1, r
        prev = r["hash"]


def cli(*arguments, status=0, env=None):
    p = subprocess.run([COUNTERSIGN, "audit", *arguments], capture_output=True, text=True, timeout=300,
                       env={**os.environ, **(env or {})})
    assert p.returncode == status, (arguments, p.returncode, p.stdout, p.stderr)
    return p.stdout


def plain(w, name, **audit):
    """A service with one policy and an audit log: (process, port, folder)."""
    w.write("gate.rego", POLICY)
    folder = w.path(name)
    config = {"audit": {"dir": folder, **audit}}
    return config, folder


def start(w, config, name, limit=None):
    path = w.write(name + ".json", json.dumps(config))
    port = free_port()

    def before():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    process = w.start(COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "-c", path, "--log-level", "error",
                      w.path("gate.rego"), log=name + ".log", **({"preexec_fn": before} if limit else {}))
    wait_for(name, lambda: ask(port, "GET", "/health").status == 200, 30, process)
    return process, port


def decide(port, n=1, **headers):
    body = {"input": {"n": n, "actor": {"tenant": "demo", "sub": "al"}}}
    return ask(port, "POST", "/v1/data/gate/result", body, {k.replace("_", "-"): v for k, v in headers.items()})


# ---- records

def a_decision_is_a_record(w):
    config, folder = plain(w, "one", sync="commit")
    process, port = start(w, config, "one")
    first = decide(port, x_request_id="req-1")
    assert first.status == 200 and first.headers["x-request-id"] == "req-1", first
    made = decide(port, 2)
    records = lines(folder)  # sync commit: both are on disk
    check_chain(records)
    d1, d2 = [r for r in records if r["type"] == "decision"]
    assert d1["request_id"] == "req-1" and d1["decision_id"] == first.json()["decision_id"], d1
    assert d1["tenant"] == "demo" and d1["actor"] == {"sub": "al", "tenant": "demo"}, d1
    assert d1["data"]["input"] == {"n": 1, "actor": {"tenant": "demo", "sub": "al"}}, d1
    assert d1["data"]["path"] == "gate/result", d1
    assert d1["data"]["outcome"] == "allow" and d2["data"]["outcome"] == "deny", d2
    assert d2["request_id"] == made.headers["x-request-id"], (d2, made)
    metrics = ask(port, "GET", "/metrics").body.decode()
    assert "countersign_audit_records_total 3" in metrics and "countersign_audit_lag_seconds 0" in metrics
    w.stop(process)
    assert "verified: 3 records" in cli("verify", folder)


def an_interval_is_short(w):
    config, folder = plain(w, "interval", sync="interval")
    process, port = start(w, config, "interval")
    for _ in range(5):
        decide(port)
    wait_for("the records", lambda: len(of_type(lines(folder), "decision")) == 5, 5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert sum(r["type"] == "decision" for r in lines(folder)) == 5
    process, port = start(w, config, "interval")
    w.stop(process)
    check_chain(lines(folder))
    cli("verify", folder)


def two_cannot_write_one_folder(w):
    config, _ = plain(w, "locked")
    process, _ = start(w, config, "locked")
    p = subprocess.run([COUNTERSIGN, "run", "--server", "--addr", "127.0.0.1:0", "-c", w.path("locked.json")],
                       capture_output=True, text=True, timeout=30)
    assert p.returncode == 1 and "in use by another process" in p.stderr + p.stdout, p
    w.stop(process)


def a_key_that_cannot_sign_is_a_bad_configuration(w):
    config, _ = plain(w, "badkey", checkpoint_key="nobody")
    path = w.write("badkey.json", json.dumps(config))
    p = subprocess.run([COUNTERSIGN, "run", "--check-config", "-c", path], capture_output=True, text=True, timeout=30)
    assert p.returncode == 1 and "checkpoint_key" in p.stdout + p.stderr, p


# ---- with roles, bundles and money

def serve_all(w):
    w.make_key("audit")
    w.build(os.path.join(ROOT, "rego-bundles", "safe-mutations"), "safe-mutations")
    w.build(os.path.join(ROOT, "rego-bundles", "system"), "system")
    config = base_config(w, "system", "safe-mutations")
    config["keys"]["audit"] = {"algorithm": "ES256", "private_key": open(w.path("audit.pem")).read()}
    config["audit"] = {"dir": w.path("all"), "sync": "commit", "checkpoint_key": "audit"}
    config["identity"] = {"tokens": {"file": w.write("tokens.json", json.dumps(TOKENS))}}
    config["push"] = {"extra": {"keyid": "ci", "scope": "write"}}
    config["decision_logs"] = {"console": True}
    config["gateways"]["effects"] = ["countersign/authz/result"]
    return w.serve(config, log="all.log")


def mutation(tenant):
    return {"input": {
        "version": "countersign/v1", "actor": {"sub": "alice", "tenant": tenant, "roles": ["analyst"]},
        "request": {"id": "r", "method": "POST", "path": "/graphql", "headers": {"x-user": SECRET}},
        "graphql": {"document_id": "abc", "operation_name": "Ask", "kind": "mutation",
                    "variables": {"prompt": SECRET}},
        "cost": {"currency": "USD"}, "prompt": SECRET}}


def of_type(records, *types):
    return [r for r in records if r["type"] in types]


def acts_are_records(w):
    _, port = w.all
    manifest = json.dumps({"revision": "x1", "roots": ["extra"]})
    w.build_files({".manifest": manifest, "extra/a.rego": "package extra\n\na := 1\n"}, "extra", revision="x1")
    body = open(w.path("extra.tar.gz"), "rb").read()
    put = {**token("publisher"), "x-request-id": "push-1"}
    assert ask(port, "PUT", "/v1/bundles/extra", body, put).status == 200
    bad = archive([(".manifest", b"{}")])
    assert ask(port, "PUT", "/v1/bundles/extra", bad, {**token("publisher"), "x-request-id": "push-2"}).status == 400
    assert ask(port, "PUT", "/v1/bundles/extra", body, token("viewer")).status == 403
    assert ask(port, "GET", "/v1/bundles", headers={"authorization": "Bearer nobody"}).status == 401
    change = {"budget": "daily", "limit": "30.00", "reason": "a busy day"}
    assert ask(port, "PUT", "/v1/tenants/demo/budget", change, {**token("finops"), "x-request-id": "b-1"}).status == 200
    records = lines(w.path("all"))
    check_chain(records)
    activated = of_type(records, "bundle.activated")
    assert {r["data"]["name"] for r in activated} == {"system", "safe-mutations", "extra"}, activated
    mine = activated[-1]
    assert mine["request_id"] == "push-1" and mine["actor"]["sub"] == "pat" and mine["data"]["keyid"] == "ci", mine
    assert mine["data"]["revision"] == "x1" and mine["data"]["digest"].startswith("sha256:"), mine
    refused, = of_type(records, "bundle.refused")
    assert refused["data"]["code"] == "invalid_bundle" and refused["request_id"] == "push-2", refused
    calls = of_type(records, "access.refused")
    assert [(r["data"]["status"], r["data"]["method"]) for r in calls] == [(403, "PUT"), (401, "GET")], calls
    assert calls[0]["actor"]["sub"] == "vic" and "actor" not in calls[1], calls
    budget, = of_type(records, "budget.changed")
    assert budget["tenant"] == "demo" and budget["actor"]["sub"] == "fin" and budget["request_id"] == "b-1", budget
    assert budget["data"] == {"budget": "daily", "currency": "USD", "limit": "30", "reason": "a busy day"} or \
        budget["data"]["limit"].startswith("30"), budget


def what_is_private_never_leaves(w):
    _, port = w.all
    gateway = {**token("gateway"), "content-type": "application/json"}
    for tenant in ("elsewhere", "demo"):
        headers = {**gateway, "x-request-id": tenant}
        reply = ask(port, "POST", "/v1/data/countersign/authz/result", mutation(tenant), headers)
        assert reply.status == 200, reply
    wait_for("both", lambda: len(of_type(lines(w.path("all")), "decision")) >= 2, 10)
    by_id = {r["request_id"]: r for r in of_type(lines(w.path("all")), "decision")}
    canary, other = by_id["demo"], by_id["elsewhere"]
    assert canary["data"]["input"]["graphql"]["variables"] == {"prompt": SECRET} and "masked" not in canary["data"]
    assert SECRET not in json.dumps(other, ensure_ascii=False), other
    assert "/input" in other["data"]["masked"], other
    digest = hashlib.sha256(json.dumps({"prompt": SECRET}, separators=(",", ":")).encode()).hexdigest()
    assert other["data"]["input"]["graphql"]["variables"] == {"sha256": digest}, other
    assert other["data"]["input"]["graphql"]["digest"].startswith("sha256:"), other
    assert other["data"]["input_digest"].startswith("sha256:"), other
    assert other["actor"]["sub"] == "alice" and other["tenant"] == "elsewhere", other
    said = [line for line in open(w.path("all.log"), encoding="utf-8") if "Decision Log" in line]
    mine = [line for line in said if json.loads(line).get("request_id") == "elsewhere"]
    assert len(mine) == 1 and SECRET not in mine[0] and json.loads(mine[0])["masked"], mine
    assert any(SECRET in line for line in said), "the canary's line is whole"


def the_auditor_reads(w):
    _, port = w.all
    for who, status in (("auditor", 200), ("viewer", 403), ("finops", 403), ("publisher", 403)):
        assert ask(port, "GET", "/v1/audit", headers=token(who)).status == status, who
        assert ask(port, "GET", "/v1/audit/head", headers=token(who)).status == status, who
    assert ask(port, "GET", "/v1/audit").status == 401
    reply = ask(port, "GET", "/v1/audit", headers=token("auditor"))
    assert reply.headers["content-type"] == "application/x-ndjson", reply
    got = [json.loads(line) for line in reply.body.splitlines()]
    check_chain(got)
    head = ask(port, "GET", "/v1/audit/head", headers=token("auditor")).json()
    assert head["seq"] >= got[-1]["seq"] and head["keyid"] == "audit", head
    payload = json.loads(base64.urlsafe_b64decode(head["signature"].split(".")[1] + "=="))
    assert payload == {k: head[k] for k in ("hash", "seq", "time")}, payload
    for query in ("from=yesterday", "to=2026-13-01", "limit=0", "after=x", "from=2026-01-02&to=2026-01-01"):
        bad = ask(port, "GET", "/v1/audit?" + query, headers=token("auditor"))
        assert bad.status == 400 and bad.json()["code"] == "invalid_parameter", bad
    one = ask(port, "GET", "/v1/audit?tenant=elsewhere", headers=token("auditor"))
    assert [json.loads(x)["tenant"] for x in one.body.splitlines()] == ["elsewhere"], one
    at = next(r["time"] for r in got if r["type"] == "budget.changed")
    some = ask(port, "GET", f"/v1/audit?from={at}&limit=1", headers=token("auditor"))
    rows = some.body.splitlines()
    assert len(rows) == 1 and json.loads(rows[0])["time"] == at and some.headers["x-countersign-next"], some
    before = ask(port, "GET", f"/v1/audit?to={at}&from=2020-01-01", headers=token("auditor"))
    assert before.status == 200 and b"budget.changed" not in before.body, before


def the_command_asks_the_server(w):
    _, port = w.all
    url, env = f"http://127.0.0.1:{port}", {"COUNTERSIGN_TOKEN": "t-auditor"}
    out = cli("verify", "--url", url, "--verification-key", w.path("audit.pub"), env=env)
    assert out.startswith("verified: ") and "signed up to record" in out, out
    exported = [json.loads(x) for x in cli("export", "--url", url, "--tenant", "demo", env=env).splitlines()]
    assert exported and all(r["tenant"] == "demo" for r in exported), exported
    cli("verify", "--url", url, status=1, env={"COUNTERSIGN_TOKEN": "t-viewer"})
    report = json.loads(cli("report", "--url", url, "--from", "2020-01-01", env=env))
    assert report["log"]["good"] and report["separation_of_duty"]["kept"], report["log"]
    names = [c["name"] for c in report["policy_changes"]]
    assert "extra" in names and any(c.get("keyid") == "ci" for c in report["policy_changes"]), names
    assert report["budget_changes"][0]["actor"]["sub"] == "fin", report["budget_changes"]
    assert report["decisions"]["tenants"]["elsewhere"]["deny"] == 1, report["decisions"]
    assert report["access_refused"]["total"] >= 2, report["access_refused"]
    page = cli("report", "--url", url, "--format", "html", env=env)
    assert page.startswith("<!doctype html>") and "Separation of duty" in page and "a busy day" in page, page


def the_stopped_log_is_whole(w):
    w.stop(w.all[0])
    out = cli("verify", w.path("all"), "--verification-key", w.path("audit.pub"))
    assert "signed up to record" in out, out
    w.make_key("other")
    out = cli("verify", w.path("all"), "--verification-key", w.path("other.pub"), status=1)
    assert out.startswith("forged: "), out


def who_approved_what(w):
    folder = w.path("people")
    s = Service(w, "people", clock=False, audit={"dir": folder, "sync": "commit"})
    variables = {"from": SECRET, "to": "x"}
    result, _ = s.decide(variables, request="ask-1")
    opened = result["approval"]["request_id"]
    s.act("alice", "approve", opened, status=403, code="self_approval")
    s.act("bob", "approve", opened, body={"comment": "fine"})
    s.act("carol", "approve", opened)
    assert s.decide(variables, request="ask-2")[0]["allow"]
    assert s.decide(variables, request="ask-2")[0]["allow"]  # a retry: an answer that was given before
    records = lines(folder)  # sync commit: everything that was answered is on disk
    check_chain(records)
    acts = [r for r in records if r["type"].startswith("approval.")]
    assert [r["type"][9:] for r in acts] == ["requested", "granted", "granted", "consumed"], acts
    assert [r.get("actor", {}).get("sub") for r in acts][1:3] == ["bob", "carol"], acts
    assert acts[1]["data"]["comment"] == "fine" and acts[1]["data"]["requester"] == "alice", acts[1]
    assert all(r["data"]["id"] == opened and r["tenant"] == "demo" for r in acts), acts
    assert acts[0]["request_id"] == "ask-1" and acts[3]["request_id"] == "ask-2", acts
    assert SECRET not in json.dumps(records, ensure_ascii=False), "no tenant here is a canary"
    replays = [r for r in of_type(records, "decision") if r["data"].get("replay")]
    assert [r["request_id"] for r in replays] == ["ask-2"], replays
    first = [r for r in of_type(records, "decision") if r["request_id"] == "ask-2"][0]
    assert replays[0]["decision_id"] == first["decision_id"], (first, replays)
    refused, = [r for r in of_type(records, "access.refused") if r["data"]["code"] == "self_approval"]
    assert refused["actor"]["sub"] == "alice", refused
    s.stop()
    report = json.loads(cli("report", folder))
    one, = report["approvals"]
    assert (one["id"], one["requester"], one["state"]) == (opened, "alice", "consumed"), one
    assert [a["type"] for a in one["acts"]][-1] == "approval.consumed", one
    assert report["separation_of_duty"] == {"approvals_checked": 1, "findings": [], "kept": True, "violations": 0}


# ---- a large log, tampered with

def the_large_log(w):
    folder = w.path("large")
    subprocess.run(["make", "-s", "--no-print-directory", BENCH], check=True, cwd=ROOT, capture_output=True)
    p = subprocess.run([os.path.join(ROOT, BENCH), str(RECORDS), folder], capture_output=True, text=True, timeout=600)
    assert p.returncode == 0, p.stdout + p.stderr
    assert json.loads(cli("verify", folder, "-f", "json"))["records"] == RECORDS + 1
    return folder


AT = RECORDS // 3  # how many records stand before the one that is tampered with


def tampered(w, change):
    """The verdict about a copy of the large log in which change(lines of a file, index) was done to one record: its
    fault, the number of the record and its line's, both counted from that record on."""
    copy = w.path("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(w.path("large"), copy)
    before = 0
    for name in sorted(glob.glob(os.path.join(copy, "audit-*.ndjson"))):
        with open(name, "rb") as f:
            text = f.read().splitlines(keepends=True)
        if before + len(text) > AT + 1:
            break
        before += len(text)
    change(text, AT - before)
    with open(name, "wb") as f:
        f.write(b"".join(text))
    verdict = json.loads(cli("verify", copy, "-f", "json", status=1))
    assert verdict["file"] == os.path.basename(name), verdict
    return verdict["fault"], verdict["seq"] - AT, verdict["line"] - (AT - before)


def a_flipped_byte_is_named(w):
    the_large_log(w)

    def flip(text, at):
        row = bytearray(text[at])
        row[len(row) // 2] ^= 1
        text[at] = bytes(row)

    assert tampered(w, flip) == ("changed", 1, 1)


def a_removed_record_is_named(w):
    assert tampered(w, lambda text, at: text.pop(at)) == ("removed", 1, 1)


def swapped_records_are_named(w):
    def swap(text, at):
        text[at], text[at + 1] = text[at + 1], text[at]

    assert tampered(w, swap) == ("reordered", 1, 1)


def a_cut_tail_is_named(w):
    copy = w.path("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(w.path("large"), copy)
    name = sorted(glob.glob(os.path.join(copy, "audit-*.ndjson")))[-1]
    with open(name, "rb") as f:
        text = f.read().splitlines(keepends=True)
    with open(name, "wb") as f:
        f.write(b"".join(text[:-3]))
    v = json.loads(cli("verify", copy, "-f", "json", status=1))
    assert (v["fault"], v["seq"]) == ("truncated", RECORDS + 2 - 3), v
    os.remove(os.path.join(copy, "head.json"))
    assert json.loads(cli("verify", copy, "-f", "json", status=1))["fault"] == "truncated"
    p = subprocess.run([COUNTERSIGN, "audit", "verify", copy], capture_output=True, text=True)
    assert p.returncode == 1 and "record" in p.stdout, p


# ---- a hard life

def nothing_that_was_answered_is_lost(w):
    config, folder = plain(w, "killed", sync="commit", rotate={"size_bytes": 65536})
    answered, n = [], 0
    for life in range(3):
        process, port = start(w, config, "killed")
        stop = threading.Event()

        def ask_on(k):
            while not stop.is_set():
                name = f"{life}-{k}-{len(answered)}-{time.monotonic_ns()}"
                try:
                    if decide(port, x_request_id=name).status == 200:
                        answered.append(name)
                except OSError:
                    return

        threads = [threading.Thread(target=ask_on, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        time.sleep(0.7)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        stop.set()
        for t in threads:
            t.join()
        n = len(answered)
    with open(sorted(glob.glob(os.path.join(folder, "audit-*.ndjson")))[-1], "ab") as f:
        f.write(b'{"data":{"n":1},"ha')  # as a crash in the middle of a write leaves it
    process, port = start(w, config, "killed")
    decide(port)
    w.stop(process)
    records = lines(folder)
    check_chain(records)
    cli("verify", folder)
    assert n > 20 and set(answered) <= {r.get("request_id") for r in records}, n
    assert of_type(records, "audit.repaired")[-1]["data"]["torn_bytes"] == 19, of_type(records, "audit.repaired")
    assert len(glob.glob(os.path.join(folder, "audit-*.ndjson"))) > 1


def fill(port, folder):
    """Decisions until the file is at its limit; the last reply that was not 200, or None."""
    pad = {"input": {"n": 1, "pad": "x" * 20000, "actor": {"tenant": "demo"}}}
    for _ in range(60):
        reply = ask(port, "POST", "/v1/data/gate/result", pad, timeout=5)
        if reply.status != 200:
            return reply
    return None


def raise_limit(process):
    subprocess.run(["prlimit", "--pid", str(process.pid), "--fsize=unlimited"], check=True)


def a_full_disk_refuses(w):
    for sync in ("commit", "interval"):
        config, folder = plain(w, "full-" + sync, sync=sync, on_full="deny")
        process, port = start(w, config, "full-" + sync, limit=300000)
        reply = None
        for _ in range(20):
            reply = reply or fill(port, folder)
        assert reply is not None and reply.status == 503 and reply.json()["code"] == "audit_unavailable", reply
        assert ask(port, "GET", "/health").status == 200
        assert "countersign_audit_full 1" in ask(port, "GET", "/metrics").body.decode()
        raise_limit(process)
        wait_for("room", lambda: decide(port, x_request_id="after").status == 200, 10, process)
        w.stop(process)
        records = lines(folder)
        check_chain(records)
        cli("verify", folder)
        assert of_type(records, "audit.refused")[0]["data"]["decisions"] >= 1, of_type(records, "audit.refused")
        assert any(r.get("request_id") == "after" for r in records)


def a_full_disk_waits(w):
    config, folder = plain(w, "block", sync="commit", on_full="block")
    process, port = start(w, config, "block", limit=300000)
    waited = False
    try:
        fill(port, folder)
    except OSError:
        waited = True
    assert waited, "no answer without its record"
    assert ask(port, "GET", "/health").status == 200
    result = []
    thread = threading.Thread(target=lambda: result.append(decide(port, x_request_id="patient")))
    thread.start()
    time.sleep(0.5)
    assert not result
    raise_limit(process)
    thread.join(15)
    assert result and result[0].status == 200, result
    w.stop(process)
    records = lines(folder)
    check_chain(records)
    cli("verify", folder)
    assert any(r.get("request_id") == "patient" for r in records)
    assert not of_type(records, "audit.refused", "audit.lost")


CASES = [a_decision_is_a_record, an_interval_is_short, two_cannot_write_one_folder,
         a_key_that_cannot_sign_is_a_bad_configuration, acts_are_records, what_is_private_never_leaves,
         the_auditor_reads, the_command_asks_the_server, the_stopped_log_is_whole, who_approved_what,
         a_flipped_byte_is_named, a_removed_record_is_named, swapped_records_are_named, a_cut_tail_is_named,
         nothing_that_was_answered_is_lost,
         a_full_disk_refuses, a_full_disk_waits]


def main():
    w = World()
    w.all = serve_all(w)
    only = os.environ.get("CASES", "").split()
    cases = [c for c in CASES if not only or c.__name__ in only]
    passed, failed = run_cases(cases, w, seconds=100 + RECORDS // 2000)
    if failed:
        print(open(w.path("all.log"), errors="replace").read()[-2000:])
    w.end()
    close(passed, failed)


if __name__ == "__main__":
    main()
