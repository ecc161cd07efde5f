#!/usr/bin/env python3
"""Who may do what: every endpoint of the service for each role, allowed and refused; tokens and the ways to forge them;
an identity provider that rotates its keys and is away; client certificates; a tokens file that changes.

Environment: COUNTERSIGN (the built program)."""

import base64
import concurrent.futures
import http.client
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import uuid

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import COUNTERSIGN, ROOT, World, ask, base_config, free_port, run_scene  # noqa: E402
from serving import spend_event, wait_for  # noqa: E402

CASES = []
ROLES = "viewer producer publisher gateway approver manager tenant_admin finops_admin auditor".split()
FINOPS, VIEWER = "finops_admin", "viewer"
READS_APPROVALS = {VIEWER, "approver", "manager", FINOPS, "auditor"}
BUDGET = {"budget": "daily", "limit": "24.00", "reason": "test"}
# (method, path, body, who may); all others get 403 forbidden.
ROWS = [
    ("GET", "/v1/bundles", None, {"publisher", VIEWER, FINOPS, "auditor"}),
    ("GET", "/v1/bundles/extra", None, {"publisher"}),
    ("PUT", "/v1/bundles/extra", b"no archive", {"publisher"}),
    ("DELETE", "/v1/bundles/extra", None, {"publisher"}),
    ("GET", "/v1/bundles/emergency-override", None, {FINOPS}),
    ("PUT", "/v1/bundles/emergency-override", b"no archive", {FINOPS}),
    ("DELETE", "/v1/bundles/emergency-override", None, {FINOPS}),
    ("POST", "/v1/events", {}, {"producer"}),
    ("GET", "/v1/spend/demo", None, {VIEWER, FINOPS, "tenant_admin"}),
    ("GET", "/v1/spend/test", None, {VIEWER, FINOPS}),
    ("GET", "/v1/cost", None, {VIEWER, FINOPS}),
    ("GET", "/v1/reports/finops", None, {VIEWER, FINOPS}),
    ("GET", "/v1/reconciliations", None, {VIEWER, FINOPS}),
    ("POST", "/v1/reconciliations", {}, {FINOPS}),
    ("GET", "/v1/forecast/demo", None, {VIEWER, FINOPS, "tenant_admin"}),
    ("GET", "/v1/forecast/test", None, {VIEWER, FINOPS}),
    ("GET", "/v1/tenants/demo/budget", None, {VIEWER, FINOPS, "tenant_admin"}),
    ("GET", "/v1/tenants/test/budget", None, {VIEWER, FINOPS}),
    ("PUT", "/v1/tenants/demo/budget", BUDGET, {FINOPS, "tenant_admin"}),
    ("PUT", "/v1/tenants/test/budget", BUDGET, {FINOPS}),
    ("DELETE", "/v1/tenants/demo/budget?budget=daily", None, {FINOPS, "tenant_admin"}),
    ("DELETE", "/v1/tenants/test/budget?budget=daily", None, {FINOPS}),
    ("GET", "/v1/holds/none", None, {"gateway", FINOPS}),
    ("POST", "/v1/holds/none/settle", {"amount": "1.00"}, {"gateway", FINOPS}),
    ("POST", "/v1/holds/none/void", None, {"gateway", FINOPS}),
    ("GET", "/v1/approvals", None, READS_APPROVALS),
    ("GET", "/v1/approvals?tenant=demo", None, READS_APPROVALS | {"tenant_admin"}),
    ("GET", "/v1/approvals?tenant=test", None, set()),  # whoever is of a tenant sees its own
    ("GET", "/v1/approvals/none", None, READS_APPROVALS),
    ("POST", "/v1/approvals/none/approve", {}, {"approver", "manager"}),
    ("POST", "/v1/approvals/none/reject", {}, {"approver", "manager"}),
    ("POST", "/v1/approvals/none/revoke", {}, {"approver", "manager"}),
    ("POST", "/v1/approvals/none/delegate", {"to": "x"}, {"approver", "manager"}),
    ("POST", "/v1/approvals/bulk", {"ids": [], "decision": "approve"}, {"approver", "manager"}),
    ("GET", "/v1/persisted-queries/drift", None, {VIEWER, "publisher"}),
    ("GET", "/v1/audit", None, {"auditor"}),
    ("GET", "/v1/audit/head", None, {"auditor"}),
    ("POST", "/v1/authz/envoy/graphql", {}, {"gateway"}),
    ("GET", "/v1/authz/nginx", None, {"gateway"}),
    ("POST", "/v1/authz/apollo", {}, {"gateway"}),
    ("POST", "/v1/compensations/replay", {"last": 1, "dry_run": True}, {FINOPS}),
    ("GET", "/admin/budget/status", None, {VIEWER, FINOPS}),
]
ANYONE = [("GET", "/health/budget"), ("GET", "/health")]


def case(function):
    CASES.append(function)
    return function


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider(http.server.ThreadingHTTPServer):
    """An identity provider: serves the public keys that it has at the moment, and counts who asks."""

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Keys)
        self.keys, self.asked = [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Keys(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        text = json.dumps({"keys": [jwk(key, kid) for kid, key in self.server.keys]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def jwk(key, kid):
    numbers = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        number = lambda n: b64(n.to_bytes((n.bit_length() + 7) // 8, "big"))
        return {"kty": "RSA", "kid": kid, "use": "sig", "n": number(numbers.n), "e": number(numbers.e)}
    return {"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig"} | {
        axis: b64(getattr(numbers, axis).to_bytes(32, "big")) for axis in "xy"
    }


def make_token(key, kid, alg="ES256", drop=(), **claims):
    now = int(time.time())
    whole = {
        "sub": "ada",
        "iss": "https://idp.test",
        "aud": "countersign",
        "iat": now,
        "exp": now + 300,
        "roles": ["viewer"],
        **claims,
    }
    for name in drop:
        del whole[name]
    return jwt.encode(whole, key, alg, headers={"kid": kid} if kid is not None else None)


class Scene(World):
    def __init__(self):
        super().__init__()
        for name in ("safe-mutations", "system"):
            self.build(os.path.join(ROOT, "rego-bundles", name), name)
        self.tokens = {
            role + "-secret": {"subject": role + "-1", "roles": [role], "tenant": "demo"} for role in ROLES
        }
        self.write("tokens.json", json.dumps(self.tokens))
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.provider = Provider()
        self.provider.keys = [("k1", self.key)]

    def config(self, name="main", **identity):
        config = base_config(self, "safe-mutations", "system")
        config["journal"] = {"sqlite": {"path": self.path(name + ".db")}}
        config["push"] = {"extra": {"keyid": "ci", "scope": "write"}, "emergency-override": {"keyid": "ci"}}
        config["approvals"] = {}
        config["audit"] = {"dir": self.path(name + "-audit"), "sync": "interval"}
        config["identity"] = {"tokens": {"file": self.path("tokens.json")}, **identity}
        return config

    def jwt(self, **more):
        return {
            "jwks": {"url": f"http://127.0.0.1:{self.provider.server_port}/keys"},
            "issuer": "https://idp.test",
            "audience": "countersign",
            "algorithms": ["ES256"],
            **more,
        }

    def start_main(self):
        self.started = time.monotonic()
        self.process, self.port = self.serve(self.config(jwt=self.jwt()))

    def end(self):
        self.provider.stop()
        super().end()


def as_token(token):
    return {"authorization": "Bearer " + token}


def status(w, token, path="/v1/cost", port=None):
    return ask(port or w.port, "GET", path, headers=as_token(token)).status


@case
def every_row_for_each_role(w):
    wrong = []
    for method, path, body, may in ROWS:
        for role in ROLES:
            reply = ask(w.port, method, path, body, as_token(role + "-secret"))
            # A gateway's 403 may be the decision that it asked for.
            refused = reply.status == 403 and reply.json().get("code") == "forbidden"
            if refused == (role in may) or reply.status == 401:
                wrong.append((method, path, role, reply.status, reply.body[:200]))
        assert ask(w.port, method, path, body).status == 401, (method, path)
        assert ask(w.port, method, path, body, as_token("unknown")).status == 401, (method, path)
    assert not wrong, "\n".join(map(str, wrong))
    for method, path in ANYONE:
        assert ask(w.port, method, path).status == 200, path


@case
def a_tenants_admin_stays_in_the_tenant_and_its_bounds(w):
    change = lambda tenant, limit: ask(
        w.port,
        "PUT",
        f"/v1/tenants/{tenant}/budget",
        {"budget": "daily", "limit": limit, "reason": "more"},
        as_token("tenant_admin-secret"),
    )
    assert change("demo", "40.00").status == 200
    for tenant, limit in (("demo", "40.01"), ("test", "1.00"), ("demo", "much"), ("%64emo/../test", "1.00")):
        assert change(tenant, limit).status in (403, 307), (tenant, limit)
    for path in ("/v1/tenants/demo/budget/../../test/budget", "/v1/tenants//test/budget", "/v1/spend/demo%2F..%2Ftest"):
        assert ask(w.port, "GET", path, headers=as_token("tenant_admin-secret")).status in (307, 403, 404), path


@case
def roles_of_a_token(w):
    for roles, path, want in (
        (["viewer"], "/v1/cost", 200),
        ("viewer", "/v1/cost", 200),
        (["FinOps Admin"], "/v1/cost", 200),
        (["finops-admin"], "/v1/bundles/emergency-override", 404),
        (["producer", "viewer"], "/v1/cost", 200),
        (["producer"], "/v1/cost", 403),
        (["root"], "/v1/cost", 403),
        ([], "/v1/cost", 403),
        ({"viewer": True}, "/v1/cost", 403),
        ([["viewer"]], "/v1/cost", 403),
    ):
        assert status(w, make_token(w.key, "k1", roles=roles), path) == want, (roles, path)
    assert status(w, make_token(w.key, "k1", drop=["roles"])) == 403


@case
def claims_must_hold(w):
    now = int(time.time())
    good = [
        {},
        {"exp": now - 20},
        {"nbf": now + 20, "iat": now + 20},
        {"aud": ["other", "countersign"]},
    ]
    bad = [
        {"exp": now - 40},
        {"nbf": now + 60},
        {"iat": now + 60},
        {"aud": "other"},
        {"aud": []},
        {"iss": "https://idp.test/"},
        {"exp": "tomorrow"},
    ]
    for claims in good:
        assert status(w, make_token(w.key, "k1", **claims)) == 200, claims
    for claims in bad:
        assert status(w, make_token(w.key, "k1", **claims)) == 401, claims
    for name in ("exp", "aud", "iss"):
        assert status(w, make_token(w.key, "k1", drop=[name])) == 401, name


@case
def forged_tokens_are_refused(w):
    good = make_token(w.key, "k1")
    head, payload, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    stolen = b64(json.dumps({**claims, "roles": ["finops_admin"]}).encode())
    none = b64(json.dumps({"alg": "none", "typ": "JWT", "kid": "k1"}).encode())
    public = w.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secret = b64(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "k1"}).encode()) + "." + payload
    import hashlib
    import hmac

    confused = secret + "." + b64(hmac.new(public, secret.encode(), hashlib.sha256).digest())
    stranger = ec.generate_private_key(ec.SECP256R1())
    own_key = jwt.encode(claims, stranger, "ES256", headers={"kid": "k1", "jwk": jwk(stranger, "k1")})
    elsewhere = jwt.encode(claims, stranger, "ES256", headers={"kid": "k1", "jku": "http://127.0.0.1:1/"})
    critical = jwt.encode(claims, w.key, "ES256", headers={"kid": "k1", "crit": ["x"], "x": 1})
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for token in (
        f"{head}.{stolen}.{signature}",
        f"{none}.{stolen}.",
        f"{none}.{payload}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{b64(bytes(64))}",
        confused,
        own_key,
        elsewhere,
        critical,
        make_token(stranger, "k1"),
        make_token(rsa_key, "k1", alg="RS256"),
        good + "x",
        good.rsplit(".", 1)[0],
        "x",
    ):
        assert status(w, token) == 401, token
    reply = ask(w.port, "GET", "/v1/cost", headers=as_token("x.y.z"))
    assert reply.headers["www-authenticate"].startswith("Bearer"), reply
    assert status(w, good) == 200


@case
def claims_have_other_names(w):
    config = w.config(
        "names",
        jwt=w.jwt(claims={"subject": "upn", "roles": "realm_access.roles", "tenant": "https://x.test/tenant"}),
    )
    process, port = w.serve(config)
    claims = {"upn": "bob", "realm_access": {"roles": ["Tenant Admin"]}, "https://x.test/tenant": "demo"}
    token = make_token(w.key, "k1", **claims)
    assert status(w, token, "/v1/spend/demo", port) == 200
    assert status(w, token, "/v1/spend/test", port) == 403
    w.stop(process)


@case
def a_provider_that_is_away_keeps_nobody_away(w):
    port = free_port()
    config = w.config("away", jwt={**w.jwt(), "jwks": {"url": f"http://127.0.0.1:{port}/keys", "refresh": "1s"}})
    process, served = w.serve(config)
    assert status(w, "viewer-secret", port=served) == 200
    assert status(w, make_token(w.key, "k1"), port=served) == 401
    provider = Provider(port)
    provider.keys = [("k1", w.key)]
    wait_for("the keys", lambda: status(w, make_token(w.key, "k1"), port=served) == 200, 10)
    provider.stop()
    time.sleep(1.2)
    assert status(w, make_token(w.key, "k1"), port=served) == 200
    assert status(w, make_token(w.key, "k9"), port=served) == 200, "the key is known, whatever its name"
    w.stop(process)


@case
def the_tokens_file_is_read_again(w):
    changed = {**w.tokens, "new-secret": {"subject": "new", "roles": ["viewer"]}}
    del changed["auditor-secret"]
    assert status(w, "new-secret") == 401 and status(w, "auditor-secret", "/v1/bundles") == 200
    w.write("tokens.json", json.dumps(changed))
    wait_for("the new token", lambda: status(w, "new-secret") == 200, 5)
    assert status(w, "auditor-secret", "/v1/bundles") == 401
    w.write("tokens.json", json.dumps(changed)[:-20])
    time.sleep(2.2)
    assert status(w, "new-secret") == 200
    os.remove(w.path("tokens.json"))
    time.sleep(1.2)
    assert status(w, "new-secret") == 200
    w.write("tokens.json", json.dumps({"tokens": [{"token": t, **row} for t, row in w.tokens.items()]}))
    wait_for("the old tokens", lambda: status(w, "auditor-secret", "/v1/bundles") == 200, 5)
    assert status(w, "new-secret") == 401


@case
def keys_rotate_without_a_refusal(w):
    next_key = ec.generate_private_key(ec.SECP256R1())
    w.provider.keys.append(("k2", next_key))
    time.sleep(max(0.0, 5.1 - (time.monotonic() - w.started)))  # one fetch in five seconds
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        token = make_token(next_key, "k2")
        assert set(pool.map(lambda _: status(w, token), range(16))) == {200}
        before = w.provider.asked
        junk = [make_token(ec.generate_private_key(ec.SECP256R1()), uuid.uuid4().hex) for _ in range(40)]
        assert set(pool.map(lambda t: status(w, t), junk)) == {401}
        assert w.provider.asked - before <= 1, w.provider.asked - before
    assert status(w, make_token(w.key, "k1")) == 200


# ---- client certificates


def run(w, *command):
    done = subprocess.run(["openssl", *command], capture_output=True, cwd=w.dir)
    assert done.returncode == 0, done.stderr.decode()


def make_certificates(w):
    def make(name, subject, extra="", ca="ca"):
        run(w, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-subj", subject, "-out", name + ".csr")  # fmt: skip
        w.write(name + ".ext", extra)
        run(w, "x509", "-req", "-in", name + ".csr", "-CA", ca + ".crt", "-CAkey", ca + ".key", "-CAcreateserial",
            "-days", "2", "-extfile", name + ".ext", "-out", name + ".crt")  # fmt: skip

    for ca in ("ca", "other"):
        run(w, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca + ".key",
            "-subj", "/CN=" + ca, "-days", "2", "-out", ca + ".crt")  # fmt: skip
    make("server", "/CN=127.0.0.1", "subjectAltName=IP:127.0.0.1")
    make("edge", "/O=acme/CN=edge")
    make("billing", "/CN=whatever", "subjectAltName=URI:spiffe://acme/billing,DNS:billing.acme")
    make("ops", "/O=acme/OU=ops/CN=Ops, the team")
    make("unknown", "/CN=unknown")
    make("forged", "/O=acme/CN=edge", ca="other")


def tls_ask(w, port, certificate, method, path, body=None, headers=None):
    context = ssl.create_default_context(cafile=w.path("ca.crt"))
    if certificate is not None:
        context.load_cert_chain(w.path(certificate + ".crt"), w.path(certificate + ".key"))
    link = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    try:
        link.request(method, path, body if body is None else json.dumps(body), headers or {})
        reply = link.getresponse()
        reply.read()
        return reply.status
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return 0
    finally:
        link.close()


@case
def certificates_have_roles(w):
    make_certificates(w)
    roles = {
        "CN=edge,O=acme": "gateway",
        "spiffe://acme/billing": ["producer"],
        "DNS:billing.acme": "viewer",
        "CN=Ops, the team": {"roles": ["Tenant Admin"], "tenant": "demo"},
    }
    config = w.config("mtls", mtls={"roles": roles}, jwt=w.jwt())
    port = free_port()
    path = w.write("mtls.json", json.dumps(config))
    process = w.start(
        COUNTERSIGN, "run", "--server", "--addr", f"https://127.0.0.1:{port}", "-c", path, "--log-level", "error",
        "--authentication=tls", "--tls-cert-file", w.path("server.crt"), "--tls-private-key-file", w.path("server.key"),
        "--tls-ca-cert-file", w.path("ca.crt"), log="mtls.log",
    )  # fmt: skip
    wait_for("the service", lambda: tls_ask(w, port, "edge", "GET", "/health?bundles") == 200, 30, process)
    for certificate, method, path, want in (
        ("edge", "GET", "/v1/holds/none", 404),
        ("edge", "GET", "/v1/cost", 403),
        ("billing", "POST", "/v1/events", 202),
        ("billing", "GET", "/v1/cost", 200),
        ("billing", "GET", "/v1/holds/none", 403),
        ("ops", "GET", "/v1/spend/demo", 200),
        ("ops", "GET", "/v1/spend/test", 403),
        ("unknown", "GET", "/v1/cost", 403),
        ("forged", "GET", "/v1/holds/none", 0),
        (None, "GET", "/v1/holds/none", 0),
    ):
        body = spend_event("demo", "0.01") if method == "POST" else None
        got = tls_ask(w, port, certificate, method, path, body)
        assert got == want, (certificate, method, path, got)
    # A token says more than the certificate of whoever brings it; a bad one is refused all the same.
    assert tls_ask(w, port, "edge", "GET", "/v1/cost", headers=as_token("viewer-secret")) == 200
    assert tls_ask(w, port, "edge", "GET", "/v1/holds/none", headers=as_token("x.y.z")) == 401
    # To the gateways' endpoints it is the gateway that comes, with its client's token.
    headers = as_token(make_token(w.key, "k1"))
    assert tls_ask(w, port, "edge", "GET", "/v1/authz/nginx", headers=headers) not in (0, 401, 500)
    w.stop(process)


@case
def wrong_sections_are_named(w):
    for identity, words in (
        ({"jwt": {"issuer": "x"}}, "identity.jwt needs either jwks.file or jwks.url"),
        ({"jwt": {"jwks": {"file": "a", "url": "http://b"}}}, "identity.jwt needs either jwks.file or jwks.url"),
        ({"jwt": {"jwks": {"file": "a"}, "algorithms": ["none"]}}, "identity.jwt.algorithms"),
        ({"mtls": {"roles": "gateway"}}, "identity.mtls.roles must be an object"),
        ({"mtls": {"roles": {"CN=x": 7}}}, "identity.mtls.roles: CN=x must have a role"),
        ({"tokens": {"path": "x"}}, "identity.tokens.path"),
    ):
        path = w.write("wrong.json", json.dumps({"identity": identity}))
        done = subprocess.run([COUNTERSIGN, "run", "--check-config", "-c", path], capture_output=True, cwd=w.dir)
        assert done.returncode == 1 and words in (done.stderr + done.stdout).decode(), (identity, done)


if __name__ == "__main__":
    scene = Scene()
    run_scene(scene, CASES, ["countersign.log", "mtls.log"], scene.start_main)
