#!/usr/bin/env python3
"""Bad input of every kind: each gets its status and an error with code and message that names the place, and changes
nothing: after every case the decisions, the bundles, the policies, the data and the budgets are what they were.

Environment: COUNTERSIGN (the built program)."""

import base64
import gzip
import json
import os
import re
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
import zlib

import serving
from serving import RENAME, ROOT, ask

RESULT = "/v1/data/countersign/authz/result"
CASES = []

POLICY = """package app

allow if input.user in data.lists.admins
"""
FILES = {
    ".manifest": '{"revision": "r1", "roots": ["app", "lists"]}',
    "app/p.rego": POLICY,
    "lists/data.json": '{"admins": ["ann"]}',
}


def case(function):
    CASES.append(function)
    return function


class Service(serving.World):
    """The service with two bundles (one of them pushed), a policy and some data of the API's own."""

    def __init__(self):
        super().__init__()
        self.make_key("other")
        self.build(os.path.join(ROOT, "rego-bundles", "safe-mutations"), "safe-mutations")
        self.good = open(self.build_files(FILES, "app"), "rb").read()
        config = serving.base_config(self, "safe-mutations")
        config["push"] = {"app": {"keyid": "ci", "scope": "write"}, "rival": {"keyid": "ci", "scope": "write"}}
        config["limits"] = {
            "bundle_bytes": 300000,
            "bundle_total_bytes": 1000000,
            "bundle_files": 50,
            "event_bytes": 4096,
            "event_batch": 100,
            "json_depth": 200,
            "rego_depth": 200,
            "eval_timeout_ms": 2000,
        }
        config["server"] = {"decoding": {"max_length": 200000, "gzip": {"max_length": 400000}}, "workers": 2}
        self.process, self.port = self.serve(config)
        self.expect(200, "PUT", "/v1/bundles/app", self.good)
        self.expect(200, "PUT", "/v1/policies/mine", b"package mine\n\nanswer := data.things.n + input.x\n")
        self.expect(204, "PUT", "/v1/data/things", {"n": 40})
        self.expect(202, "POST", "/v1/events", serving.spend_event("demo", "1.50"))
        self.before = self.state()

    def ask(self, *arguments, **how):
        return ask(self.port, *arguments, **how)

    def expect(self, status, *arguments, **how):
        reply = self.ask(*arguments, **how)
        assert reply.status == status, reply
        return reply

    def state(self):
        """What must not change: documents, bundles, policies, decisions, budgets."""
        decision = {
            "input": {
                "version": "countersign/v1",
                "gateway": {"kind": "test", "body": "complete"},
                "request": {"id": "t", "method": "POST", "path": "/graphql"},
                "actor": {"sub": "alice", "tenant": "demo", "roles": []},
                "graphql": {
                    "document_id": RENAME,
                    "kind": "mutation",
                    "freeform": False,
                    "batch": False,
                    "introspection": False,
                    "variables": {},
                    "digest": "sha256:" + "5a" * 32,
                },
                "cost": {"currency": "USD", "estimate_nanos": 1000000},
            }
        }
        result = self.expect(200, "POST", RESULT, decision).json()["result"]
        documents = self.expect(200, "GET", "/v1/data").json()["result"]
        del documents["countersign"]
        return {
            "allow": result["allow"],
            "codes": result["reason"]["codes"],
            "budgets": result["budgets"],
            "documents": documents,
            "bundles": self.expect(200, "GET", "/v1/bundles").json(),
            "policies": [p["id"] for p in self.expect(200, "GET", "/v1/policies").json()["result"]],
            "app": self.expect(200, "POST", "/v1/data/app/allow", {"input": {"user": "ann"}}).json(),
            "app no": self.expect(200, "POST", "/v1/data/app/allow", {"input": {"user": "eve"}}).json(),
            "mine": self.expect(200, "POST", "/v1/data/mine/answer", {"input": {"x": 2}}).json(),
        }


    def sign(self, files):
        """A signed archive of {name: text}, whether it compiles or not."""
        folder = tempfile.mkdtemp(dir=self.dir)
        for name, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            with open(os.path.join(folder, name), "w") as out:
                out.write(text)
        claims = self.write("sign.claims.json", json.dumps({"scope": "write", "keyid": "ci", "iat": int(time.time())}))
        command = [serving.COUNTERSIGN, "sign", "--bundle", ".", "--signing-alg", "ES256", "--signing-key"]
        command += [self.path("ci.pem"), "--claims-file", claims]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        names = [os.path.relpath(os.path.join(d, f), folder) for d, _, fs in os.walk(folder) for f in fs]
        return serving.archive([(n, open(os.path.join(folder, n), "rb").read()) for n in sorted(names)])


def refused(reply, status, code, *words):
    """An error in its shape, whose text has the words (the place among them)."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/json", reply
    document = reply.json()
    assert set(document) <= {"code", "message", "errors"}, document
    assert document["code"] == code and document["message"], document
    for word in words:
        assert re.search(word, json.dumps(document)), f"{word!r} is not in {document}"
    return document


# ---- JSON and YAML bodies

BROKEN_JSON = (
    b"{", b"[1,", b'{"input": ', b'{"input": {"a": }}', b'{"input": tru}', b'{"input": 01}', b'{"input": "\x01"}',
    b"{]",
    b'{"input": "\\ud83"}', b'{"input": "\\x"}', b'{"input": 1e}', b'{"input": --1}', b'{"input": NaN}',
    b"\xff\xfe", b"'a'",
    b'{"input": {"a": 1,}}', b'{"input" 1}', b"\x00", b"{'input': 1}", b'{"input": Infinity}',
)  # fmt: skip


@case
def broken_json_is_refused(w):
    words = "EOF|invalid character|unexpected|looking for|line|literal|escape|UTF"
    for text in BROKEN_JSON:
        for method, path in (("POST", "/v1/data/app/allow"), ("PUT", "/v1/data/things")):
            reply = w.ask(method, path, text, {"content-type": "application/json"})
            refused(reply, 400, "invalid_parameter", words)


@case
def truncated_json_is_refused_wherever_it_ends(w):
    whole = json.dumps({"input": {"user": "ann", "l": [1, {"ü\n": 1.5e3}, None, True]}}).encode()
    for n in range(1, len(whole)):
        refused(w.ask("POST", "/v1/data/app/allow", whole[:n]), 400, "invalid_parameter", "EOF|unexpected")


@case
def broken_yaml_is_refused(w):
    unfinished = (b"input: [1, 2", b"input: {a: 1", b'input: "x')
    for text in (*unfinished, b"a: b: c", b"\tinput: 1", b"input: *nowhere", b"- a\nb: 1"):
        reply = w.ask("POST", "/v1/data/app/allow", text, {"content-type": "application/yaml"})
        refused(reply, 400, "invalid_parameter", "line|yaml|column")


@case
def an_alias_bomb_is_refused(w):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 12)]
    text = ("\n".join(lines) + "\ninput: *a11\n").encode()
    start = time.monotonic()
    reply = w.ask("POST", "/v1/data/app/allow", text, {"content-type": "application/yaml"})
    refused(reply, 400, "invalid_parameter", "alias")
    assert time.monotonic() - start < 5


@case
def deep_nesting_is_refused(w):
    for n in (201, 5000, 90000):
        objects = min(n, 30000)
        for text in (b"[" * n + b"]" * n, b'{"a":' * objects + b"1" + b"}" * objects):
            reply = w.ask("POST", "/v1/data/app/allow", b'{"input": ' + text + b"}")
            refused(reply, 400, "invalid_parameter", "depth|deep|nest")
    refused(
        w.ask("POST", "/v1/data/app/allow", b"[" * 50000, {"content-type": "application/yaml"}),
        400,
        "invalid_parameter",
        "depth|deep|nest|line",
    )


@case
def an_enormous_body_is_refused(w):
    big = b'{"input": "' + b"x" * 300000 + b'"}'
    for method, path in (("POST", "/v1/data/app/allow"), ("PUT", "/v1/data/things"), ("PUT", "/v1/policies/mine")):
        reply = w.ask(method, path, big)
        assert reply.status in (400, 413), reply
        assert set(reply.json()) == {"code", "message"}, reply
        assert re.search("too large|length", reply.json()["message"]), reply


@case
def a_body_that_only_claims_to_be_enormous_is_refused(w):
    with socket.create_connection(("127.0.0.1", w.port), 10) as s:
        s.sendall(b"POST /v1/data/app/allow HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n")
        head = s.recv(4096)
    assert re.match(rb"HTTP/1.1 4(00|13)", head), head


@case
def a_gzipped_bomb_is_refused(w):
    bomb = gzip.compress(b'{"input": "' + b"x" * 50000000 + b'"}')
    reply = w.ask("POST", "/v1/data/app/allow", bomb, {"content-encoding": "gzip"})
    refused(reply, 400, "invalid_parameter", "gzip|too large|length")
    cut = gzip.compress(b'{"input": {"user": "ann"}}')
    for body in (cut[:-4], cut[:12], b"not gzip", cut[:-8] + b"\0" * 8):
        reply = w.ask("POST", "/v1/data/app/allow", body, {"content-encoding": "gzip"})
        refused(reply, 400, "invalid_parameter", "gzip|EOF|checksum")


@case
def numbers_beyond_reason_are_refused(w):
    for number in (b"1" * 20000, b"1e999999999", b"-1e-999999999"):
        reply = w.ask("PUT", "/v1/data/things", b'{"n": ' + number + b"}")
        refused(reply, 400, "invalid_parameter", "number|digits|exponent|range")


@case
def patches_are_refused_whole(w):
    add = {"op": "add", "path": "/m", "value": 1}
    for body, status, code in (
        (b"{", 400, "invalid_parameter"),
        ({"op": "add"}, 400, "invalid_parameter"),
        ([add, {"op": "fly", "path": "/x", "value": 1}], 400, "invalid_parameter"),
        ([add, {"op": "replace", "path": "/no/such", "value": 1}], 404, "resource_not_found"),
        ([add, {"op": "remove", "path": "/nothing"}], 404, "resource_not_found"),
    ):
        refused(w.ask("PATCH", "/v1/data/things", body), status, code)


# ---- Rego


@case
def broken_rego_is_refused_with_its_place(w):
    for text in (
        b"", b"package", b"package a b", b"pakage x", b"package p\n\nallow if {", b"package p\n\nx := ",
        b"package p\n\nx := \"abc",
        b"package p\n\nx := [1, 2", b"package p\n\n\xff\xfe", b"package p\n\nx := `abc",
        b"package p\n\n)", b"\x00\x01\x02",
        b"package p\n\nx := 1e", b"package p\n\nx := 0x", b"package p\nimport 5",
        b"package p\n\ndefault x :=", b"package p\n\nx if not",
        b"package p\n\nx contains", b"package p\n\nf(x) :=", b"package p\n\nx := {1: }",
    ):  # fmt: skip
        reply = refused(w.ask("PUT", "/v1/policies/mine", text), 400, "invalid_parameter")
        if text:
            place = reply["errors"][0]["location"]
            assert place["file"] == "mine" and place["row"] >= 1 and place["col"] >= 0, reply


@case
def rego_that_does_not_compile_is_refused_with_its_place(w):
    for text, word, row in (
        ("package p\n\nx := y", "unsafe", 3),
        ("package p\n\nx := no_such_function(1)", "undefined function", 3),
        ("package p\n\nx if x", "recursive", 3),
        ("package p\n\nx := 1 + \"a\"", "invalid argument", 3),
        ("package p\n\nx := 1\n\nx contains 2", "conflict", 3),
        ("package app\n\nimport data.lists\n\nimport data.lists\n\nallow := lists", "shadow", 5),
        ("package things\n\nn := 1", "conflicting rule for data path things/n", 3),
    ):
        reply = w.ask("PUT", "/v1/policies/mine", text.encode())
        document = refused(reply, 400, "invalid_parameter", word)
        assert document["errors"][0]["location"]["row"] == row, document


@case
def deep_rego_is_refused(w):
    for term in ("[" * 5000 + "]" * 5000, "(" * 20000, "-" * 40000 + "1"):
        text = "package p\n\nx := " + term
        refused(w.ask("PUT", "/v1/policies/mine", text.encode()), 400, "invalid_parameter")


@case
def broken_queries_are_refused(w):
    refused(w.ask("POST", "/v1/query", {"query": ""}), 500, "internal_error", "empty query")  # as OPA has it
    for query in ("x :=", "{", "data.app[", "y", "1 +", "import x", "\x00"):
        refused(w.ask("POST", "/v1/query", {"query": query}), 400, "invalid_parameter")


@case
def a_query_without_end_is_stopped(w):
    r = "numbers.range(1, 3000)"
    body = {"query": f"n := count([1 | some a in {r}; some b in {r}; some c in {r}; a * b == c])"}
    replies = []
    start = time.monotonic()
    threads = [threading.Thread(target=lambda: replies.append(w.ask("POST", "/v1/query", body))) for _ in range(4)]
    for t in threads:
        t.start()
    asked = 0
    while not replies:  # twice as many as there are workers, and others are still answered
        one = time.monotonic()
        assert w.ask("POST", "/v1/data/app/allow", {"input": {"user": "ann"}}).json() == {"result": True}
        assert time.monotonic() - one < 1.5, "a decision waited for the endless queries"
        asked += 1
    for t in threads:
        t.join()
    assert len(replies) == 4 and asked >= 3, (asked, replies)
    for reply in replies:
        refused(reply, 500, "internal_error", "eval_cancel_error", "deadline", '"row": 1')
    assert time.monotonic() - start < 15


# ---- bundles


def push(w, body, name="app", **headers):
    return w.ask("PUT", "/v1/bundles/" + name, body, {k.replace("_", "-"): v for k, v in headers.items()})


def member(name, kind=None, link="", data=None):
    info = tarfile.TarInfo(name)
    if kind is not None:
        info.type, info.linkname = kind, link
        return info
    return (name, data or b"x := 1")


@case
def a_pushed_bundle_is_taken_again(w):
    """The cases below fail for their own reasons, not for one that every push has."""
    assert push(w, w.good).status == 200
    assert push(w, base64.b64encode(w.good)).status == 200
    w.before["bundles"] = w.state()["bundles"]  # the time of activation moved


@case
def a_damaged_archive_is_refused(w):
    cut = (w.good[: len(w.good) // 2], w.good[:-1], w.good[:10])
    for body in (b"", b"not an archive", *cut, gzip.compress(b"not a tar" * 200)):
        refused(push(w, body), 400, "invalid_bundle", "bundle")
    for at in range(10, len(w.good), max(1, len(w.good) // 60)):
        flipped = bytearray(w.good)
        flipped[at] ^= 0x20
        if not says_the_same(flipped, w.good):
            refused(push(w, bytes(flipped)), 400, "invalid_bundle")


def says_the_same(archive, other):
    """Bits behind the end of a deflate stream mean nothing, and a run of zeros can be copied from anywhere in it."""
    try:
        return gzip.decompress(archive) == gzip.decompress(other)
    except (OSError, EOFError, zlib.error):
        return False


@case
def an_archive_that_reaches_outside_is_refused(w):
    entries = serving.content(w.good)
    for bad in (
        member("../../evil.rego"), member("/etc/../../evil.rego"), member("a/../../b.rego"), member("..\\evil.rego"),
        member("app/link.rego", tarfile.SYMTYPE, "/etc/passwd"), member("app/hard.rego", tarfile.LNKTYPE, "/.manifest"),
        member("app/pipe.rego", tarfile.FIFOTYPE), member("app/device.rego", tarfile.CHRTYPE),
    ):  # fmt: skip
        name = bad.name if isinstance(bad, tarfile.TarInfo) else bad[0]
        for order in ([bad, *entries], [*entries, bad]):
            document = refused(push(w, serving.archive(order)), 400, "invalid_bundle")
            assert os.path.basename(name.replace("\\", "/")) in document["message"], document
    assert not os.path.exists("/evil.rego") and not os.path.exists(os.path.join(os.path.dirname(w.dir), "evil.rego"))


@case
def a_wrong_signature_is_refused(w):
    for why, body in (
        ("signature", open(w.build_files(FILES, "strange", key="other"), "rb").read()),
        ("scope", open(w.build_files(FILES, "scoped", scope="read"), "rb").read()),
        (r"\.signatures\.json", serving.archive([e for e in serving.content(w.good) if "signatures" not in e[0]])),
    ):
        refused(push(w, body), 400, "invalid_bundle", why)


@case
def files_that_the_signature_does_not_have_are_refused(w):
    entries = serving.content(w.good)
    names = [n for n, _ in entries]
    extra = serving.archive([*entries, ("/app/extra.rego", b"package app.extra\n\nx := 1\n")])
    refused(push(w, extra), 400, "invalid_bundle", "extra.rego")
    for gone in names:
        if "signatures" not in gone:
            less = serving.archive([e for e in entries if e[0] != gone])
            refused(push(w, less), 400, "invalid_bundle", re.escape(gone.lstrip("/")))
    for changed in names:
        if "signatures" not in changed:
            edit = lambda d: d + b" " if changed.endswith("rego") else d.replace(b"a", b"e")
            other = serving.archive([(n, edit(d) if n == changed else d) for n, d in entries])
            refused(push(w, other), 400, "invalid_bundle", re.escape(os.path.basename(changed)))


@case
def a_zip_bomb_is_refused(w):
    start = time.monotonic()
    bomb = serving.archive([("big/data.json", b'{"a": "' + b"x" * 100000000 + b'"}')])
    assert len(bomb) < 200000
    refused(push(w, bomb), 413, "body_too_large", "big/data.json", "300000")
    many = serving.archive([(f"d{i}/data.json", b'{"a": "' + b"x" * 290000 + b'"}') for i in range(20)])
    refused(push(w, many), 413, "body_too_large", "1000000")
    endless = serving.archive([(f"p{i}.rego", b"package p") for i in range(5000)])
    refused(push(w, endless), 413, "body_too_large", "50")
    zeros = gzip.compress(b"\0" * 300000000, 9)
    assert push(w, zeros).status in (400, 413)
    assert time.monotonic() - start < 20


@case
def a_signed_bundle_that_does_not_fit_is_refused(w):
    rival = {".manifest": '{"roots": ["lists/more"]}', "lists/more/data.json": "{}"}
    refused(push(w, open(w.build_files(rival, "rival"), "rb").read(), "rival"), 409, "roots_conflict", "lists")
    whole = {".manifest": "{}", "data.json": "{}"}
    refused(push(w, open(w.build_files(whole, "whole"), "rb").read(), "rival"), 409, "roots_conflict")
    reserved = {".manifest": '{"roots": ["spend"]}', "spend/data.json": "{}"}
    refused(push(w, open(w.build_files(reserved, "reserved"), "rb").read(), "rival"), 409, "roots_conflict", "spend")
    unsafe = w.sign({**FILES, "app/q.rego": "package app.q\n\nx := y\n"})
    document = refused(push(w, unsafe), 422, "bundle_compile_error")
    place = document["errors"][0]["location"]
    assert place["row"] == 3 and place["file"].endswith("app/q.rego"), document
    refused(push(w, open(w.build_files(FILES, "old", iat=1000000000), "rb").read()), 409, "older_bundle", "1000000000")


@case
def a_mangled_push_is_explained(w):
    form = {"content_type": "application/x-www-form-urlencoded"}
    refused(push(w, b"a=b", **form), 400, "body_mangled", "--data-binary")
    refused(push(w, w.good, "unheard"), 404, "resource_not_found", "unheard")
    refused(push(w, w.good, "..%2f..%2fetc"), 404, "resource_not_found")


# ---- events


def rejected(reply, code, word, status=400):
    assert reply.status == status, reply
    document = reply.json()
    assert document["accepted"] == 0 and document["duplicates"] == 0 and len(document["rejected"]) == 1, document
    one = document["rejected"][0]
    assert set(one) == {"index", "id", "code", "message"} and one["index"] == 0, one
    assert one["code"] == code and re.search(word, one["message"]), one


def event(amount="1.00", **data):
    e = serving.spend_event("demo", amount)
    e["data"].update(data)
    return e


@case
def events_that_lack_something_are_refused(w):
    for name in ("specversion", "id", "source", "type", "subject", "time", "data"):
        e = event()
        del e[name]
        reply = w.ask("POST", "/v1/events", e)
        assert reply.status == 400 and name in reply.json()["rejected"][0]["message"], reply
    for name in ("tenant", "amount", "currency", "kind"):
        e = event()
        del e["data"][name]
        reply = w.ask("POST", "/v1/events", e)
        rejected(reply, "missing_field", name)


@case
def events_with_impossible_amounts_are_refused(w):
    text = json.dumps(event("AMOUNT"))
    for amount, code in (
        ("NaN", "invalid_json"), ("Infinity", "invalid_json"), ("1e400", "amount_out_of_range"),
        ('"NaN"', "invalid_amount"),
        ('"1e400"', "amount_out_of_range|invalid_amount"), ('"-1.00"', "negative_usage"), ("-1", "negative_usage"),
        ('"99999999999.00"', "amount_out_of_range"), ('""', "invalid_amount"), ('"1,00"', "invalid_amount"),
        ('" 1"', "invalid_amount"), ("null", "invalid_amount"), ("true", "invalid_amount"), ("[1]", "invalid_amount"),
        ('"0x10"', "invalid_amount"), ('"1_0"', "invalid_amount"), ('"$1"', "invalid_amount"),
        ("1e-999999999", "invalid_json"),
    ):  # fmt: skip
        reply = w.ask("POST", "/v1/events", text.replace('"AMOUNT"', amount).encode())
        assert reply.status == 400, (amount, reply)
        one = reply.json()["rejected"][0]
        assert re.fullmatch(code, one["code"]), (amount, one)
        assert re.search("amount|line 1, column", one["message"]), (amount, one)


@case
def events_with_wrong_members_are_refused(w):
    for change, code, word in (
        ({"specversion": "0.3"}, "unsupported_version", "0.3"),
        ({"id": ""}, "missing_field", "id"),
        ({"id": 7}, "missing_field", "id"),
        ({"type": "other"}, "unknown_type", "type"),
        ({"subject": "tenant/other"}, "invalid_subject", "subject"),
        ({"time": "yesterday"}, "invalid_time", "time"),
        ({"time": "2026-13-01T00:00:00Z"}, "invalid_time", "time"),
        ({"data": []}, "missing_field", "data"),
        ({"data": {**event()["data"], "kind": "gift"}}, "unknown_kind", "kind"),
        ({"data": {**event()["data"], "currency": "usd"}}, "invalid_currency", "currency"),
        ({"data": {**event()["data"], "corrects": {"id": "x"}}}, "invalid_corrects", "corrects"),
    ):
        rejected(w.ask("POST", "/v1/events", {**event(), **change}), code, word)


@case
def what_is_no_event_is_refused(w):
    for body in (b"", b"   ", b"{", b"not json", b"42", b'"x"', b"null", b"\x00", b'{"id": "a"', b"\xff\xfe{"):
        reply = w.ask("POST", "/v1/events", body, {"content-type": "application/json"})
        assert reply.status == 400, (body, reply)
        one = reply.json()["rejected"][0]
        assert one["code"] in ("invalid_json", "invalid_event") and one["message"], (body, reply)
    damaged = b"[" + json.dumps({"id": "no"}).encode() + b", {"
    assert w.ask("POST", "/v1/events", damaged).status == 400


@case
def events_beyond_the_limits_are_refused(w):
    rejected(w.ask("POST", "/v1/events", event(note="x" * 5000)), "too_large", "4096")
    deep = json.dumps(event(note="NOTE")).replace('"NOTE"', "[" * 40 + "]" * 40)
    rejected(w.ask("POST", "/v1/events", deep.encode()), "too_deep", "depth|deep|nest")
    reply = w.ask("POST", "/v1/events", [event() for _ in range(101)])
    refused(reply, 413, "too_many_events", "100")
    refused(w.ask("POST", "/v1/events", b"[" + b" " * 300000 + b"]"), 400, "invalid_parameter", "too large", "200000")


@case
def the_good_of_a_batch_counts_and_the_bad_is_named(w):
    good, bad = serving.spend_event("maestro-internal", "1.00"), {**event(), "id": "the-bad-one", "time": "x"}
    reply = w.ask("POST", "/v1/events", [good, bad, good])
    document = reply.json()
    assert reply.status == 202 and document["accepted"] == 1 and document["duplicates"] == 1, reply
    named = [(r["index"], r["id"], r["code"]) for r in document["rejected"]]
    assert named == [(1, "the-bad-one", "invalid_time")], reply


# ---- HTTP itself


@case
def broken_requests_are_refused(w):
    for text in (
        b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /v1/data HTTP/1.1\r\nhost: x\r\nhost x\r\n\r\n",
        b"POST /v1/data HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/data HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"POST /v1/data HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /v1/data HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 100000 + b"\r\n\r\n",
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", w.port), 10) as s:
            s.settimeout(10)
            try:
                s.sendall(text)
                head = s.recv(4096)
            except ConnectionError:
                continue
        assert head == b"" or re.match(rb"HTTP/1\.[01] (400|413|431|501|505) ", head), (text[:80], head)


def unchanged(function):
    """The case, and after it everything as it was."""

    def both(w):
        try:
            function(w)
        except Exception:
            w.before = w.state()  # the next case is judged by itself
            raise
        assert w.process.poll() is None, f"the service ended with status {w.process.returncode}"
        before, w.before = w.before, w.state()
        for name, value in before.items():
            assert w.before[name] == value, f"{name} changed: {str(value)[:300]} became {str(w.before[name])[:300]}"

    both.__name__ = function.__name__
    return both


def main():
    w = Service()
    serving.run_scene(w, [unchanged(c) for c in CASES], ("countersign.log",))


if __name__ == "__main__":
    main()
