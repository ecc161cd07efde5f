#!/usr/bin/env python3
"""A real Envoy and a real nginx, with the configurations of deploy/, ask the service before anything reaches an
upstream that records every request: what is refused is never seen there, and the client learns why.

Environment: COUNTERSIGN (the built program), ENVOY (its binary; without it the cases that need it are left out)."""

import base64
import functools
import http.server
import json
import os
import shutil
import signal
import sys
import threading
import time

import jwt
from cryptography.hazmat.primitives import serialization

import serving
from serving import ENTITY, MERGE, RENAME, ROOT, ask

ENVOY = os.environ.get("ENVOY") or ""
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or ""
CASES = []


class Upstream(http.server.ThreadingHTTPServer):
    """Answers every request with 200 and remembers it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Recorder)
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), body))
        text = b'{"data":{}}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, *_):
        pass


def key_document(w):
    """The identity provider's key, as a JWK set."""
    public = serialization.load_pem_public_key(open(w.path("idp.pub"), "rb").read()).public_numbers()
    number = lambda n: base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode()
    key = {"kty": "EC", "crv": "P-256", "kid": "idp", "use": "sig", "alg": "ES256"}
    return {"keys": [{**key, "x": number(public.x), "y": number(public.y)}]}


class Gateways(serving.World):
    """The service with both bundles and an identity provider, the upstream, Envoy and nginx in front of it."""

    def __init__(self):
        super().__init__()
        self.make_key("idp")
        self.make_key("stranger")
        self.build(os.path.join(ROOT, "rego-bundles", "safe-mutations"), "safe-mutations")
        self.build(os.path.join(ROOT, "rego-bundles", "system"), "system")
        self.write("jwks.json", json.dumps(key_document(self)))
        self.write(
            "tokens.json",
            json.dumps(
                {
                    "gateway-secret": {"subject": "edge", "roles": ["gateway"]},
                    "producer-secret": {"subject": "billing", "roles": ["producer"]},
                }
            ),
        )
        config = serving.base_config(self, "safe-mutations", "system")
        config["identity"] = {
            "jwt": {"jwks": {"file": self.path("jwks.json")}, "issuer": "https://idp.test", "audience": "countersign"},
            "tokens": {"file": self.path("tokens.json")},
        }
        self.config = config
        self.upstream = Upstream()
        self.process, self.port = self.serve(config, flags=["--h2c"])
        self.entries = {}
        self.entry_of = {}

    def shipped(self, path, port):
        """A configuration of deploy/ with the ports and the token of this run."""
        text = open(os.path.join(ROOT, "deploy", path)).read()
        for old, new in (("8080", port), ("8181", self.port), ("4000", self.upstream.server_port)):
            assert old in text, f"{path} does not name port {old}"
            for prefix in ("port_value: ", "127.0.0.1:"):
                text = text.replace(prefix + old, prefix + str(new))
        assert text.count("replace-me") == 1
        return text.replace("replace-me", "gateway-secret")

    def start_envoy(self, name):
        port = serving.free_port()
        config = self.write(name + ".yaml", self.shipped(f"envoy/{name}.yaml", port))
        process = self.start(
            ENVOY, "-c", config, "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning", log=name + ".log"
        )
        serving.wait_for(name, lambda: serving.is_open(port), 30, process)
        self.entries[name] = port

    def start_nginx(self):
        port = serving.free_port()
        self.write("countersign.conf", self.shipped("nginx/countersign.conf", port))
        temporary = "".join(
            f"    {kind}_temp_path {self.path('nginx-' + kind)};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = self.write(
            "nginx.conf",
            f"daemon off;\nworker_processes 1;\npid {self.path('nginx.pid')};\n"
            f"error_log {self.path('nginx.log')} info;\nevents {{ worker_connections 256; }}\n"
            f"http {{\n    access_log off;\n{temporary}    include countersign.conf;\n}}\n",
        )
        process = self.start(NGINX, "-p", self.dir, "-c", config, log="nginx-start.log")
        serving.wait_for("nginx", lambda: serving.is_open(port), 30, process)
        self.entries["nginx"] = port

    def token(self, tenant="test", sub="alice", key="idp", **claims):
        now = int(time.time())
        claims = {"iss": "https://idp.test", "aud": "countersign", "sub": sub, "tenant": tenant, "iat": now, **claims}
        claims.setdefault("exp", now + 300)
        claims = {k: v for k, v in claims.items() if v is not None}
        return jwt.encode(claims, open(self.path(key + ".pem")).read(), algorithm="ES256", headers={"kid": "idp"})

    def through(self, entry, method="POST", path="/graphql", body=None, token="default", **headers):
        """A client's request through a gateway: (reply, what the upstream saw of it)."""
        before = len(self.upstream.seen)
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if token == "default":
            token = self.token()
        if token is not None:
            headers["authorization"] = "Bearer " + token
        reply = ask(self.entries[self.entry_of.get(entry, entry)], method, path, body, headers)
        return reply, self.upstream.seen[before:]


def envoy(function):
    """Asked over HTTP, and again by gRPC."""

    def by_grpc(w):
        w.entry_of["envoy"] = "envoy-grpc"
        try:
            function(w)
        finally:
            w.entry_of.clear()

    by_grpc.__name__ = function.__name__ + "_by_grpc"
    if ENVOY:
        CASES.extend([function, by_grpc])
    else:
        print(f"left out: {function.__name__} (no Envoy)")
    return function


def nginx(function):
    if NGINX:
        CASES.append(function)
    else:
        print(f"left out: {function.__name__} (no nginx)")
    return function


def case(function):
    CASES.append(function)
    return function


def passed(result):
    reply, seen = result
    assert reply.status == 200 and len(seen) == 1, (reply, seen)
    return seen[0]


def refused(result, *codes, status=403):
    reply, seen = result
    assert seen == [], f"the upstream saw {seen}"
    assert reply.status == status, reply
    if codes:
        told = reply.headers.get("x-countersign-reason", "").split(",")
        assert set(codes) == set(told), f"{codes} expected: {reply}"
        assert reply.headers.get("x-countersign-decision") == "deny", reply
        in_body = {e["extensions"]["code"].lower() for e in reply.json()["errors"]}
        assert in_body == set(codes) and all(e["message"] for e in reply.json()["errors"]), reply
        assert reply.headers["content-type"] == "application/json", reply
    return reply


def graphql(document, operation, **variables):
    return {"documentId": document, "operationName": operation, "variables": variables}


rename = functools.partial(graphql, RENAME, "RenameEntity")
merge = functools.partial(graphql, MERGE, "MergeEntities")


# ---- Envoy


@envoy
def envoy_lets_what_is_allowed_pass_unchanged(w):
    body = rename(id="e1", name="Ada")
    method, path, headers, got = passed(w.through("envoy", path="/graphql?a=1", body=body))
    assert (method, path) == ("POST", "/graphql?a=1") and json.loads(got) == body
    lower = {k.lower() for k in headers}
    assert not lower & {"x-countersign-token", "x-countersign-tenant"}, headers


@envoy
def envoy_lets_a_query_pass_by_get(w):
    method, path, _, _ = passed(w.through("envoy", "GET", f"/graphql?documentId={ENTITY}"))
    assert method == "GET" and ENTITY in path


@envoy
def envoy_takes_the_id_from_any_of_its_places(w):
    apollo = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": RENAME}}, "variables": {"id": "e1"}}
    passed(w.through("envoy", body=apollo))
    passed(w.through("envoy", body={"documentId": "sha256:" + RENAME}))
    passed(w.through("envoy", body={"doc_id": RENAME}))
    passed(w.through("envoy", body={"variables": {}}, x_graphql_document_id=RENAME))


@envoy
def envoy_refuses_an_unknown_document(w):
    refused(w.through("envoy", body=graphql("0" * 64, "Unheard")), "pq_unknown", "cost_unknown", "facts_missing")


@envoy
def envoy_refuses_free_text(w):
    refused(w.through("envoy", body={"query": "mutation { purge }"}), "pq_required", "cost_unknown")
    refused(w.through("envoy", body={"query": "{ entity(id: 1) { name } }"}), "pq_required")


@envoy
def envoy_refuses_introspection(w):
    reply = w.through("envoy", body={"query": "{ __schema { types { name } } }"})
    refused(reply, "pq_required", "introspection_blocked")


@envoy
def envoy_refuses_a_text_that_is_not_the_documents(w):
    refused(w.through("envoy", body={**rename(), "query": "mutation { purge }"}), "pq_body_mismatch")


@envoy
def envoy_refuses_a_batch(w):
    reply, seen = w.through("envoy", body=[rename(), rename()])
    refused((reply, seen))
    assert "batch_blocked" in reply.headers["x-countersign-reason"].split(","), reply


@envoy
def envoy_refuses_a_mutation_by_get(w):
    refused(w.through("envoy", "GET", f"/graphql?documentId={RENAME}"), "mutation_over_get")


@envoy
def envoy_refuses_what_names_two_documents(w):
    """An upstream might run the other one."""
    other = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": MERGE}}}
    for result in (
        w.through("envoy", body={**rename(), **other}),
        w.through("envoy", body=rename(), path=f"/graphql?documentId={MERGE}"),
        w.through("envoy", body=rename(), x_graphql_document_id=MERGE),
        w.through("envoy", body=rename(), path=f"/graphql?documentId={RENAME}&documentId={MERGE}"),
        w.through("envoy", body=rename(), path="/graphql?operationName=Other"),
        w.through("envoy", body=rename(id="e1"), path="/graphql?variables=%7B%22id%22:%22e2%22%7D"),
    ):
        reply = refused(result)
        assert "pq_required" in reply.headers["x-countersign-reason"], reply
    refused(w.through("envoy", body=rename(), path="/graphql?query=mutation%7Bpurge%7D"), "pq_body_mismatch")
    passed(w.through("envoy", body=rename(), path=f"/graphql?documentId={RENAME}", x_graphql_document_id=RENAME))


@envoy
def envoy_lets_no_body_hide_behind_the_url(w):
    """The document named in the URL is harmless; what the body holds need not be."""
    harmless = f"/graphql?documentId={ENTITY}"
    for body, kind in (
        ([rename(), merge()], "application/json"),
        (b"mutation { purge }", "application/graphql"),
        (b"query=mutation%7Bpurge%7D", "application/x-www-form-urlencoded"),
        (b"--x\r\ncontent-disposition: form-data; name=operations\r\n\r\n{}\r\n--x--", "multipart/form-data"),
        ({"query": "mutation { purge }"}, "application/json"),
        ({"documentId": MERGE}, "application/json"),
    ):
        reply = refused(w.through("envoy", path=harmless, body=body, content_type=kind))
        assert "pq_" in reply.headers["x-countersign-reason"], reply


@envoy
def envoy_asks_for_approval(w):
    refused(w.through("envoy", body=merge(**{"from": ["e1"], "to": "e2"})), "approval_required")
    refused(
        w.through("envoy", body=merge(to="e2", approvers=["alice", "bob"])), "approval_required", "self_approval"
    )
    passed(w.through("envoy", body=merge(to="e2", approvers=["bob", "carol"])))


@envoy
def envoy_refuses_without_a_tenant(w):
    for token in (w.token(tenant=None), None):
        reply, seen = w.through("envoy", body=rename(), token=token)
        refused((reply, seen))
        assert "tenant_unknown" in reply.headers["x-countersign-reason"], reply
    reply = refused(w.through("envoy", body=rename(), token=w.token(tenant="nobody")))
    assert "tenant_unknown" in reply.headers["x-countersign-reason"], reply


@envoy
def envoy_gives_no_say_to_clients_about_their_tenant(w):
    mine = {"x_countersign_tenant": "test", "x_countersign_subject": "alice", "x_countersign_token": "gateway-secret"}
    for token in (None, w.token(key="stranger"), w.token(exp=int(time.time()) - 3600), w.token(aud="other"), "junk"):
        reply = refused(w.through("envoy", body=rename(), token=token, **mine))
        assert "tenant_unknown" in reply.headers["x-countersign-reason"], reply


@envoy
def envoy_refuses_a_body_that_is_no_json(w):
    for text in (b"mutation { purge }", b'{"documentId":', b"\x00\xff", b"42"):
        reply = refused(w.through("envoy", body=text, content_type="application/json"))
        assert "body_unavailable" in reply.headers["x-countersign-reason"], reply


@envoy
def envoy_refuses_a_body_beyond_its_limit(w):
    refused(w.through("envoy", body=rename(name="x" * 70000)), status=413)
    passed(w.through("envoy", body=rename(name="x" * 60000)))


@envoy
def envoy_sees_neither_5xx_nor_2xx_for_a_refusal(w):
    """A status beyond 499 would leave the choice to failure_mode_allow."""
    own = {"x-countersign-token": "gateway-secret", "authorization": "Bearer " + w.token()}
    paths = ("", "/", "/graphql", "/graphql/../v1/data", "/%2e%2e/x", "/a//b", "/%zz", "/?documentId=" + "9" * 3000)
    for path in paths:
        for method in ("POST", "GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
            reply = ask(w.port, method, "/v1/authz/envoy" + path, b"{" if method == "POST" else None, own)
            assert 400 <= reply.status < 500, (method, path, reply)


# ---- nginx


@nginx
def nginx_lets_what_is_allowed_pass_unchanged(w):
    body = {"variables": {"id": "e1"}}
    method, path, headers, got = passed(w.through("nginx", body=body, x_graphql_document_id=RENAME))
    assert method == "POST" and path == "/graphql" and json.loads(got) == body
    assert not {k.lower() for k in headers} & {"x-countersign-token", "x-countersign-tenant"}, headers
    passed(w.through("nginx", path=f"/graphql?documentId={RENAME}", body=body))
    passed(w.through("nginx", "GET", f"/graphql?documentId={ENTITY}"))


def no_document(code):
    """What refuses a request without a known document and without a body."""
    return (code, "cost_unknown", "body_unavailable", "facts_missing")


@nginx
def nginx_refuses_and_tells_why(w):
    refused(w.through("nginx", "GET", f"/graphql?documentId={RENAME}"), "mutation_over_get")
    refused(w.through("nginx", body={}, path="/graphql?documentId=" + "0" * 64), *no_document("pq_unknown"))
    refused(w.through("nginx", body={"query": "mutation { purge }"}), *no_document("pq_required"))
    refused(w.through("nginx", body=[rename(), rename()]), *no_document("pq_required"))
    text = "/graphql?query=mutation%7Bpurge%7D"
    refused(w.through("nginx", path=text, body={}), "pq_required", "cost_unknown", "body_unavailable")
    refused(
        w.through("nginx", path=f"/graphql?documentId={MERGE}", body=merge(approvers=["bob", "carol"])),
        "approval_required",
        "body_unavailable",
    )


@nginx
def nginx_gives_no_say_to_clients_about_their_tenant(w):
    mine = {"x_countersign_tenant": "test", "x_countersign_subject": "alice", "x_original_uri": "/x"}
    for token in (None, w.token(key="stranger"), w.token(tenant=None)):
        reply = refused(w.through("nginx", body={}, x_graphql_document_id=RENAME, token=token, **mine))
        assert "tenant_unknown" in reply.headers["x-countersign-reason"], reply


@nginx
def nginx_refuses_a_body_beyond_its_limit(w):
    before = len(w.upstream.seen)
    reply = refused(w.through("nginx", body=b"x" * 1100000, x_graphql_document_id=RENAME), status=413)
    assert len(w.upstream.seen) == before, reply


@case
def nginx_is_told_200_401_or_403_only(w):
    """Anything else would be a 500 to the client, without a reason."""
    own = {"x-countersign-token": "gateway-secret", "authorization": "Bearer " + w.token()}
    targets = ("/", "", "graphql", "/?", "/graphql?documentId=%zz", "http://h", "http://h/x?y", "/" + "a" * 4000, "?")
    for target in targets:
        for method in ("POST", "GET", "", "BREW"):
            headers = {**own, "x-original-uri": target, "x-original-method": method}
            reply = ask(w.port, "GET", "/v1/authz/nginx", None, headers)
            assert reply.status == 403, (target, method, reply)
            assert len(reply.headers["x-countersign-body"]) < 4096, reply
    for token in ("nobody", "", "producer-secret"):
        reply = ask(w.port, "GET", "/v1/authz/nginx", None, {"x-countersign-token": token})
        assert reply.status in (401, 403), (token, reply)


# ---- Apollo's Router: the same protocol that its coprocessors speak


def coprocessor(w, body, stage="SupergraphRequest", token="default", role="gateway-secret", ident=None, **more):
    """A call of the Router's for a client's request: the reply's body, checked for what it must not change."""
    call = {"version": 1, "stage": stage, "control": "continue", "id": ident or serving.uuid.uuid4().hex,
            "method": "POST", "path": "/graphql", "context": {"entries": {}}, "sdl": "type Query { a: Int }", **more}
    token = w.token() if token == "default" else token
    call["headers"] = {"accept": ["*/*"], "content-type": ["application/json"], "x-countersign-tenant": ["test"],
                       "x-countersign-subject": ["root"]}
    if token is not None:
        call["headers"]["authorization"] = ["Bearer " + token]
    call["body"] = json.dumps(body) if stage == "RouterRequest" else body
    reply = ask(w.port, "POST", "/v1/authz/apollo", call, {"x-countersign-token": role})
    assert reply.status == 200 and reply.headers["content-type"] == "application/json", reply
    answer = reply.json()
    for member in ("version", "stage", "id"):
        assert answer[member] == call[member], reply
    return answer, call


def goes_on(result):
    answer, call = result
    assert answer["control"] == "continue" and "body" not in answer, answer
    assert all(answer["headers"][k] == v for k, v in call["headers"].items()), answer
    return answer


def breaks(result, code, status=403):
    answer, _ = result
    assert answer["control"] == {"break": status}, answer
    body = json.loads(answer["body"]) if answer["stage"] == "RouterRequest" else answer["body"]
    assert code in {e["extensions"]["code"].lower() for e in body["errors"]}, answer
    return answer


@case
def apollo_lets_what_is_allowed_go_on(w):
    for stage in ("SupergraphRequest", "RouterRequest"):
        answer = goes_on(coprocessor(w, rename(id="1", name="x"), stage))
        assert answer["headers"]["x-countersign-decision"] == ["allow"], answer
        query = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": ENTITY}}, "variables": {"id": "1"}}
        goes_on(coprocessor(w, query, stage))


@case
def apollo_breaks_off_what_is_refused(w):
    for stage in ("SupergraphRequest", "RouterRequest"):
        breaks(coprocessor(w, {"documentId": "ff" * 32}, stage), "pq_unknown")
        breaks(coprocessor(w, {"query": "mutation { a }"}, stage), "pq_required")
        breaks(coprocessor(w, merge(**{"from": ["a"], "to": "b"}), stage), "approval_required")
    breaks(coprocessor(w, rename(id="1", name="x"), method="GET"), "mutation_over_get")
    answer, _ = coprocessor(w, None)
    assert answer["control"] == {"break": 403}, answer


@case
def apollo_gives_no_say_to_clients_about_who_they_are(w):
    for token in (None, w.token(tenant=None), w.token(key="stranger"), w.token(exp=int(time.time()) - 3600)):
        answer, _ = coprocessor(w, rename(id="1", name="x"), token=token)
        assert answer["control"] == {"break": 403}, answer
    goes_on(coprocessor(w, rename(id="1", name="x")))


@case
def apollo_is_told_what_is_wrong_with_a_call(w):
    headers = {"x-countersign-token": "gateway-secret"}
    good = {"version": 1, "stage": "SupergraphRequest", "control": "continue", "id": "1"}
    for call in (b"{", b"[]", {**good, "version": 2}, {**good, "stage": "SubgraphResponse"}, {"version": 1}):
        reply = ask(w.port, "POST", "/v1/authz/apollo", call, headers)
        assert reply.status == 400 and reply.json()["code"] == "invalid_coprocessor_request", (call, reply)
    assert ask(w.port, "POST", "/v1/authz/apollo", good, {"x-countersign-token": "producer-secret"}).status == 403


@case
def a_gateway_needs_its_role(w):
    body = rename()
    for path in ("/v1/authz/envoy/graphql", "/v1/authz/nginx"):
        method = "GET" if path.endswith("nginx") else "POST"
        for headers in ({}, {"x-countersign-token": "junk"}, {"authorization": "Bearer " + w.token(roles=["viewer"])}):
            reply = ask(w.port, method, path, body if method == "POST" else None, headers)
            assert reply.status in (401, 403), reply
            assert reply.headers.get("x-countersign-decision") != "allow", reply


# ---- spent, gone


@case
def a_spent_budget_refuses_through_every_gateway(w):
    token = w.token(tenant="demo")
    for entry in w.entries:
        passed(w.through(entry, body=rename(), token=token, x_graphql_document_id=RENAME))
    posted = ask(
        w.port,
        "POST",
        "/v1/events",
        serving.spend_event("demo", "25.00"),
        {"authorization": "Bearer producer-secret"},
    )
    assert posted.status == 202 and posted.json()["accepted"] == 1, posted
    for entry in w.entries:
        refused(w.through(entry, body=rename(), token=token, x_graphql_document_id=RENAME), "budget_exceeded")
        passed(w.through(entry, body=rename(), x_graphql_document_id=RENAME))  # another tenant


@case
def when_the_service_is_gone_nothing_passes(w):
    how = dict(body=rename(), x_graphql_document_id=RENAME)
    for entry in w.entries:
        passed(w.through(entry, **how))
    w.stop(w.process, signal.SIGKILL)
    for entry in w.entries:
        for _ in range(3):
            refused(w.through(entry, **how))
    w.process, _ = w.serve(w.config, w.port, flags=["--h2c"])
    for entry in w.entries:
        back = lambda: w.through(entry, **how)[0].status == 200
        serving.wait_for(f"{entry}: requests pass again", back, 15)


@case
def when_the_service_hangs_nothing_passes(w):
    how = dict(body=rename(), x_graphql_document_id=RENAME)
    os.kill(w.process.pid, signal.SIGSTOP)
    try:
        for entry in w.entries:
            refused(w.through(entry, **how))
    finally:
        os.kill(w.process.pid, signal.SIGCONT)


def main():
    w = Gateways()

    def start():
        if ENVOY:
            w.start_envoy("envoy")
            w.start_envoy("envoy-grpc")
        if NGINX:
            w.start_nginx()

    logs = ("countersign.log", "envoy.log", "envoy-grpc.log", "nginx.log", "nginx-start.log")
    serving.run_scene(w, CASES, logs, start)


if __name__ == "__main__":
    main()
