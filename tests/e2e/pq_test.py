#!/usr/bin/env python3
"""Persisted queries: lists made out of clients' manifests and compared (`countersign pq`), and the decisions that are
served with them, through the gateway's endpoint and /v1/data.

Environment: COUNTERSIGN (the built program)."""

import hashlib
import json
import os
import subprocess
import tempfile
import time

import serving
from serving import COUNTERSIGN, ROOT, ask

CASES = []


def case(function):
    CASES.append(function)
    return function


def equal(got, wanted):
    assert got == wanted, f"{got!r} is not {wanted!r}"


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


RENAME = "mutation Rename($id: ID!, $n: String!) { rename(id: $id, name: $n) { id } }"
PURGE = "mutation Purge { purge { n } }"
READ = "query Read($id: ID!) {\n  entity(id: $id) { ...F }\n}\nfragment F on Entity { name }"
# the same document, written otherwise
READ_AGAIN = "fragment F on Entity { name, } # hi\n\nquery Read($id:ID!){entity(id:$id){...F}}"
DAY = 86400


def apollo(*operations):
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": list(operations)}


def operation(body, kind, name, **other):
    return {"id": sha(body), "body": body, "name": name, "type": kind, **other}


def pq(w, *arguments, status=0, **how):
    done = subprocess.run([COUNTERSIGN, "pq", *arguments], cwd=w.dir, capture_output=True, timeout=30, text=True, **how)
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def listed(w, *arguments):
    return json.loads(pq(w, "build", *arguments, "-o", "-").stdout)["operations"]


def refused(w, *arguments):
    return pq(w, "build", *arguments, "-o", "-", status=1).stderr.removeprefix("error: ").strip()


def manifest(w, name, document):
    w.write(name, document if isinstance(document, str) else json.dumps(document))
    return name


# ---- the tool


@case
def reads_every_kind_of_manifest(w):
    manifest(w, "apollo.json", apollo(operation(RENAME, "mutation", "Rename"), operation(READ, "query", "Read")))
    manifest(w, "relay.json", {hashlib.md5(PURGE.encode()).hexdigest(): PURGE})
    manifest(w, "plain.json", {"r1": READ_AGAIN})
    got = listed(w, "apollo.json", "relay.json", "plain.json", "-r", "r1")
    equal(len(got), 4)
    rename, read, again = got[sha(RENAME)], got[sha(READ)], got["r1"]
    equal(
        {k: rename[k] for k in ("name", "kind", "document_sha256", "root_fields", "risk_tags", "state", "revisions")},
        {"name": "Rename", "kind": "mutation", "document_sha256": sha(RENAME), "root_fields": ["rename"],
         "risk_tags": [], "state": "active", "revisions": ["r1"]},
    )  # fmt: skip
    equal((read["kind"], again["kind"], again["name"]), ("query", "query", "Read"))
    equal(again["document_sha256"], sha(READ_AGAIN))
    equal(read["normalized_sha256"], again["normalized_sha256"])
    assert rename["normalized_sha256"] != read["normalized_sha256"]


@case
def takes_a_hash_for_an_id_only_if_it_is_one(w):
    manifest(w, "h.json", {"sha256:" + sha(READ): READ})
    equal(list(listed(w, "h.json")), [sha(READ)])
    manifest(w, "h.json", {"sha256:" + sha(PURGE): READ})
    equal(refused(w, "h.json"), f'h.json: "sha256:{sha(PURGE)}": the id says a hash that the document does not have')


@case
def refuses_manifests_and_says_where(w):
    def why(document, *more):
        manifest(w, "m.json", document)
        return refused(w, "m.json", *more)

    equal(why('{\n "a": }'), "m.json:2:7: invalid character '}' looking for beginning of value")
    equal(why('{"a": "{x}",\n "a": "{y}"}'), "m.json:2:12: two members of this object have the same name")
    equal(why([]), "m.json: a manifest is an object")
    equal(why({"a": 1}), 'm.json: "a": must be the text of a document')
    equal(why({"a": "query {"}).split(":")[:3], ["m.json", ' "a"', " the document, 1"])
    equal(why({"a": "fragment F on T { a }"}), 'm.json: "a": the document has no operation')
    equal(why({"a b": "{x}"}), 'm.json: "a b": an id is a text without blanks, of at most 512 bytes')
    equal(why({**apollo(), "version": 2}), "m.json: version: only 1 is known")
    equal(why({**apollo(), "format": "x"}), "m.json: format: must be apollo-persisted-query-manifest")
    equal(why({**apollo(), "operations": {}}), "m.json: operations: must be an array")
    equal(why(apollo(operation(READ, "query", "Read"), 7)), "m.json: operations[1]: must be an object")
    equal(why(apollo({"id": 1, "body": READ})), "m.json: operations[0].id: must be a string")
    equal(why(apollo({"id": "x"})), "m.json: operations[0].body: must be a string")
    equal(why(apollo(operation(READ, "mutation", "Read"))), "m.json: operations[0].type: the document is a query")
    wrong_name = "m.json: operations[0].name: the document has no operation of that name"
    equal(why(apollo(operation(READ, "query", "Wrote"))), wrong_name)
    other = "m.json: operations[1]: the id x stands for another document already"
    x = {"id": "x", "body": READ}
    equal(why(apollo(x, {"id": "x", "body": PURGE})), other)
    equal(why(apollo(x, {"id": "x", "body": PURGE, "clientName": "web"})), other)
    manifest(w, "m.json", apollo(x, {"id": "x", "body": READ_AGAIN}))
    equal(len(listed(w, "m.json")), 1)
    manifest(w, "n.json", {"x": PURGE})
    equal(refused(w, "m.json", "n.json"), 'n.json: "x": the id x stands for another document already')
    assert "no such file" in refused(w, "nobody.json").lower()


@case
def sidecars_say_what_manifests_do_not(w):
    manifest(w, "m.json", {"rn": RENAME, "pg": PURGE, "rd": READ})
    w.write("s.json", json.dumps({
        "operations": {
            "pg": {"risk_tags": ["purge"], "cost": {"estimate": "1.25", "ceiling": "20"},
                   "not_before": "2026-01-01T00:00:00Z"},
            "rn": {"cost": {"estimate_nanos": 5}, "approval": {"unbound_variables": ["/n"]}, "owner": "team-a"},
        },
        "names": {"Read": {"state": "retired", "retired_at": 1798761600000000000},
                  "Purge": {"risk_tags": ["bulk"], "owner": "b"}},
    }))  # fmt: skip
    got = listed(w, "m.json", "--operations", "s.json")
    equal((got["pg"]["risk_tags"], got["pg"]["owner"]), (["purge"], "b"))  # the id weighs more than the name
    equal(got["pg"]["cost"], {"estimate_nanos": 1250000000, "ceiling_nanos": 20000000000})
    equal(got["pg"]["not_before"], 1767225600000000000)
    equal((got["rn"]["approval"], got["rn"]["owner"]), ({"unbound_variables": ["/n"]}, "team-a"))
    equal((got["rd"]["state"], got["rd"]["retired_at"]), ("retired", 1798761600000000000))
    warned = pq(w, "build", "m.json", "-o", "-").stderr
    assert "the mutation Purge (pg) has neither risk tags nor a cost" in warned and "Read" not in warned, warned


@case
def sidecars_are_refused_and_say_where(w):
    manifest(w, "m.json", {"rn": RENAME})

    def why(document):
        w.write("s.json", json.dumps(document))
        return refused(w, "m.json", "--operations", "s.json")

    equal(why({"nobody": {"risk_tags": []}}), "s.json: nobody: no manifest has this operation")
    equal(why({"rn": {"kind": "query"}}), "s.json: rn.kind: is known from the document and cannot be said here")
    equal(why({"rn": {"risk_tags": "x"}}), "s.json: rn.risk_tags: must be an array of strings")
    money = "must be an amount as a decimal string, not negative"
    equal(why({"rn": {"cost": {"estimate": 1.5}}}), f"s.json: rn.cost.estimate: {money}")
    equal(why({"rn": {"cost": {"estimate": "-1"}}}), f"s.json: rn.cost.estimate: {money}")
    equal(why({"rn": {"cost": {"estimate": "1", "estimate_nanos": 1}}}), "s.json: rn.cost: an amount is said twice")
    time_text = "must be a time (RFC 3339) or nanoseconds since 1970"
    equal(why({"rn": {"not_before": "soon"}}), f"s.json: rn.not_before: {time_text}")
    ends = {"not_before": "2026-02-01T00:00:00Z", "retired_at": "2026-01-01T00:00:00Z"}
    equal(why({"rn": ends}), "s.json: rn: it is retired before it begins (not_before, retired_at)")
    equal(why({"names": {"Rename": 1}}), "s.json: Rename: must be an object")
    equal(why({"names": {}, "tags": {}}), "s.json: tags: beside operations and names nothing is known")
    equal(why([{"risk_tags": []}]), "s.json: [0]: must have the id or the name of an operation")
    equal(why([{"id": "rn", "clientName": 1}]), "s.json: [0].clientName: must be a string that is not empty, or null")


@case
def clients_have_entries_of_their_own(w):
    manifest(w, "m.json", apollo(
        {"id": "both", "body": RENAME}, {"id": "both", "body": RENAME, "clientName": "web"},
        {"id": "web", "body": READ, "clientName": "web"},
    ))  # fmt: skip
    w.write("s.json", json.dumps([
        {"id": "both", "risk_tags": ["purge"], "cost": {"estimate": "2"}},
        {"id": "both", "clientName": "web", "risk_tags": ["bulk"], "cost": {"estimate": "1"}},
        {"name": "Rename", "clientName": "ios", "cost": {"estimate": "3"}},
    ]))  # fmt: skip
    got = listed(w, "m.json", "--operations", "s.json", "-r", "r1")
    equal(list(got["web"]), ["clients"])
    equal(got["web"]["clients"]["web"]["revisions"], ["r1"])
    both = got["both"]
    equal((both["risk_tags"], both["cost"]["estimate_nanos"]), (["purge"], 2000000000))
    # whoever calls itself "web" has it no easier than the others
    own = both["clients"]["web"]
    equal((own["risk_tags"], own["cost"]["estimate_nanos"]), (["bulk", "purge"], 2000000000))
    equal(both["clients"]["ios"]["cost"]["estimate_nanos"], 3000000000)


@case
def revisions_overlap(w):
    """r1 has Read and Rename, r2 drops Rename, r3 has Purge only."""
    manifest(w, "1.json", {"rd": READ, "rn": RENAME})
    manifest(w, "2.json", {"rd": READ})
    manifest(w, "3.json", apollo({"id": "pg", "body": PURGE, "clientName": "web"}))
    pq(w, "build", "1.json", "-r", "r1", "-o", "1.tar.gz")
    arguments = ("2.json", "-r", "r2", "--previous", "1.tar.gz", "--keep", "2", "--retire-after", "14d")
    pq(w, "build", *arguments, "-o", "2.tar.gz")
    second = listed(w, *arguments)
    equal((second["rd"]["revisions"], second["rn"]["revisions"]), (["r1", "r2"], ["r1"]))
    assert "retired_at" not in second["rd"]
    in_days = (second["rn"]["retired_at"] / 1e9 - time.time()) / DAY
    assert 13.9 < in_days < 14.1, in_days
    third = listed(w, "3.json", "-r", "r3", "--previous", "2.tar.gz", "--keep", "2")
    equal((third["rd"]["revisions"], third["rd"]["state"]), (["r2"], "active"))
    equal(third["rn"], {"state": "removed", "seen_in": "r1", "name": "Rename"})
    pq(w, "build", "3.json", "-r", "r3", "--previous", "2.tar.gz", "--keep", "2", "-o", "3.tar.gz")
    fourth = listed(w, "3.json", "-r", "r4", "--previous", "3.tar.gz", "--keep", "2")
    equal(fourth["rd"], {"state": "removed", "seen_in": "r2", "name": "Read"})
    equal(fourth["rn"]["seen_in"], "r1")
    equal(fourth["pg"]["clients"]["web"]["revisions"], ["r3", "r4"])
    back = listed(w, "1.json", "-r", "r5", "--previous", "3.tar.gz")
    equal((back["rn"]["revisions"], back["rd"]["revisions"]), (["r5"], ["r2", "r5"]))
    manifest(w, "x.json", {"rd": PURGE})
    why = "the id rd stood for another document in an earlier revision"
    equal(refused(w, "x.json", "-r", "r3", "--previous", "2.tar.gz"), why)


@case
def diff_tells_what_breaks_clients(w):
    now = time.time_ns()
    entry = {"kind": "mutation", "name": "N", "document_sha256": "a" * 64, "risk_tags": [], "state": "active"}
    base = {k: entry for k in ("same", "gone", "retired", "later", "other", "tags", "soon")}
    old = {"operations": {**base, "client": {"clients": {"web": entry, "ios": entry}}}}
    new = {"operations": {
        "same": entry, "new": entry, "retired": {**entry, "retired_at": now - 1},
        "later": {**entry, "not_before": now + 10**15},
        "other": {**entry, "document_sha256": "b" * 64}, "tags": {**entry, "risk_tags": ["purge"]},
        "client": {"clients": {"web": entry}}, "soon": {**entry, "retired_at": now + 10**15},
    }}  # fmt: skip
    w.write("old.json", json.dumps(old))
    w.write("new.json", json.dumps(new))
    got = json.loads(pq(w, "diff", "old.json", "new.json", "--format", "json", status=2).stdout)
    equal(got["breaking"], True)
    changes = {(c["id"], c.get("client"), c["change"]): c["breaking"] for c in got["changes"]}
    equal(changes, {
        ("gone", None, "removed"): True, ("new", None, "added"): False, ("retired", None, "retired"): True,
        ("retired", None, "retired_at"): False, ("later", None, "not_yet_active"): True,
        ("later", None, "not_before"): False,
        ("other", None, "document"): True, ("tags", None, "risk_tags"): False, ("client", "ios", "removed"): True,
        ("soon", None, "retired_at"): False,
    })  # fmt: skip
    text = pq(w, "diff", "old.json", "new.json", status=2).stdout.splitlines()
    assert "breaking  removed         gone (N)" in text and "          added           new (N)" in text, text
    equal(text[-1], "10 changes, 5 breaking")
    equal(pq(w, "diff", "old.json", "old.json").stdout, "0 changes, 0 breaking\n")
    later = pq(w, "diff", "old.json", "new.json", "-f", "json", "--at", "2099-01-01T00:00:00Z", status=2).stdout
    assert ("soon", "retired") in {(c["id"], c["change"]) for c in json.loads(later)["changes"]}
    manifest(w, "1.json", {"rd": READ, "rn": RENAME})
    manifest(w, "2.json", {"rd": READ_AGAIN, "pg": PURGE})
    equal(pq(w, "diff", "1.json", "2.json", status=2).stdout.splitlines()[-1], "2 changes, 1 breaking")
    pq(w, "diff", "1.json", "nobody.json", status=1)
    pq(w, "diff", "1.json", status=1)


@case
def bundles_are_signed_as_others_are(w):
    claims = w.write("pq.claims.json", json.dumps({"scope": "write", "keyid": "ci"}))
    manifest(w, "m.json", {"rd": READ})
    signing = ("--signing-alg", "ES256", "--signing-key", w.path("ci.pem"), "--claims-file", claims)
    for more in ((), ("--with", os.path.join(ROOT, "rego-bundles", "safe-mutations"))):
        pq(w, "build", "m.json", "-r", "r9", "-o", "s.tar.gz", *signing, *more)
        verify = [COUNTERSIGN, "verify", w.path("s.tar.gz"), "--verification-key", w.path("ci.pub")]
        done = subprocess.run(verify + ["--signing-alg", "ES256", "--scope", "write"], capture_output=True, text=True)
        equal((done.returncode, done.stderr), (0, ""))
    done = subprocess.run([COUNTERSIGN, "check", "-b", w.path("s.tar.gz")], capture_output=True, text=True)
    equal(done.returncode, 0)
    old = pq(w, "build", "m.json", "--previous", "s.tar.gz", "--verification-key", w.path("ci.pub"), "--signing-alg",
             "ES256", "--scope", "write", "-o", "-", "-r", "r10")  # fmt: skip
    equal(json.loads(old.stdout)["operations"]["rd"]["revisions"], ["r9", "r10"])
    w.make_key("stranger")
    pq(w, "build", "m.json", "--previous", "s.tar.gz", "--verification-key", w.path("stranger.pub"), "--signing-alg",
       "ES256", "-o", "-", status=1)  # fmt: skip
    pq(w, "build", "m.json", "-o", "x.json", "--signing-key", w.path("ci.pem"), status=1)


# ---- decisions


class Service:
    """The service with the shipped policy and a list made by the tool, pushed."""

    def __init__(self, w, env=None, **config):
        self.w = w
        self.revision = 0
        base = serving.base_config(w)
        base.pop("bundles")
        base["push"] = {"safe-mutations": {"keyid": "ci", "scope": "write"}}
        base["journal"]["sqlite"]["path"] = w.path(f"journal-{time.time_ns()}.db")
        base["persistence_directory"] = w.path(f"state-{time.time_ns()}")
        base.update(config)
        saved = dict(os.environ)
        os.environ.update(env or {})
        try:
            self.process, self.port = w.serve(base)
        finally:
            os.environ.clear()
            os.environ.update(saved)

    def push(self, *arguments):
        self.revision += 1
        claims = json.dumps({"scope": "write", "keyid": "ci", "iat": int(time.time())})
        claims = self.w.write("push.claims.json", claims)
        pq(self.w, "build", *arguments, "-r", f"r{self.revision}", "-o", "push.tar.gz", "--signing-alg", "ES256",
           "--signing-key", self.w.path("ci.pem"), "--claims-file", claims,
           "--with", os.path.join(ROOT, "rego-bundles", "safe-mutations"))  # fmt: skip
        return ask(self.port, "PUT", "/v1/bundles/safe-mutations", open(self.w.path("push.tar.gz"), "rb").read())

    def put_files(self, files):
        """Signed and packed as they are: `build` would write the data anew."""
        folder = tempfile.mkdtemp(dir=self.w.dir)
        claims = self.w.write("put.claims.json", json.dumps({"scope": "write", "keyid": "ci", "iat": int(time.time())}))
        for name, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            open(os.path.join(folder, name), "w").write(text)
        subprocess.run(
            [COUNTERSIGN, "sign", "-b", ".", "--signing-alg", "ES256", "--claims-file", claims, "--signing-key"]
            + [self.w.path("ci.pem")], cwd=folder, check=True, timeout=30,
        )  # fmt: skip
        names = [*files, ".signatures.json"]
        packed = serving.archive([(n, open(os.path.join(folder, n), "rb").read()) for n in names])
        return ask(self.port, "PUT", "/v1/bundles/safe-mutations", packed)

    def gate(self, body=None, method="POST", path="/graphql", tenant="demo", **headers):
        """The codes that refuse a request, as Envoy hears them."""
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        headers = {"x-countersign-tenant": tenant, "x-countersign-subject": "alice", **headers}
        reply = ask(self.port, method, "/v1/authz/envoy" + path, body, headers)
        assert reply.status in (200, 403), reply
        codes = set(filter(None, reply.headers.get("x-countersign-reason", "").split(",")))
        equal(reply.status == 200, not codes)
        return codes

    def decide(self, graphql, tenant="demo", **other):
        document = {
            "gateway": {"kind": "envoy_http", "body": "complete"},
            "request": {"id": "r-1", "method": "POST", "path": "/graphql", "headers": other.pop("headers", {})},
            "actor": {"sub": "alice", "tenant": tenant},
            "graphql": {"freeform": False, "batch": False, "introspection": False, "variables": {}, **graphql},
            "cost": {"currency": "USD", "estimate_nanos": 1000},
            "now": time.time_ns(),
            **other,
        }
        reply = ask(self.port, "POST", "/v1/data/countersign/authz/result", {"input": document})
        return reply.json()["result"]

    def codes(self, graphql, **other):
        return set(self.decide(graphql, **other)["reason"]["codes"])

    def drift(self):
        return ask(self.port, "GET", "/v1/persisted-queries/drift").json()


SIDE = {
    "names": {
        "Rename": {"cost": {"estimate": "0.001"}},
        "Purge": {"risk_tags": ["purge"], "cost": {"estimate": "0.1"}},
    }
}
APP = apollo(
    operation(RENAME, "mutation", "Rename"),
    operation(PURGE, "mutation", "Purge"),
    operation(READ, "query", "Read"),
    {"id": "illustrative", "body": READ},
    {"id": "web-only", "body": READ, "clientName": "web"},
)


def start(w):
    w.write("app.json", json.dumps(APP))
    w.write("side.json", json.dumps(SIDE))
    w.s = Service(w)
    reply = w.s.push("app.json", "--operations", "side.json")
    equal((reply.status, reply.json()["revision"]), (200, "r1"))


@case
def ids_are_taken_from_wherever_clients_put_them(w):
    gate, read = w.s.gate, sha(READ)
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": read}}
    for body in ({"documentId": read}, {"documentId": "sha256:" + read}, {"doc_id": read}, {"id": read},
                 {"extensions": persisted}, {"documentId": "illustrative"}):  # fmt: skip
        equal(gate(body), set())
    for path in (f"?documentId={read}", f"?doc_id={read}", f"/{read}", f"/sha256:{read}", "/persisted/illustrative",
                 "/illustrative",
                 "?extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A%22" + read + "%22%7D%7D"):  # fmt: skip
        equal(gate(None, "GET", "/graphql" + path), set())
    equal(gate({"variables": {}}, x_graphql_document_id=read), set())
    equal(gate({"documentId": sha(RENAME), "variables": {"id": "e1", "n": "x"}}), set())


@case
def an_id_that_claims_to_be_a_hash_must_be_one(w):
    equal(w.s.gate({"documentId": "sha256:illustrative", "query": READ}), {"pq_unknown", "pq_body_mismatch"})
    unknown = {"document_id": "sha256:illustrative", "kind": "query"}
    equal(w.s.codes(unknown), {"pq_unknown"})
    equal(w.s.codes({"document_id": "sha256:" + sha(READ), "kind": "query"}), set())


@case
def a_text_beside_an_id_must_be_the_documents(w):
    gate, read = w.s.gate, sha(READ)
    equal(gate({"documentId": read, "query": READ}), set())
    equal(gate({"documentId": read, "query": READ_AGAIN}), set())
    equal(gate({"documentId": read, "query": "query Read { other }"}), {"pq_body_mismatch"})
    equal(gate({"query": READ}), {"pq_required"})
    equal(gate({"documentId": read}, path="/graphql?query=%7Bother%7D"), {"pq_body_mismatch"})


@case
def batches_pass_if_every_element_does(w):
    gate, read = w.s.gate, {"documentId": sha(READ)}
    equal(gate([read, read]), set())
    assert "batch_blocked" in gate([read, {"documentId": sha(RENAME)}])
    equal(gate([read, {"documentId": "0" * 64, "query": "{x}"}]), {"pq_unknown", "pq_body_mismatch"})
    equal(gate([read, {"query": READ}]), {"pq_required"})
    equal(gate([read, {"documentId": sha(READ), "query": "{ x }"}]), {"pq_body_mismatch"})
    assert "pq_required" in gate([read], path="/graphql?documentId=" + sha(READ))
    assert "pq_required" in gate([read, [read]])
    assert "pq_required" in gate([])


@case
def mutations_do_not_come_by_get(w):
    for method in ("GET", "HEAD"):
        reply = ask(w.s.port, method, f"/v1/authz/envoy/graphql?documentId={sha(RENAME)}", None,
                    {"x-countersign-tenant": "demo", "x-countersign-subject": "alice"})  # fmt: skip
        equal((reply.status, reply.headers["x-countersign-reason"]), (403, "mutation_over_get"))
    equal(w.s.gate({"documentId": sha(RENAME)}, "GET"), {"mutation_over_get"})


def form(*parts, boundary="b0und"):
    text = "".join(f'--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n' for head, body in parts)
    return (text + f"--{boundary}--\r\n").encode(), f"multipart/form-data; boundary={boundary}"


@case
def forms_with_files_are_read(w):
    def gate(*parts):
        body, kind = form(*parts)
        return w.s.gate(body, content_type=kind)

    one = json.dumps({"documentId": sha(RENAME), "variables": {"id": "e1", "n": "x", "file": None}})
    mapped = ('name="map"', '{"0": ["variables.file"]}')
    file = ('name="0"; filename="a.bin"', "\x00any\r\n--b0un")
    equal(gate(('name="operations"', one), mapped, file), set())
    equal(gate(('name="operations"', json.dumps({"query": PURGE}))), {"pq_required", "cost_unknown"})
    assert "pq_required" in gate(('name="operations"', one), ('name="query"', PURGE))
    assert "pq_required" in gate(('name="operations"', one), ('name="operations"', json.dumps({"query": PURGE})))
    assert "pq_required" in gate(('name="operations"', one), ('name="map"', '{"0": ["documentId"]}'), file)


@case
def what_is_not_one_request_names_nothing(w):
    read = sha(READ)
    for body, kind in (
        (b'{"documentId": "%s", "QUERY": "mutation { purge { n } }"}' % read.encode(), "application/json"),
        (b'{"documentId": "%s", "documentId": "%s"}' % (sha(PURGE).encode(), read.encode()), "application/json"),
        (
            b'{"documentId": "%s", "x": "&query=mutation{purge{n}}&y="}' % read.encode(),
            "application/x-www-form-urlencoded",
        ),
        (b'{"documentId": "%s"}' % read.encode(), "application/json; charset=utf-7"),
    ):
        assert "pq_required" in w.s.gate(body, content_type=kind), body
    assert "pq_required" in w.s.gate({"documentId": read}, path=f"/graphql/{sha(RENAME)}")
    assert "pq_required" in w.s.gate({"documentId": read}, content_encoding="br")


@case
def clients_are_told_apart(w):
    body = {"documentId": "web-only"}
    equal(w.s.gate(body, apollographql_client_name="web"), set())
    unlisted = {"pq_unknown", "cost_unknown", "facts_missing"}
    equal(w.s.gate(body, apollographql_client_name="ios", x_client_version="1"), unlisted)
    equal(w.s.codes({"document_id": "web-only", "client": {"name": "web"}, "kind": "query"}), set())
    equal(w.s.codes({"document_id": "web-only", "kind": "query"}), {"pq_unknown"})


@case
def lists_that_contradict_themselves_are_refused(w):
    good = {"kind": "query", "risk_tags": []}
    before = ask(w.s.port, "GET", "/v1/bundles/safe-mutations").json()

    def why(data, name="data.json"):
        files = {".manifest": json.dumps({"revision": "w", "roots": ["operations"]}), name: data}
        reply = w.s.put_files(files)
        equal((reply.status, reply.json().get("code")), (400, "invalid_bundle"))
        return reply.json()["message"]

    one, other = json.dumps(good), json.dumps({**good, "kind": "mutation"})
    twice = "operations.a: it stands there twice, with different entries"
    equal(why('{"operations": {"a": %s, "a": %s}}' % (one, other)), twice)
    equal(why('{"a": %s, "a": %s}' % (one, other), "operations/data.json"), twice)
    equal(why(json.dumps({"operations": []})), "operations: must be an object by document id")
    equal(why(json.dumps({"operations": {"a": {"cost": {"estimate_nanos": "1"}}}})),
          "operations.a.cost.estimate_nanos: must be a whole number that is not negative")  # fmt: skip
    clients = {"clients": {"x": {**good, "document_sha256": "a" * 64}, "y": {**good, "document_sha256": "b" * 64}}}
    equal(why(json.dumps({"operations": {"a": clients}})), "operations.a.clients.y: another document under the same id")
    equal(ask(w.s.port, "GET", "/v1/bundles/safe-mutations").json(), before)
    equal(w.s.gate({"documentId": sha(READ)}), set())


@case
def those_who_forward_requests_are_answered(w):
    """Traefik and Caddy ask by GET, HAProxy by HEAD, APISIX by POST with the body."""

    def forward(method, uri, original="POST", body=None):
        own = {"x-countersign-tenant": "demo", "x-countersign-subject": "alice"}
        own.update({"x-forwarded-method": original, "x-forwarded-uri": uri})
        reply = ask(w.s.port, method, "/v1/authz/forward", body, own)
        codes = set(filter(None, reply.headers.get("x-countersign-reason", "").split(",")))
        equal(reply.status, 403 if codes else 200)
        return codes

    read, rename = sha(READ), sha(RENAME)
    for method in ("GET", "HEAD"):
        equal(forward(method, f"/graphql?documentId={read}"), set())
        equal(forward(method, f"/graphql?documentId={rename}"), set())
        equal(forward(method, f"/graphql?documentId={rename}", "GET"), {"mutation_over_get"})
        equal(forward(method, f"https://api.test/graphql?documentId={read}"), set())
        assert "pq_required" in forward(method, "/graphql")
        assert "body_unavailable" in forward(method, f"/graphql?documentId={sha(PURGE)}")
    equal(forward("POST", "/graphql", body={"documentId": rename}), set())
    assert "pq_required" in forward("POST", f"/graphql?documentId={read}", body={"documentId": rename})


@case
def a_url_within_the_url_is_not_the_url(w):
    """Another one inside of the query must not be taken for the request's."""
    own = {"x-countersign-tenant": "demo", "x-countersign-subject": "alice"}
    inner = f"/graphql?documentId=nobody&to=http://h/graphql?documentId={sha(READ)}"
    for path, header in (("/v1/authz/nginx", "x-original-uri"), ("/v1/authz/forward", "x-forwarded-uri")):
        reply = ask(w.s.port, "GET", path, None, {**own, header: inner, "x-original-method": "POST"})
        equal(reply.status, 403)
        assert "pq_unknown" in reply.headers["x-countersign-reason"].split(","), reply


@case
def without_sections_of_ours_it_is_plain_data(w):
    w.write("plain/data.json", "") if os.path.isdir(w.path("plain")) else os.mkdir(w.path("plain"))
    w.write("plain/data.json", json.dumps({"operations": [1, 2]}))
    port = serving.free_port()
    process = w.start(COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "-b", w.path("plain"))
    serving.wait_for("countersign", lambda: ask(port, "GET", "/health?bundles").status == 200, 30, process)
    equal(ask(port, "GET", "/v1/data/operations").json()["result"], [1, 2])
    w.stop(process)


@case
def drift_names_what_the_list_lacks(w):
    s = Service(w)
    equal(s.push("app.json", "--operations", "side.json").status, 200)
    start_of_drift = s.drift()
    equal((start_of_drift["entries"], start_of_drift["forgotten"]), ([], 0))
    web = {"apollographql_client_name": "web", "apollographql_client_version": "2.1"}
    for _ in range(3):
        s.gate({"documentId": "a" * 64, "operationName": "Fresh"}, **web)
    s.gate({"documentId": "a" * 64}, x_client_name="ios")
    s.gate({"query": "{ free }"}, **web)
    s.gate({"documentId": sha(READ)}, **web)
    s.gate([{"documentId": sha(READ)}, {"documentId": "b" * 64}], **web)
    s.codes({"document_id": "c" * 64}, headers={"apollographql-client-name": "kong"})
    rows = s.drift()["entries"]
    seen = {(r["document_id"], r["state"], r["client"], r["version"]): r["count"] for r in rows}
    equal(seen, {
        ("a" * 64, "unknown", "web", "2.1"): 3, ("a" * 64, "unknown", "ios", None): 1,
        (sha("{ free }"), "free_text", "web", "2.1"): 1, ("b" * 64, "unknown", "web", "2.1"): 1,
        ("c" * 64, "unknown", "kong", None): 1,
    })  # fmt: skip
    first = rows[0]
    equal((first["count"], first["operation_name"], first["seen_in"]), (3, "Fresh", None))
    assert first["first_seen"] <= first["last_seen"] and first["last_seen"].endswith("Z"), first
    text = ask(s.port, "GET", "/metrics").body.decode()
    assert 'countersign_pq_unknown_total{client="web"} 4' in text, [x for x in text.splitlines() if "pq_" in x]
    told = pq(w, "drift", "--url", f"http://127.0.0.1:{s.port}").stdout
    equal(len(json.loads(told)["entries"]), 5)
    # what a new list drops was in an old one; what it brings is drift no more
    w.write("new.json", json.dumps({"a" * 64: "{ fresh }"}))
    equal(s.push("new.json").status, 200)
    s.gate({"documentId": sha(READ)}, **web)
    rows = {r["document_id"]: r for r in s.drift()["entries"]}
    assert "a" * 64 not in rows, rows
    equal((rows[sha(READ)]["state"], rows[sha(READ)]["seen_in"]), ("unknown", "r1"))
    w.stop(s.process)


@case
def drift_keeps_to_its_size(w):
    s = Service(w)
    equal(s.push("app.json", "--operations", "side.json").status, 200)
    for _ in range(20):
        s.gate({"documentId": "often"}, x_client_name="web")
    batch = [[{"documentId": f"{i}-{k}"} for k in range(500)] for i in range(8)]
    for b in batch:
        s.gate(b, x_client_name="flood")
    got = s.drift()
    equal((len(got["entries"]), got["forgotten"]), (2048, 8 * 500 + 1 - 2048))
    equal((got["entries"][0]["document_id"], got["entries"][0]["count"]), ("often", 20))
    w.stop(s.process)


@case
def times_hold(w):
    now = time.time_ns()
    w.write("t.json", json.dumps({"old": READ, "over": RENAME, "early": PURGE, "now": "query N { n }"}))
    w.write("ts.json", json.dumps({
        "old": {"retired_at": now - 10**9}, "over": {"state": "retired"}, "early": {"not_before": now + 10**15},
        "now": {"not_before": now - 10**9, "retired_at": now + 10**15},
    }))  # fmt: skip
    s = Service(w)
    equal(s.push("t.json", "--operations", "ts.json").status, 200)
    equal(s.gate({"id": "old"}), {"pq_retired"})
    assert "pq_retired" in s.gate({"id": "over"}) and "pq_not_yet_active" in s.gate({"id": "early"})
    equal(s.gate({"id": "now"}), set())
    equal({r["document_id"]: r["state"] for r in s.drift()["entries"]},
          {"old": "retired", "over": "retired", "early": "not_yet_active"})  # fmt: skip
    w.stop(s.process)


@case
def a_document_of_an_earlier_revision_is_served_and_then_remembered(w):
    s = Service(w)
    equal(s.push("app.json", "--operations", "side.json").status, 200)
    w.write("next.json", json.dumps({"fresh": "query Fresh { fresh }"}))
    equal(s.push("next.json", "--previous", "push.tar.gz").status, 200)
    equal((s.gate({"id": sha(READ)}), s.gate({"id": "fresh"})), (set(), set()))
    equal(s.push("next.json", "--previous", "push.tar.gz", "--keep", "1").status, 200)
    reasons = s.decide({"document_id": sha(READ), "kind": "query"})["reasons"]
    equal(reasons, [{"code": "pq_unknown", "document_id": sha(READ), "seen_in": "r1"}])
    w.stop(s.process)


def phases(w, env=None, **config):
    """(mode, codes, logged, notes) of an unknown query for the tenants demo and test."""
    s = Service(w, env, **config)
    equal(s.push("app.json", "--operations", "side.json").status, 200)
    out = []
    for tenant in ("demo", "test"):
        r = s.decide({"document_id": "nope", "kind": "query"}, tenant=tenant)
        out.append((r["mode"], r["reason"]["codes"], r["logged"], r["notes"], r["would_deny"]))
    introspection = s.codes({"document_id": sha(READ), "introspection": True})
    w.stop(s.process)
    return out, introspection


ENFORCED = ("enforce", ["pq_unknown"], [], [], False)
LOGGED = ("log", [], ["pq_unknown"], [], True)
BYPASSED = ("enforce", [], [], ["bypass"], False)


@case
def the_environment_goes_before_the_configuration_and_that_before_the_bundle(w):
    blocked = {"introspection_blocked"}
    equal(phases(w), ([ENFORCED, ENFORCED], blocked))
    equal(phases(w, pq={"phase": "log"}), ([LOGGED, LOGGED], set()))
    equal(phases(w, {"PQ_PHASE": "enforce"}, pq={"phase": "log"}), ([ENFORCED, ENFORCED], blocked))
    equal(phases(w, {"PQ_PHASE": "log"}), ([LOGGED, LOGGED], set()))
    equal(phases(w, {"PQ_BYPASS": "1"}, pq={"bypass": False}), ([BYPASSED, BYPASSED], blocked))
    equal(phases(w, {"PQ_BYPASS": "0"}, pq={"bypass": True}), ([ENFORCED, ENFORCED], blocked))
    equal(phases(w, {"PQ_INTROSPECTION": "1"}), ([ENFORCED, ENFORCED], set()))
    equal(phases(w, {"PQ_INTROSPECTION": "0"}, pq={"introspection": True}), ([ENFORCED, ENFORCED], blocked))


@case
def tenants_have_phases_of_their_own(w):
    tenants = {"demo": {"pq": {"phase": "log"}}}
    equal(phases(w, pq={"phase": "enforce"}, tenants=tenants)[0], [LOGGED, ENFORCED])
    equal(phases(w, tenants=tenants)[0], [LOGGED, ENFORCED])
    equal(phases(w, {"PQ_PHASE": "enforce"}, tenants=tenants)[0], [ENFORCED, ENFORCED])


def main():
    w = serving.World()
    serving.run_scene(w, CASES, ["countersign.log"], lambda: start(w), seconds=90)


if __name__ == "__main__":
    main()
