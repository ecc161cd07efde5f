#!/usr/bin/env python3
"""Delta bundles over download, and the figures that OPA's dashboards ask for. Texts, types and labels are those that
OPA 1.22.2 gave for the same bundles.

Environment: COUNTERSIGN (the built program)."""

import json

import serving
from peers import Collector, Peer, config, run, status_of, stop
from serving import ask, wait_for

CASES = []


def case(function):
    CASES.append(function)
    return function


def manifest(revision, roots=("a",)):
    return "/.manifest", json.dumps({"revision": revision, "roots": roots}).encode()


def snapshot():
    data = json.dumps({"x": 1, "list": [1, 2, 3], "o": {"k": "v"}}).encode()
    return serving.archive([manifest("s1"), ("/a/data.json", data), ("/a/p.rego", b"package a.p\n\ny := data.a.x\n")])


def patch(operations, *, revision="d1", roots=("a",), files=()):
    text = json.dumps({"data": operations}).encode()
    return serving.archive([manifest(revision, roots), ("/patch.json", text), *files])


class Bundles(Peer):
    """One bundle, which may be another one at any time."""

    def __init__(self, body):
        self.n, self.body = 0, body
        super().__init__(self.take)

    def take(self, seen):
        etag = f'"{self.n}"'
        if seen["headers"].get("If-None-Match") == etag:
            return 304, {"ETag": etag}, b""
        return 200, {"ETag": etag}, self.body

    def put(self, body):
        self.body = body
        self.n += 1


def data_of(port):
    return ask(port, "GET", "/v1/data/a").json().get("result")


@case
def deltas_change_what_is_there(w):
    peer = Bundles(snapshot())
    process, port = w.run(config(peer.url))
    wait_for("the snapshot", lambda: data_of(port) == {"x": 1, "list": [1, 2, 3], "o": {"k": "v"}, "p": {"y": 1}})
    assert status_of(port)["type"] == "snapshot" and peer.requests[0]["headers"]["Prefer"] == "modes=snapshot,delta"
    peer.put(patch([{"op": "upsert", "path": "/a/x", "value": 5}]))
    wait_for("a value", lambda: data_of(port)["p"] == {"y": 5})
    wait_for("its status", lambda: status_of(port).get("active_revision") == "d1")
    assert status_of(port)["type"] == "delta", status_of(port)
    peer.put(patch([{"op": "upsert", "path": "a/new/deep", "value": {"q": 1}}, {"op": "remove", "path": "/a/o/k"}]))
    wait_for("places made and emptied", lambda: data_of(port).get("new") == {"deep": {"q": 1}})
    assert data_of(port)["o"] == {}
    arrays = [
        {"op": "upsert", "path": "/a/list/-", "value": 4},
        {"op": "replace", "path": "/a/list/0", "value": "z"},
        {"op": "upsert", "path": "/a/list/1", "value": "ins"},
        {"op": "upsert", "path": "/a/t~1u%20v", "value": 2},
    ]
    peer.put(patch(arrays))
    wait_for("arrays", lambda: data_of(port)["list"] == ["z", "ins", 2, 3, 4])
    before = data_of(port)
    assert before["t/u v"] == 2, before
    good = [{"op": "upsert", "path": "/a/x", "value": 7}]
    not_found = "storage_not_found_error: document does not exist"
    decode = "bundle load failed on patch decode: json: cannot unmarshal"
    refusals = [
        (patch([*good, {"op": "remove", "path": "/a/nope"}]), not_found),
        (patch([*good, {"op": "replace", "path": "/a/nope", "value": 1}]), not_found),
        (patch([*good, {"op": "add", "path": "/a/x", "value": 1}]), "bad patch operation: add"),
        (patch([{"op": "upsert", "path": "/b"}]), "manifest roots [a] do not permit data patch at path 'b'"),
        (patch(good, roots=["a", "b"]), "delta bundle 'b' has wasm resolvers or manifest roots that are different"),
        (patch(good, files=[("/a/q.rego", b"package a")]), "to contain only patch file but policy files found"),
        (patch([{"op": "upsert", "path": "/a/x/y/z", "value": 1}]), "storage_write_conflict_error: /a/x"),
        (patch("junk"), f"{decode} string into Go struct field Patch.data of type []bundle.PatchOperation"),
        (patch([{"op": "upsert", "path": 5}]), f"{decode} number into Go struct field PatchOperation.data.path"),
    ]
    for body, text in refusals:
        peer.put(body)
        wait_for(text, lambda: text in status_of(port).get("message", ""))
        assert data_of(port) == before, "all or nothing"
    peer.put(snapshot())
    wait_for("a snapshot again", lambda: status_of(port)["type"] == "snapshot" and data_of(port)["x"] == 1)
    stop(w, process, peer)


@case
def deltas_have_no_signature_and_are_not_kept(w):
    good = patch([{"op": "upsert", "path": "/a/x", "value": 5}])
    keys = {"k": {"key": "secret", "algorithm": "HS256"}}
    for how, text in (
        ({"persist": True}, "'persist' property is true in config. persisting delta bundle to disk is not supported"),
        ({"signing": {"keyid": "k"}}, "delta bundles do not support signature verification"),
        ({"signing": {"keyid": "k", "allow_unsigned_delta_bundles": True}}, None),
    ):
        peer = Bundles(good)
        process, port = w.run({**config(peer.url, **how), "keys": keys})
        if text is None:
            wait_for("the value", lambda: data_of(port) == {"x": 5})
        else:
            wait_for(text, lambda: status_of(port).get("message") == text)
            assert "type" not in status_of(port) and data_of(port) is None, status_of(port)
        stop(w, process, peer)


@case
def figures_of_the_status(w):
    good, logs = snapshot(), Collector()

    def answer(seen):
        return (200, {"ETag": '"1"'}, good) if seen["path"].endswith("/good") else (404, {}, b"")

    peer = Peer(answer)
    every = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    buckets = {"collectors": {"bundle_loading_duration_ns": {"buckets": [1000, 5e6, 1e12]}}}
    settings = {
        "services": {"s": {"url": peer.url}, "logs": {"url": logs.url}},
        "status": {"prometheus": True, "prometheus_config": buckets},
        "decision_logs": {"service": "logs", "reporting": every},
        "bundles": {n: {"service": "s", "resource": n, "polling": every} for n in ("good", "bad")},
    }
    process, port = w.run(settings)
    ask(port, "GET", "/v1/data/a")
    text = lambda: ask(port, "GET", "/metrics").body.decode()  # noqa: E731
    wait_for("an upload", lambda: "decision_logs_chunks_uploaded_total 1" in text())
    wait_for("the other's failure", lambda: 'message="server replied with Not Found",name="bad"}' in text())
    wait_for("the bundle", lambda: 'bundle_loaded_counter{name="good"}' in text())
    seen = text()
    for line in (
        'opa_info{version="1.22.2"} 1\n',
        'plugin_status_gauge{name="bundle",status="NOT_READY"} 1\n',
        'plugin_status_gauge{name="decision_logs",status="OK"} 1\n',
        'plugin_status_gauge{name="discovery",status="OK"} 1\n',
        'plugin_status_gauge{name="status",status="OK"} 1\n',
        'decision_logs_status_gauge{code="",http_code=""} 1\n',
        "decision_logs_buffer_size_bytes 0\n",
        'last_success_bundle_activation{active_revision="s1",name="good"} 1.',
        'last_success_bundle_activation{active_revision="",name="bad"} -6.795364578871345e+18\n',
        'last_success_bundle_download{name="bad"} -6.795364578871345e+18\n',
        'last_success_bundle_request{name="good"} 1.',
        'last_bundle_request{name="bad"} 1.',
        'bundle_loading_duration_ns_bucket{name="good",stage="timer_bundle_request_ns",le="5e+06"} ',
        'bundle_loading_duration_ns_bucket{name="good",stage="timer_rego_load_bundles_ns",le="1e+12"} ',
        'bundle_loading_duration_ns_count{name="good",stage="timer_rego_module_compile_ns"} ',
        'bundle_loading_duration_ns_count{name="good",stage="timer_rego_module_parse_ns"} ',
        "# TYPE bundle_failed_load_counter counter\n",
        "# TYPE bundle_loading_duration_ns histogram\n",
        "# TYPE last_bundle_request gauge\n",
    ):
        assert line in seen, (line, [s for s in seen.split("\n") if s.startswith(line[:20])])
    assert "decision_logs_buffer_size_events" not in seen and "_dropped_rate" not in seen, "not before it happens"
    w.stop(process)
    settings["status"] = {"console": True}
    process, port = w.run(settings)
    wait_for("the bundle", lambda: data_of(port) is not None)
    names = ("opa_info", "plugin_status", "bundle_load", "bundle_fail", "last_", "decision_logs_")
    lines = [s for s in text().split("\n") if s.startswith(names)]
    assert not lines, lines
    stop(w, process, peer, logs)


if __name__ == "__main__":
    run(CASES)
