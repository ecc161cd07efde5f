#!/usr/bin/env python3
"""The emergency override: a signed bundle over the active ones, until the clock says that its time is over. The clock
is moved by the test; nobody waits for two hours.

Environment: COUNTERSIGN (the built program)."""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import COUNTERSIGN, ROOT, Clock, World, archive, ask, base_config, content, run_scene  # noqa: E402
from serving import spend_event, wait_for  # noqa: E402

CASES = []
OVERRIDE = "/v1/bundles/emergency-override"
RESULT = "/v1/data/countersign/authz/result"
FINOPS = {"authorization": "Bearer finops-secret"}
TOKENS = {
    "finops-secret": {"subject": "fin", "roles": ["FinOps Admin"]},
    "publisher-secret": {"subject": "pub", "roles": ["publisher"]},
    "gateway-secret": {"subject": "edge", "roles": ["gateway"]},
    "producer-secret": {"subject": "billing", "roles": ["producer"]},
    "viewer-secret": {"subject": "eve", "roles": ["viewer"]},
}


def case(function):
    CASES.append(function)
    return function


class Scene(World):
    """The shipped bundles with budgets, a fixed day on which the tenant demo is a canary, and $25 spent of its $25."""

    def __init__(self):
        super().__init__()
        for key in ("emergency", "second", "stranger"):
            self.make_key(key)
        for name in ("safe-mutations", "system"):
            self.build(os.path.join(ROOT, "rego-bundles", name), name)
        self.write("tokens.json", json.dumps(TOKENS))
        self.bundle = self.emergency()
        self.clock = Clock(self, start="2026-11-03T16:00:00Z")
        self.ports = {}

    def config(self, journal="journal", **more):
        config = base_config(self, "safe-mutations", "system")
        for key in ("emergency", "second"):
            config["keys"][key] = {"algorithm": "ES256", "key": open(self.path(key + ".pub")).read()}
        config["push"] = {"emergency-override": {"keyid": "emergency"}, "extra": {"keyid": "ci", "scope": "write"}}
        config["identity"] = {"tokens": {"file": self.path("tokens.json")}}
        config["gateways"]["effects"] = ["countersign/authz/result"]
        config["journal"] = {"sqlite": {"path": self.path(journal + ".db")}}
        config["persistence_directory"] = self.path(journal + "-state")
        config["decision_logs"] = {"console": True}
        config["overrides"] = {}
        config.update(more)
        return config

    def start_main(self):
        self.process, self.port = self.serve(self.config(), env=self.clock.env())
        event = spend_event("demo", "25.00", time=self.clock.text())
        sent = ask(self.port, "POST", "/v1/events", event, {"authorization": "Bearer producer-secret"})
        assert sent.status == 202 and sent.json()["accepted"] == 1, sent

    def emergency(self, files=None, key="emergency", manifest=None, name="emergency", revision="e1"):
        """The shipped override (by `make bundles`' way), or one of other files."""
        if files is None and manifest is None:
            return self.sign(os.path.join(ROOT, "rego-bundles", "emergency"), key, name, revision)
        folder = tempfile.mkdtemp(dir=self.dir)
        manifest = manifest if manifest is not None else {"roots": ["settings"]}
        for path, text in {".manifest": json.dumps({"rego_version": 1, **manifest}), **(files or {})}.items():
            full = os.path.join(folder, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w") as out:
                out.write(text)
        return self.sign(folder, key, name, revision)

    def sign(self, folder, key, name, revision):
        claims = self.write("claims.json", json.dumps({"keyid": key, "iat": 1700000000}))
        out = self.path(name + ".tar.gz")
        done = subprocess.run(
            [COUNTERSIGN, "build", "-b", folder, "-r", revision, "--signing-alg", "ES256", "--signing-key"]
            + [self.path(key + ".pem"), "--claims-file", claims, "-o", out],
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
        return open(out, "rb").read()

    def restart(self):
        self.stop(self.process, signal.SIGKILL)
        self.process, self.port = self.serve(self.config(), self.port, env=self.clock.env())


def put(w, body=None, query="", headers=None, port=None, **more):
    return ask(port or w.port, "PUT", OVERRIDE + query, body or w.bundle, {**FINOPS, **(headers or {}), **more})


def end(w, port=None):
    reply = ask(port or w.port, "DELETE", OVERRIDE, headers=FINOPS)
    assert reply.status in (200, 404), reply


def decide(w, **changes):
    """A rename by the tenant demo, whose budget is used up."""
    document = json.load(open(os.path.join(ROOT, "deploy", "demo", "rename.json")))
    document["input"].update(changes)
    headers = {"authorization": "Bearer gateway-secret", "x-request-id": str(uuid.uuid4())}
    reply = ask(w.port, "POST", RESULT, document, headers)
    assert reply.status == 200, reply
    return reply.json()["result"]


def codes(result):
    return sorted(r["code"] for r in result["reasons"])


def is_strict(w):
    result = decide(w)
    return not result["allow"] and codes(result) == ["budget_exceeded"] and "override" not in result


def is_soft(w):
    result = decide(w)
    noted = result.get("override", {}).get("id", "").startswith("ovr-") and "override_active" in result["notes"]
    return result["allow"] and result["mode"] == "log" and noted


def refused(reply, status, code):
    assert reply.status == status and reply.json()["code"] == code, reply
    assert reply.json()["message"], reply


def metrics(w):
    text = ask(w.port, "GET", "/metrics", headers=FINOPS).body.decode()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[:1] != "#"}


@case
def it_softens_survives_a_kill_and_returns_by_itself(w):
    assert is_strict(w), decide(w)
    reply = put(w, query="?ttl=30m&reason=outage%20of%20billing")
    assert reply.status == 200, reply
    told = reply.json()
    assert (told["name"], told["revision"], told["ttl_s"]) == ("emergency-override", "e1", 1800), told
    assert told["expires_at"][:16] == w.clock.text(1800)[:16], told
    assert is_soft(w), decide(w)
    active = decide(w)["override"]
    assert active["reason"] == "outage of billing" and active["author"] == "fin", active
    assert active["signers"] == ["emergency"] and active["revision"] == "e1", active
    w.restart()
    assert is_soft(w), decide(w)
    assert ask(w.port, "GET", OVERRIDE, headers=FINOPS).json()["id"] == told["id"]
    w.clock.move(1700)
    assert is_soft(w)
    w.clock.move(120)
    assert is_strict(w), decide(w)
    refused(ask(w.port, "GET", OVERRIDE, headers=FINOPS), 404, "resource_not_found")
    w.restart()
    assert is_strict(w), decide(w)


@case
def it_is_seen_everywhere(w):
    assert not any(name.startswith("countersign_override") for name in metrics(w))
    assert put(w, query="?ttl=10m").status == 200
    seen = metrics(w)
    assert seen['countersign_override_active{revision="e1"}'] == 1, seen
    assert 590 < seen["countersign_override_expires_seconds"] <= 600, seen
    listed = ask(w.port, "GET", "/v1/bundles", headers=FINOPS).json()["result"]
    assert [b["name"] for b in listed] == ["emergency-override"] and listed[0]["ttl_s"] == 600, listed
    rows = ask(w.port, "GET", "/v1/data/overrides", headers={"authorization": "Bearer gateway-secret"}).json()
    assert rows["result"]["active"][0]["expires_at"] > w.clock.now() * 1e9, rows
    decide(w)
    wait_for("the decision's record", lambda: '"override"' in open(w.path("countersign.log")).read(), 5)
    lines = [json.loads(line) for line in open(w.path("countersign.log")) if '"decision_id"' in line]
    last = lines[-1]
    assert last["custom"]["override"]["revision"] == "e1", last
    assert last["bundles"]["emergency-override"] == {"revision": "e1"}, last["bundles"]
    end(w)
    assert is_strict(w)
    rows = ask(w.port, "GET", "/v1/data/overrides", headers={"authorization": "Bearer gateway-secret"}).json()
    assert rows["result"] == {"active": []}, rows
    assert not any(name.startswith("countersign_override") for name in metrics(w))


@case
def its_settings_stand_over_those_of_the_configuration(w):
    config = w.config("settings", pq={"phase": "enforce"}, settings={"softening": {"budget_percent": 100}, "mine": 7})
    process, port = w.serve(config)
    document = {"settings": {"softening": {"budget_percent": 120}, "pq": {"phase": "log"}}}
    bundle = w.emergency({"data.json": json.dumps(document)}, name="over")
    read = lambda: ask(port, "GET", "/v1/data/settings", headers={"authorization": "Bearer gateway-secret"}).json()
    before = read()["result"]
    assert (before["pq"]["phase"], before["softening"]) == ("enforce", {"budget_percent": 100}), before
    assert put(w, bundle, port=port).status == 200
    after = read()["result"]
    assert (after["pq"]["phase"], after["softening"], after["mine"]) == ("log", {"budget_percent": 120}, 7), after
    end(w, port)
    assert read()["result"] == before
    w.stop(process)


@case
def limits_of_tenants_can_be_overridden_too(w):
    document = {"tenants": {"demo": {"budgets": {"daily": {"limit": "27.00"}}}}}
    bundle = w.emergency({"data.json": json.dumps(document)}, manifest={"roots": ["tenants"]}, name="limits")
    assert put(w, bundle, "?ttl=5m").status == 200
    result = decide(w)
    assert result["allow"] and result["budgets"]["daily"]["limit_nanos"] == 27 * 10**9, result
    w.clock.move(301)
    result = decide(w)
    assert not result["allow"] and result["budgets"]["daily"]["limit_nanos"] == 25 * 10**9, result
    document["tenants"]["demo"]["budgets"]["daily"]["limit"] = "much"
    bundle = w.emergency({"data.json": json.dumps(document)}, manifest={"roots": ["tenants"]}, name="limits")
    refused(put(w, bundle), 400, "invalid_bundle")
    assert is_strict(w)


@case
def its_policy_replaces_that_of_its_roots(w):
    policy = 'package countersign.authz\n\nresult := {"allow": true, "by": "override", "reasons": []}\n'
    bundle = w.emergency({"p.rego": policy}, manifest={"roots": ["countersign"]}, name="policy")
    assert put(w, bundle, "?ttl=5m").status == 200
    assert decide(w)["by"] == "override"
    w.restart()
    assert decide(w)["by"] == "override"
    w.clock.move(301)
    assert is_strict(w)
    broken = w.emergency(
        {"p.rego": "package countersign\n\ndefaults := 1\n"},
        manifest={"roots": ["countersign"]},
        name="broken",
    )
    reply = put(w, broken)
    refused(reply, 422, "bundle_compile_error")
    assert "defaults" in json.dumps(reply.json()["errors"]), reply
    assert is_strict(w)


@case
def a_request_counts_once_and_the_file_again(w):
    for headers, query in (({"x-request-id": "incident-1"}, ""), ({"x-override-nonce": "n-2"}, ""), ({}, "&nonce=n3")):
        assert put(w, query="?ttl=5m" + query, headers=headers).status == 200
        refused(put(w, query="?ttl=5m" + query, headers=headers), 409, "nonce_reused")
        assert is_soft(w)
        w.clock.move(301)
        assert is_strict(w)
        refused(put(w, query="?ttl=5m" + query, headers=headers), 409, "nonce_reused")
        w.restart()
        refused(put(w, query="?ttl=5m" + query, headers=headers), 409, "nonce_reused")
        assert is_strict(w)
    assert put(w, query="?ttl=5m").status == 200
    assert put(w, query="?ttl=6m").json()["ttl_s"] == 360
    end(w)
    assert is_strict(w)


@case
def only_the_signer_may(w):
    refused(put(w, w.emergency(key="stranger", name="forged")), 400, "invalid_bundle")
    files = [(n, b.replace(b"120", b"999") if n.endswith("data.json") else b) for n, b in content(w.bundle)]
    refused(put(w, archive(files)), 400, "invalid_bundle")
    unsigned = archive([(n, b) for n, b in content(w.bundle) if "signatures" not in n])
    refused(put(w, unsigned), 400, "invalid_bundle")
    refused(put(w, b"\x1f\x8b no archive"), 400, "invalid_bundle")
    assert is_strict(w)


@case
def only_the_role_may(w):
    for token in TOKENS:
        if token != "finops-secret":
            for method in ("PUT", "GET", "DELETE"):
                headers = {"authorization": "Bearer " + token}
                refused(ask(w.port, method, OVERRIDE, w.bundle, headers), 403, "forbidden")
    refused(ask(w.port, "PUT", OVERRIDE, w.bundle), 401, "unauthorized")
    refused(ask(w.port, "PUT", OVERRIDE, w.bundle, {"authorization": "Bearer nobody"}), 401, "unauthorized")
    escaped, publisher = "/v1/bundles/%65mergency-override", {"authorization": "Bearer publisher-secret"}
    refused(ask(w.port, "PUT", escaped, w.bundle, publisher), 403, "forbidden")
    assert is_strict(w)
    config = w.config("role", overrides={"role": "publisher"})
    process, port = w.serve(config)
    refused(put(w, port=port), 403, "forbidden")
    assert put(w, port=port, authorization="Bearer publisher-secret").status == 200
    w.stop(process)


@case
def its_time_is_bounded(w):
    refused(put(w, query="?ttl=3h"), 400, "ttl_too_long")
    for ttl in ("soon", "", "0s", "-5m", "1ms"):
        refused(put(w, query="?ttl=" + ttl), 400, "invalid_parameter")
    assert put(w).json()["ttl_s"] == 7200
    end(w)
    short = w.emergency(manifest={"roots": ["settings"], "metadata": {"max_ttl": "10m"}}, name="short")
    refused(put(w, short, "?ttl=11m"), 400, "ttl_too_long")
    assert put(w, short).json()["ttl_s"] == 600
    end(w)
    dated = w.emergency(manifest={"roots": ["settings"], "metadata": {"not_after": w.clock.text(900)}}, name="dated")
    refused(put(w, dated, "?ttl=30m"), 400, "ttl_too_long")
    assert 880 < put(w, dated).json()["ttl_s"] <= 900
    end(w)
    w.clock.move(1000)
    refused(put(w, dated), 400, "not_after_passed")
    for metadata in ({"max_ttl": "long"}, {"max_ttl": 5}, {"not_after": "tomorrow"}):
        odd = w.emergency(manifest={"roots": ["settings"], "metadata": metadata}, name="odd")
        refused(put(w, odd), 400, "invalid_bundle")
    assert is_strict(w)


@case
def it_names_its_roots_and_no_others(w):
    for roots in ([""], ["system"], ["system/authz"], ["spend"], ["overrides"], ["settings", "elsewhere"], ["set"]):
        bundle = w.emergency(manifest={"roots": roots}, name="roots")
        refused(put(w, bundle), 400, "invalid_bundle")
    nameless = [(n, b) for n, b in content(w.bundle) if not n.endswith((".manifest", "signatures.json"))]
    folder = tempfile.mkdtemp(dir=w.dir)
    for name, data in nameless:
        open(os.path.join(folder, os.path.basename(name)), "wb").write(data)
    refused(put(w, w.sign(folder, "emergency", "nameless", "x")), 400, "invalid_bundle")
    big = w.emergency({"data.json": json.dumps({"settings": {"x": os.urandom(500000).hex()}})}, name="big")
    refused(put(w, big), 413, "body_too_large")
    assert is_strict(w)


@case
def bodies_that_curl_made(w):
    form = {"content-type": "application/x-www-form-urlencoded"}
    mangled = bytes(b for b in w.bundle if b not in (0, 10, 13))
    reply = put(w, mangled, headers=form)
    refused(reply, 400, "body_mangled")
    assert "--data-binary" in reply.json()["message"], reply
    assert put(w, w.bundle, headers=form).status == 200
    end(w)
    assert put(w, base64.encodebytes(w.bundle)).status == 200
    end(w)
    assert put(w, base64.b64encode(w.bundle), headers=form).status == 200
    end(w)


@case
def a_second_signature(w):
    config = w.config("second", overrides={"signatures": 2, "countersigners": ["second"]})
    process, port = w.serve(config)
    refused(put(w, port=port), 400, "second_signature_required")

    def countersign(key, body):
        path = w.write("to-sign.tar.gz", body)
        claims = w.write("second-claims.json", json.dumps({"keyid": key}))
        done = subprocess.run(
            [COUNTERSIGN, "sign", "-b", path, "--signing-alg", "ES256", "--signing-key", w.path(key + ".pem")]
            + ["--claims-file", claims, "-o", w.dir],
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        return json.load(open(w.path(".signatures.json")))["signatures"][0]

    good = countersign("second", w.bundle)
    other = countersign("second", w.emergency({"data.json": "{}"}, name="other"))
    first = json.loads(dict(content(w.bundle))["/.signatures.json"])["signatures"][0]
    for token in (other, first, countersign("emergency", w.bundle), countersign("stranger", w.bundle), "x.y.z"):
        refused(put(w, port=port, headers={"x-override-signature": token}), 400, "invalid_bundle")
    assert put(w, port=port, headers={"x-override-signature": good}).status == 200
    rows = ask(port, "GET", "/v1/data/overrides", headers={"authorization": "Bearer gateway-secret"}).json()
    assert rows["result"]["active"][0]["signers"] == ["emergency", "second"], rows
    end(w, port)
    assert put(w, port=port, query="?signature=" + good).status == 200
    w.stop(process, signal.SIGKILL)
    process, port = w.serve(config)
    assert ask(port, "GET", OVERRIDE, headers=FINOPS).status == 200
    w.stop(process)


@case
def without_a_journal_it_is_kept_in_a_file(w):
    config = w.config("file")
    for section in ("journal", "spend", "gateways"):
        del config[section]
    process, port = w.serve(config, env=w.clock.env())
    assert put(w, port=port, query="?ttl=20m&nonce=file").status == 200
    for _ in range(2):
        w.stop(process, signal.SIGKILL)
        process, port = w.serve(config, env=w.clock.env())
        assert ask(port, "GET", OVERRIDE, headers=FINOPS).json()["ttl_s"] == 1200
    w.clock.move(1201)
    refused(ask(port, "GET", OVERRIDE, headers=FINOPS), 404, "resource_not_found")
    refused(put(w, port=port, query="?nonce=file"), 409, "nonce_reused")
    assert put(w, port=port).status == 200
    end(w, port)
    refused(ask(port, "DELETE", OVERRIDE, headers=FINOPS), 404, "resource_not_found")
    w.stop(process)
    process, port = w.serve(config, env=w.clock.env())
    refused(put(w, port=port, query="?nonce=file"), 409, "nonce_reused")
    w.stop(process)


@case
def other_bundles_come_and_go_below_it(w):
    extra = w.build_files({".manifest": '{"roots": ["extra"]}', "data.json": '{"extra": {"x": 1}}'}, "extra")
    publisher = {"authorization": "Bearer publisher-secret"}
    assert put(w, query="?ttl=5m").status == 200
    assert ask(w.port, "PUT", "/v1/bundles/extra", open(extra, "rb").read(), publisher).status == 200
    assert is_soft(w)
    gateway = {"authorization": "Bearer gateway-secret"}
    assert ask(w.port, "GET", "/v1/data/extra/x", headers=gateway).json()["result"] == 1
    assert ask(w.port, "DELETE", "/v1/bundles/extra", headers=publisher).status == 200
    assert is_soft(w)
    assert "result" not in ask(w.port, "GET", "/v1/data/extra/x", headers=gateway).json()
    end(w)
    assert is_strict(w)


@case
def wrong_sections_are_named(w):
    for section, words in (
        ({"signatures": 2}, "overrides.signatures: 2 needs overrides.countersigners"),
        ({"countersigners": ["nobody"]}, "key id nobody not found"),
        ({"countersigners": ["emergency"]}, "is the key of push.emergency-override itself"),
        ({"roots": ["system"]}, 'cannot have the root "system"'),
        ({"signatures": 3}, "overrides.signatures"),
    ):
        path = w.write("wrong.json", json.dumps(w.config("wrong", overrides=section)))
        done = subprocess.run([COUNTERSIGN, "run", "--check-config", "-c", path], capture_output=True, cwd=w.dir)
        assert done.returncode == 1 and words in (done.stderr + done.stdout).decode(), done


if __name__ == "__main__":
    scene = Scene()
    run_scene(scene, CASES, ["countersign.log"], scene.start_main)
