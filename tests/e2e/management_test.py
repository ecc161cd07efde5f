#!/usr/bin/env python3
"""Bundles, credentials and status with real peers: nginx as a bundle server, an OAuth 2 token endpoint, servers that
are down, slow, or lie.

Environment: COUNTERSIGN (the built program)."""

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import jwt
import serving
from peers import Collector, Peer, answer_of, config, run, status_of, stop
from serving import ask, wait_for

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or ""
LONG_POLL = "application/vnd.openpolicyagent.bundles"
CASES = []


def case(function):
    CASES.append(function)
    return function


def needs_nginx(function):
    if NGINX:
        CASES.append(function)
    else:
        print(f"left out: {function.__name__} (no nginx)")
    return function


# ---- a web server


@needs_nginx
def nginx_serves_bundles(w):
    os.makedirs(w.path("www", "bundles"))
    place, access, port = w.path("www", "bundles", "app.tar.gz"), w.path("access.log"), serving.free_port()
    w.write("www/bundles/app.tar.gz", w.bundle("one"))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {kind}_temp_path {w.path('nginx-' + kind)};\n" for kind in kinds)
    user = "user root root;\n" if os.geteuid() == 0 else ""  # the folder is nobody else's
    settings = w.write(
        "nginx.conf",
        f"{user}daemon off;\nworker_processes 1;\npid {w.path('nginx.pid')};\nerror_log {w.path('nginx.log')} info;\n"
        "events { worker_connections 64; }\nhttp {\n"
        f"{temporary}    log_format short '$status \"$http_if_none_match\"';\n    access_log {access} short;\n"
        f"    server {{ listen 127.0.0.1:{port}; root {w.path('www')}; }}\n}}\n",
    )

    def start():
        process = w.start(NGINX, "-p", w.dir, "-c", settings, log="nginx-start.log")
        wait_for("nginx", lambda: serving.is_open(port), process=process)
        return process

    web = start()
    process, own = w.run(config(f"http://127.0.0.1:{port}/"))
    wait_for("the first bundle", lambda: answer_of(own) == "one")
    assert status_of(own)["active_revision"] == "one" and status_of(own)["size"] == os.path.getsize(place)
    wait_for("304", lambda: any(line.startswith("304 ") for line in open(access)))
    time.sleep(1.1)  # nginx' etag is the file's time in seconds and its size
    w.write("www/bundles/app.tar.gz", w.bundle("two"))
    wait_for("the second bundle", lambda: answer_of(own) == "two")
    w.stop(web)
    wait_for("a failure", lambda: status_of(own).get("code") == "bundle_error")
    assert answer_of(own) == "two" and "request failed" in status_of(own)["message"], status_of(own)
    web = start()
    wait_for("a good answer", lambda: "code" not in status_of(own))
    with open(access) as log:
        assert log.read().rstrip().split("\n")[-1].startswith("304 "), "what is active was sent again"
    stop(w, process)
    w.stop(web)


# ---- servers that lie


@case
def what_cannot_be_used_changes_nothing(w):
    good = w.bundle("good")
    lies = {
        "status": (500, {}, b"no"),
        "missing": (404, {}, b""),
        "truncated": (200, {"Content-Length": str(len(good))}, good[:100]),
        "page": (200, {"Content-Type": "text/html"}, b"<html>sign in</html>"),
        "cut": (200, {}, good[: len(good) // 2]),
        "policy": (200, {}, w.bundle("bad", extra="x := y\n")),
    }
    now = [(200, {"ETag": '"1"'}, good)]
    peer = Peer(lambda seen: now[0])
    process, port = w.run(config(peer.url))
    wait_for("the bundle", lambda: answer_of(port) == "good")
    expected = {
        "status": ("server replied with Internal Server Error", 500),
        "missing": ("server replied with Not Found", 404),
        "truncated": ("request failed", None),
        "page": ("gzip", None),
        "cut": ("", None),
        "policy": ("error(s) occurred while compiling module(s)", None),
    }
    for name, lie in lies.items():
        now[0] = lie
        message, code = expected[name]
        wait_for(
            name,
            lambda: message in status_of(port).get("message", "") and status_of(port).get("http_code") == code
            and (message or status_of(port).get("message")),
        )  # fmt: skip
        assert status_of(port)["code"] == "bundle_error" and answer_of(port) == "good", status_of(port)
        assert ("errors" in status_of(port)) == (name == "policy"), status_of(port)
        now[0] = (200, {"ETag": '"1"'}, good)
        wait_for("it to be good again", lambda: "code" not in status_of(port))
    stop(w, process, peer)


@case
def a_slow_server_is_given_up_and_decisions_go_on(w):
    good, slow = w.bundle("good"), [False]

    def answer(seen):
        if slow[0]:
            time.sleep(4)
        return 200, {}, good

    peer = Peer(answer)
    process, port = w.run(config(peer.url, service={"response_header_timeout_seconds": 1}))
    wait_for("the bundle", lambda: answer_of(port) == "good")
    slow[0] = True
    wait_for("the failure", lambda: "timeout awaiting response headers" in status_of(port).get("message", ""))
    before = time.monotonic()
    assert answer_of(port) == "good" and time.monotonic() - before < 1
    before = time.monotonic()
    w.stop(process)
    assert time.monotonic() - before < 4, "the end waits for a slow server"
    peer.end()


@case
def pauses_grow_with_failures(w):
    peer = Peer(lambda seen: (503, {}, b""))
    process, port = w.run(config(peer.url, polling={"min_delay_seconds": 1, "max_delay_seconds": 60}))
    wait_for("seven requests", lambda: len(peer.requests) >= 7)
    at = [r["at"] for r in peer.requests]
    pauses = [b - a for a, b in zip(at, at[1:])]
    assert pauses[5] > 2 * pauses[1] and pauses[5] > 4 * pauses[0], pauses
    reply = ask(port, "GET", "/health?bundles")
    assert reply.status == 500 and "not activated: b" in reply.json()["error"], reply
    stop(w, process, peer)


# ---- asking less often


@case
def etags_go_along_also_those_replaced(w):
    versions = [w.bundle("one"), w.bundle("two")]
    now = [0]

    def answer(seen):
        etag = f'"{now[0]}"'
        if seen["headers"].get("If-None-Match", "").startswith(etag):
            return 304, {}, b""  # without the etag, which is kept nevertheless
        return 200, {"ETag": etag}, versions[now[0]]

    peer = Peer(answer)
    process, port = w.run(config(peer.url, polling={"superseded_etag_ttl_seconds": 60}))
    wait_for("the first", lambda: answer_of(port) == "one")
    wait_for("304", lambda: len(peer.requests) >= 3)
    assert "If-None-Match" not in peer.requests[0]["headers"]
    assert {r["headers"]["If-None-Match"] for r in peer.requests[1:]} == {'"0"'}
    assert peer.requests[0]["headers"]["Prefer"] == "modes=snapshot,delta"
    assert peer.requests[0]["headers"]["User-Agent"].startswith("Open Policy Agent/"), peer.requests[0]
    now[0] = 1
    wait_for("the second", lambda: answer_of(port) == "two")
    wait_for("both etags", lambda: peer.requests[-1]["headers"]["If-None-Match"] == '"1", "0"')
    stop(w, process, peer)


@case
def long_polling(w):
    versions, now, changed = [w.bundle("one"), w.bundle("two")], [0], threading.Event()

    def answer(seen):
        headers = {"Content-Type": LONG_POLL, "ETag": f'"{now[0]}"'}
        if seen["headers"].get("If-None-Match") == headers["ETag"]:
            if not changed.wait(3):
                return 304, headers, b""
            headers["ETag"] = f'"{now[0]}"'
        return 200, headers, versions[now[0]]

    peer = Peer(answer)
    slow = {"min_delay_seconds": 30, "max_delay_seconds": 30, "long_polling_timeout_seconds": 10}
    process, port = w.run(config(peer.url, service={"response_header_timeout_seconds": 1}, polling=slow))
    wait_for("the first", lambda: answer_of(port) == "one")
    wait_for("the waiting request", lambda: len(peer.requests) >= 2)
    assert peer.requests[1]["headers"]["Prefer"] == "modes=snapshot,delta;wait=10", peer.requests[1]
    wait_for("304 and another", lambda: len(peer.requests) >= 3)
    assert "code" not in status_of(port), status_of(port)
    before = time.monotonic()
    now[0] = 1
    changed.set()
    wait_for("the second", lambda: answer_of(port) == "two")
    assert time.monotonic() - before < 2
    changed.clear()
    stop(w, process, peer)


# ---- kept on disk


@case
def bundles_are_kept_for_the_next_start(w):
    good = w.bundle("kept")
    peer = Peer(lambda seen: (200, {"ETag": '"1"'}, good))
    settings = config(peer.url, persist=True)
    settings["persistence_directory"] = w.path("kept")
    process, port = w.run(settings)
    wait_for("the bundle", lambda: answer_of(port) == "kept")
    file = w.path("kept", "bundles", "b", "bundle.tar.gz")
    wait_for("the file", lambda: os.path.exists(file))
    with open(file, "rb") as f:
        assert f.read() == good
    stop(w, process, peer)
    process, port = w.run(settings)
    assert answer_of(port) == "kept" and ask(port, "GET", "/health?bundles").status == 200
    wait_for("the failure", lambda: status_of(port).get("code") == "bundle_error")
    w.stop(process)
    with open(file, "wb") as f:
        f.write(good[:50])
    process, port = w.run(settings)
    assert answer_of(port) is None and ask(port, "GET", "/health?bundles").status == 500
    w.stop(process)


@case
def kept_bundles_that_need_each_other(w):
    first = w.bundle("a", root="a", extra="\nfour := data.b.twice(2)\n")
    second = w.bundle("b", root="b", extra="twice(x) := 2 * x\n")
    peer = Peer(lambda seen: (200, {}, first if seen["path"].endswith("/a") else second))
    polling = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    settings = {
        "services": {"s": {"url": peer.url}},
        "persistence_directory": w.path("pair"),
        "bundles": {n: {"service": "s", "resource": n, "persist": True, "polling": polling} for n in ("a", "b")},
    }
    process, port = w.run(settings)
    wait_for("both", lambda: ask(port, "GET", "/v1/data/a/four").json().get("result") == 4)
    wait_for("files", lambda: all(os.path.exists(w.path("pair", "bundles", n, "bundle.tar.gz")) for n in ("a", "b")))
    stop(w, process, peer)
    process, port = w.run(settings)
    assert ask(port, "GET", "/v1/data/a/four").json() == {"result": 4}
    w.stop(process)


# ---- credentials


@case
def bearer_tokens_and_headers(w):
    good = w.bundle("good")
    peer = Peer(lambda seen: (200, {}, good))
    token = w.write("token", "first\n")
    credentials = {"bearer": {"token_path": token, "scheme": "Token"}}
    service = {"credentials": credentials, "headers": {"X-Site": "eu"}}
    process, port = w.run(config(peer.url + "/deep/", service=service))
    wait_for("the bundle", lambda: answer_of(port) == "good")
    seen = peer.requests[0]
    assert seen["path"] == "/deep/bundles/app.tar.gz" and seen["headers"]["X-Site"] == "eu", seen
    assert seen["headers"]["Authorization"] == "Token first", seen
    w.write("token", "second")
    wait_for("the new token", lambda: peer.requests[-1]["headers"]["Authorization"] == "Token second")
    os.remove(token)
    wait_for("the failure", lambda: "code" in status_of(port))
    assert "token" in status_of(port)["message"] and answer_of(port) == "good", status_of(port)
    stop(w, process, peer)


@case
def a_token_does_not_follow_to_another_host(w):
    good = w.bundle("good")
    there = Peer(lambda seen: (200, {}, good))
    elsewhere = there.url.replace("127.0.0.1", "localhost") + "/x"
    here = Peer(lambda seen: (307, {"Location": elsewhere}, b""))
    process, port = w.run(config(here.url, service={"credentials": {"bearer": {"token": "secret"}}}))
    wait_for("the bundle", lambda: answer_of(port) == "good")
    assert here.requests[0]["headers"]["Authorization"] == "Bearer secret"
    assert "Authorization" not in there.requests[0]["headers"], there.requests[0]
    stop(w, process, here, there)


def server_tls(certificate, ca=None):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    if ca:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(ca)
    return tls


@case
def client_certificates(w):
    ca = w.certificate("ca")
    good = w.bundle("good")
    peer = Peer(lambda seen: (200, {}, good), server_tls(w.certificate("server", issuer=ca), ca[0]))
    client = w.certificate("client", issuer=ca)
    locked = w.path("locked.key")
    subprocess.run(
        ["openssl", "rsa", "-aes256", "-in", client[1], "-out", locked, "-passout", "pass:secret"],
        check=True, capture_output=True,
    )  # fmt: skip
    trust = {"tls": {"ca_cert": ca[0]}}
    own = {"cert": client[0], "private_key": locked, "private_key_passphrase": "secret"}
    process, port = w.run(config(peer.url, service={**trust, "credentials": {"client_tls": own}}))
    wait_for("the bundle", lambda: answer_of(port) == "good")
    w.stop(process)
    process, port = w.run(config(peer.url, service=trust))
    wait_for("the failure", lambda: "code" in status_of(port))
    assert answer_of(port) is None
    stop(w, process, peer)


@case
def certificates_that_do_not_hold(w):
    ca, other = w.certificate("rightca"), w.certificate("otherca")
    good = w.bundle("good")
    for name, certificate, trusted in (
        ("expired", w.certificate("late", issuer=ca, days="-1"), ca),
        ("unknown", w.certificate("strange", issuer=other), ca),
        ("name", w.certificate("name", issuer=ca, san="DNS:elsewhere.example"), ca),
    ):
        peer = Peer(lambda seen: (200, {}, good), server_tls(certificate))
        process, port = w.run(config(peer.url, service={"tls": {"ca_cert": trusted[0]}}))
        wait_for(name, lambda: "code" in status_of(port))
        assert answer_of(port) is None and not peer.requests, (name, status_of(port))
        w.stop(process)
        if name == "unknown":
            process, port = w.run(config(peer.url, service={"allow_insecure_tls": True}))
            wait_for("without looking", lambda: answer_of(port) == "good")
            w.stop(process)
        peer.end()


@case
def oauth2_client_credentials(w):
    ca = w.certificate("tokenca")
    good, life, forms = w.bundle("good"), [3600], []

    def token(seen):
        forms.append((dict(urllib.parse.parse_qsl(seen["body"].decode())), seen["headers"]))
        body = {"access_token": f"t{len(forms)}", "token_type": "bearer", "expires_in": life[0]}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

    ends = Peer(token, server_tls(w.certificate("tokens", issuer=ca)))
    peer = Peer(lambda seen: (200, {}, good))
    key, public = w.make_key("assert")
    base = {"token_url": ends.url + "/token", "scopes": ["read", "write"]}
    ways = {
        "secret": {"client_id": "me", "client_secret": "pass word", "additional_parameters": {"audience": "opa"}},
        "signed": {"signing_key": "k", "additional_claims": {"sub": "me", "aud": "there"}, "include_jti_claim": True},
        "bearer": {"grant_type": "jwt_bearer", "signing_key": "k", "additional_claims": {"iss": "me"}},
        "ready": {"client_id": "me", "client_assertion_path": w.write("ready", "a.b.c\n")},
    }
    for name, way in ways.items():
        forms.clear()
        peer.requests.clear()
        settings = config(peer.url, service={"tls": {"ca_cert": ca[0]}, "credentials": {"oauth2": {**base, **way}}})
        with open(key) as f:
            settings["keys"] = {"k": {"private_key": f.read(), "algorithm": "ES256"}}
        process, port = w.run(settings)
        wait_for("the bundle", lambda: answer_of(port) == "good")
        wait_for("more requests", lambda: len(peer.requests) >= 3)
        assert len(forms) == 1 and {r["headers"]["Authorization"] for r in peer.requests} == {"Bearer t1"}, forms
        form, headers = forms[0]
        assert form["scope"] == "read write" and headers["Content-Type"] == "application/x-www-form-urlencoded", form
        with open(public) as f:
            verify = lambda text, **how: jwt.decode(text, f.read(), algorithms=["ES256"], **how)  # noqa: E731
            if name == "secret":
                basic = "Basic " + base64.b64encode(b"me:pass word").decode()
                assert headers["Authorization"] == basic and form["audience"] == "opa", (form, headers)
            elif name == "signed":
                claims = verify(form["client_assertion"], audience="there")
                assert claims["sub"] == "me" and claims["scope"] == "read write" and claims["jti"], claims
                assert claims["exp"] - claims["iat"] == 600 and form["grant_type"] == "client_credentials", form
            elif name == "bearer":
                assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", form
                assert verify(form["assertion"])["iss"] == "me"
            else:
                assert form["client_assertion"] == "a.b.c" and form["client_id"] == "me", form
        w.stop(process)
    life[0] = 5  # ends in less than ten seconds: never kept
    forms.clear()
    credentials = {"oauth2": {**base, **ways["secret"]}}
    settings = config(peer.url, service={"tls": {"ca_cert": ca[0]}, "credentials": credentials})
    process, port = w.run(settings)
    wait_for("a token each time", lambda: len(forms) >= 3)
    stop(w, process, peer, ends)


@case
def credentials_that_cannot_work_stop_the_start(w):
    for credentials, text in (
        ({"oauth2": {"token_url": "http://x", "client_id": "a", "client_secret": "b"}}, "https"),
        ({"oauth2": {"token_url": "https://x", "client_id": "a"}}, "client_secret"),
        ({"oauth2": {"token_url": "https://x", "grant_type": "jwt_bearer"}}, "signing_key"),
        ({"oauth2": {"token_url": "https://x", "signing_key": "none"}}, "non-existent key"),
        ({"client_tls": {"cert": "c.pem"}}, "private_key"),
        ({"bearer": {"token": "a"}, "client_tls": {"cert": "c", "private_key": "k"}}, "a maximum one credential"),
    ):
        file = w.write("bad.yaml", json.dumps(config("http://127.0.0.1:1", service={"credentials": credentials})))
        command = [serving.COUNTERSIGN, "run", "--check-config", "-c", file]
        done = subprocess.run(command, capture_output=True, timeout=20)
        assert done.returncode == 1 and text in (done.stdout + done.stderr).decode(), (text, done)


# ---- status


@case
def status_is_sent_and_printed(w):
    good, now = w.bundle("good"), [(404, {}, b"")]

    def answer(seen):
        return (200, {}, b"") if seen["method"] == "POST" else now[0]

    peer = Peer(answer)
    status = {"service": "s", "partition_name": "eu", "console": True}
    settings = config(peer.url, status=status)
    settings["labels"] = {"site": "eu"}
    process, port = w.run(settings)

    def sent():
        return [json.loads(r["body"]) for r in peer.requests if r["method"] == "POST"]

    wait_for("the failure", lambda: any(s["bundles"]["b"].get("http_code") == 404 for s in sent()))
    now[0] = (200, {"ETag": '"1"'}, good)
    wait_for("the success", lambda: sent()[-1]["bundles"]["b"].get("active_revision") == "good")
    last = sent()[-1]
    assert last["labels"]["site"] == "eu" and last["plugins"]["bundle"] == {"state": "OK"}, last
    families = last["metrics"]["prometheus"]
    assert families["countersign_bundle_activation_seconds"]["type"] == "HISTOGRAM", list(families)
    post = next(r for r in peer.requests if r["method"] == "POST")
    assert post["path"] == "/status/eu" and post["headers"]["Content-Type"] == "application/json", post
    w.stop(process)
    with open(w.path(f"log{w.n}")) as log:
        lines = [json.loads(line) for line in log if '"Status Log"' in line]
    assert lines and lines[-1]["type"] == "openpolicyagent.org/status" and lines[-1]["bundles"]["b"], lines[-1:]
    peer.end()


# ---- decision logs


def logging(peer, **reporting):
    reporting = {"min_delay_seconds": 1, "max_delay_seconds": 1, **reporting}
    return {
        "services": {"logs": {"url": peer.url}},
        "status": {"prometheus": True},
        "decision_logs": {"service": "logs", "resource": "/take/logs", "reporting": reporting},
    }


def decide(port, numbers, size=0):
    """Decisions with random text of that size, which gzip cannot make much smaller."""
    for n in numbers:
        text = base64.b64encode(os.urandom(size * 3 // 4)).decode()
        reply = ask(port, "POST", "/v1/data/app/x", {"input": {"n": n, "text": text}})
        assert reply.status == 200, reply


def figure(port, name):
    for line in ask(port, "GET", "/metrics").body.decode().split("\n"):
        if line.startswith(name + " "):
            return float(line.split()[1])
    return 0


@case
def decision_logs_arrive_in_chunks_once_each(w):
    peer = Collector()
    process, port = w.run(logging(peer, upload_size_limit_bytes=4000))
    decide(port, range(60), 400)
    wait_for("all", lambda: len(peer.events) >= 60)
    assert peer.numbers() == list(range(60)) and max(peer.sizes) <= 4000, peer.sizes
    assert sorted(peer.sizes)[len(peer.sizes) // 2] > 2000, peer.sizes
    event = peer.events[0]
    assert peer.requests[0]["path"] == "/take/logs", peer.requests[0]
    assert event["decision_id"] and event["path"] == "app/x" and event["labels"]["id"] and event["timestamp"], event
    peer.refuse = 503
    decide(port, range(60, 100), 400)
    logs = lambda: ask(port, "GET", "/v1/status").json()["result"].get("decision_logs", {})  # noqa: E731
    wait_for("the failure", lambda: logs().get("http_code") == 503)
    assert logs()["code"] == "decision_log_error" and "Service Unavailable" in logs()["message"], logs()
    peer.refuse = 0
    wait_for("the rest", lambda: len(peer.events) >= 100)
    wait_for("a good status", lambda: "code" not in logs())
    assert sorted(peer.numbers()) == list(range(100)), "each once"
    assert figure(port, "decision_logs_chunks_uploaded_total") == len(peer.sizes)
    assert figure(port, "decision_logs_chunks_upload_failed_total") >= 1
    decide(port, range(100, 110))
    w.stop(process)
    assert sorted(peer.numbers()) == list(range(110)), "what waits is sent before the end"
    peer.end()


@case
def decision_logs_at_once(w):
    peer = Collector()
    slow = {"min_delay_seconds": 300, "max_delay_seconds": 300, "trigger": "immediate", "upload_size_limit_bytes": 2000}
    for kind in ("size", "event"):
        peer.events.clear()
        process, port = w.run(logging(peer, buffer_type=kind, **slow))
        decide(port, range(20), 400)
        wait_for("full chunks", lambda: len(peer.events) >= 10)
        w.stop(process)
        assert sorted(peer.numbers()) == list(range(20)), peer.numbers()
    peer.end()


@case
def what_does_not_fit_is_counted(w):
    peer = Collector()
    peer.refuse = 500
    process, port = w.run(logging(peer, buffer_type="event", buffer_size_limit_events=10, max_delay_seconds=300))
    decide(port, range(40))
    assert figure(port, "decision_logs_dropped_buffer_size_limit_exceeded_total") >= 25
    peer.refuse = 0
    w.stop(process)
    assert 1 <= len(peer.events) <= 15 and peer.numbers()[-1] == 39, peer.numbers()
    peer.events.clear()
    process, port = w.run(logging(peer, max_decisions_per_second=5))
    decide(port, range(60))
    limited = figure(port, "decision_logs_dropped_rate_limit_exceeded_total")
    w.stop(process)
    assert limited >= 30 and len(peer.events) == 60 - limited, (limited, len(peer.events))
    peer.events.clear()
    process, port = w.run(logging(peer, upload_size_limit_bytes=1500))
    decide(port, [1], 100)
    decide(port, [2], 5000)
    decide(port, [3], 100)
    wait_for("the others", lambda: sorted(peer.numbers()) == [1, 3])
    assert figure(port, "enc_log_exceeded_upload_size_limit_bytes_total") == 1
    stop(w, process, peer)


@case
def a_dead_collector_holds_up_nothing(w):
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    hole.listen(1)  # takes connections and says nothing
    url = f"http://127.0.0.1:{hole.getsockname()[1]}"
    process, port = w.run(
        {
            "services": {"logs": {"url": url}},
            "decision_logs": {"service": "logs", "reporting": {"trigger": "immediate", "upload_size_limit_bytes": 500}},
        }
    )
    before = time.monotonic()
    decide(port, range(50), 200)
    assert time.monotonic() - before < 5
    before = time.monotonic()
    w.stop(process)
    assert time.monotonic() - before < 9, "the end waits for a dead collector"
    hole.close()


@case
def reporting_that_cannot_be_meant_stops_the_start(w):
    for reporting, text in (
        ({"min_delay_seconds": 5}, "missing 'max_delay_seconds'"),
        ({"min_delay_seconds": 5, "max_delay_seconds": 1}, "must be >="),
        ({"buffer_type": "event", "buffer_size_limit_bytes": 5}, "isn't supported"),
        ({"buffer_size_limit_events": 5}, "isn't supported"),
        ({"buffer_size_limit_bytes": 5, "max_decisions_per_second": 1}, "specify either"),
        ({"max_decisions_per_second": "x"}, "max_decisions_per_second"),
        ({"trigger": "sometimes"}, "trigger"),
    ):
        document = {"services": {"s": {"url": "http://x"}}, "decision_logs": {"service": "s", "reporting": reporting}}
        file = w.write("bad.json", json.dumps(document))
        command = [serving.COUNTERSIGN, "run", "--check-config", "-c", file]
        done = subprocess.run(command, capture_output=True, timeout=20)
        assert done.returncode == 1 and text in (done.stdout + done.stderr).decode(), (text, done)


if __name__ == "__main__":
    run(CASES)
