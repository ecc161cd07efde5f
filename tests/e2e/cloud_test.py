#!/usr/bin/env python3
"""Credentials of clouds against endpoints that stand for them: signatures are computed anew here, tokens must be those
that were given.

Environment: COUNTERSIGN (the built program)."""

import datetime
import hashlib
import hmac
import json
import os
import urllib.parse

from peers import Peer, answer_of, config, run, status_of, stop
from serving import wait_for

CASES = []
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NONE = ("AWS_", "IDENTITY_")


def case(function):
    CASES.append(function)
    return function


def start(w, settings, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(NONE)}
    return w.run(settings, env={**clean, **env})


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_fault(seen, secret, region="eu-west-1", token=None, service="s3"):
    """None if the request is signed as Signature Version 4 says."""
    headers = {k.lower(): v for k, v in seen["headers"].items()}
    words, _, rest = headers["authorization"].partition(" ")
    fields = dict(part.split("=", 1) for part in rest.split(","))
    access, day, of, for_service, end = fields["Credential"].split("/")
    if (words, access, of, for_service, end) != ("AWS4-HMAC-SHA256", "AKID", region, service, "aws4_request"):
        return rest
    body = hashlib.sha256(seen["body"]).hexdigest()
    if headers["x-amz-content-sha256"] != body or headers.get("x-amz-security-token") != token:
        return "the body's digest, or the token"
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.strptime(
        headers["x-amz-date"] + "+0000", "%Y%m%dT%H%M%SZ%z"
    )
    if abs(age.total_seconds()) > 60 or not headers["x-amz-date"].startswith(day):
        return "the time"
    names = fields["SignedHeaders"].split(";")
    if names != sorted(names) or not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
        return names
    path, _, query = seen["path"].partition("?")
    lines = [seen["method"], path, query, *(f"{n}:{headers[n]}" for n in names), "", ";".join(names), body]
    canonical = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], f"{day}/{region}/{service}/aws4_request", canonical])
    key = mac(mac(mac(mac(b"AWS4" + secret.encode(), day), region), service), "aws4_request")
    return None if mac(key, text).hex() == fields["Signature"] else "the signature"


@case
def s3_with_the_environment(w):
    good = w.bundle("good")
    peer = Peer(lambda seen: (200, {"ETag": '"1"'}, good))
    status = {"service": "s"}
    signing = {"credentials": {"s3_signing": {"environment_credentials": {}}}, "headers": {"X-Extra": "one two"}}
    settings = config(peer.url + "/bucket", service=signing, status=status)
    env = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1"}
    process, port = start(w, settings, AWS_SESSION_TOKEN="session", **env)
    wait_for("the bundle", lambda: answer_of(port) == "good")
    wait_for("another", lambda: sum(r["method"] == "GET" for r in peer.requests) >= 2)
    wait_for("a status", lambda: any(r["method"] == "POST" for r in peer.requests))
    for seen in list(peer.requests):
        assert signature_fault(seen, SECRET, token="session") is None, (signature_fault(seen, SECRET), seen["headers"])
    first = next(r for r in peer.requests if r["method"] == "GET")
    assert first["path"] == "/bucket/bundles/app.tar.gz" and "X-Extra" in first["headers"], first
    w.stop(process)
    process, port = start(w, settings, AWS_ACCESS_KEY_ID="AKID")
    text = "all AWS credential providers failed: 1 error occurred: no AWS_SECRET_ACCESS_KEY set in environment"
    wait_for("the failure", lambda: text in status_of(port).get("message", ""))
    stop(w, process, peer)


@case
def s3_with_a_profile_and_with_containers(w):
    good, asked = w.bundle("good"), []
    peer = Peer(lambda seen: (200, {}, good))
    file = w.write(
        "credentials",
        f"[default]\naws_access_key_id = NO\naws_secret_access_key = NO\n\n[ours]\n# a remark\n"
        f"aws_access_key_id=AKID\naws_secret_access_key = {SECRET}\naws_session_token = t\n",
    )
    profile = {"path": file, "profile": "ours", "aws_region": "eu-west-1"}
    signing = {"s3_signing": {"profile_credentials": profile}}
    process, port = start(w, config(peer.url, service={"credentials": signing}))
    wait_for("the bundle", lambda: answer_of(port) == "good")
    assert signature_fault(peer.requests[0], SECRET, token="t") is None, peer.requests[0]
    w.stop(process)

    def metadata(seen):
        asked.append(seen)
        ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        body = {"AccessKeyId": "AKID", "SecretAccessKey": SECRET, "Token": "m", "Expiration": ends.isoformat()}
        return 200, {}, json.dumps(body).encode()

    service = Peer(metadata)
    peer.requests.clear()
    # Sources are tried in order: the environment has nothing.
    sources = {"environment_credentials": {}, "metadata_credentials": {"aws_region": "eu-west-1"}}
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": service.url + "/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "auth"}
    process, port = start(w, config(peer.url, service={"credentials": {"s3_signing": sources}}), **env)
    wait_for("the bundle", lambda: answer_of(port) == "good")
    wait_for("more requests", lambda: len(peer.requests) >= 3)
    assert signature_fault(peer.requests[-1], SECRET, token="m") is None, peer.requests[-1]
    assert len(asked) == 1 and asked[0]["headers"]["Authorization"] == "auth" and asked[0]["path"] == "/creds", asked
    stop(w, process, peer, service)


@case
def tokens_of_google(w):
    good, asked = w.bundle("good"), []

    def metadata(seen):
        asked.append(seen)
        if seen["headers"].get("Metadata-Flavor") != "Google":
            return 403, {}, b""
        if seen["path"].startswith("/none"):
            return 404, {}, b""
        identity = seen["path"].startswith("/computeMetadata/v1/instance/service-accounts/default/identity")
        return 200, {}, b"identity" if identity else b'{"access_token": "access", "expires_in": 5}'

    service, peer = Peer(metadata), Peer(lambda seen: (200, {}, good))
    for way, token, query in (
        ({"audience": "https://a.example"}, "identity", "audience=https://a.example"),
        ({"scopes": ["one", "two"]}, "access", "scopes=one,two"),
    ):
        peer.requests.clear()
        credentials = {"gcp_metadata": {"endpoint": service.url, **way}}
        process, port = start(w, config(peer.url, service={"credentials": credentials}))
        wait_for("the bundle", lambda: answer_of(port) == "good")
        assert peer.requests[0]["headers"]["Authorization"] == f"Bearer {token}", peer.requests[0]
        assert asked[-1]["path"].endswith("?" + query), asked[-1]
        w.stop(process)
    for way, text in (
        ({}, "audience or scopes is required when gcp metadata is enabled"),
        ({"audience": "a", "scopes": ["b"]}, "either audience or scopes can be set, not both"),
        ({"scopes": ["b"], "access_token_path": "/none"}, f"from {service.url}/none?scopes=b 404: not found"),
    ):
        credentials = {"gcp_metadata": {"endpoint": service.url, **way}}
        process, port = start(w, config(peer.url, service={"credentials": credentials}))
        wait_for(text, lambda: text in status_of(port).get("message", ""))
        w.stop(process)
    stop(w, process, peer, service)


@case
def tokens_of_azure(w):
    good, asked = w.bundle("good"), []

    def identity(seen):
        asked.append(seen)
        query = dict(urllib.parse.parse_qsl(seen["path"].partition("?")[2]))
        if query.get("client_id") == "wrong":
            return 400, {}, b'{"error": "invalid_request", "error_description": "no such identity"}'
        return 200, {}, json.dumps({"access_token": "azure", "expires_in": "3600", "token_type": "Bearer"}).encode()

    service, peer = Peer(identity), Peer(lambda seen: (200, {}, good))
    endpoint = service.url + "/token"
    credentials = {"azure_managed_identity": {"endpoint": endpoint, "client_id": "me", "resource": "https://r.example"}}
    process, port = start(w, config(peer.url, service={"credentials": credentials}))
    wait_for("the bundle", lambda: answer_of(port) == "good")
    assert peer.requests[0]["headers"]["Authorization"] == "Bearer azure" and asked[0]["headers"]["Metadata"] == "true"
    assert asked[0]["path"] == "/token?api-version=2018-02-01&client_id=me&resource=https%3A%2F%2Fr.example", asked[0]
    w.stop(process)
    credentials["azure_managed_identity"]["client_id"] = "wrong"
    process, port = start(w, config(peer.url, service={"credentials": credentials}))
    text = "400 invalid_request retrieving azure token from "
    wait_for("the failure", lambda: text in status_of(port).get("message", ""))
    assert status_of(port)["message"].endswith(": no such identity"), status_of(port)
    w.stop(process)
    asked.clear()
    settings = config(peer.url, service={"credentials": {"azure_managed_identity": {}}})
    process, port = start(w, settings, IDENTITY_ENDPOINT=endpoint, IDENTITY_HEADER="secret")
    wait_for("the bundle", lambda: answer_of(port) == "good")
    assert asked[0]["headers"]["x-identity-header"] == "secret" and "api-version=2019-08-01" in asked[0]["path"], asked
    stop(w, process, peer, service)


if __name__ == "__main__":
    run(CASES)
