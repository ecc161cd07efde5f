#!/usr/bin/env python3
"""JSON Schemas that refer to others elsewhere: json.verify_schema, json.match_schema, and --schema of the type
checker, against a server of this suite, files and json-schema.org's own words; what `allow_net` allows; and the
service, whose workers do not wait. schema_ref_cases.json has what OPA answered (`OPA=opa schema_ref_test.py --record`
records anew)."""

import gzip
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

import serving
from serving import COUNTERSIGN, ask

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schema_ref_cases.json")
SCHEMAS = {
    "/int": '{"type":"integer"}',
    "/object": '{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"$ref":"int"},'
               '"b":{"$ref":"#/definitions/s"}},"definitions":{"s":{"type":"string"}}}',
    "/bad": "{nope", "/empty": "", "/list": "[1]", "/trailing": '{"type":"string"} xx',
    "/wrong": '{"type":"strin"}', "/draft": '{"$schema":5}', "/defs": '{"definitions":{"x":{"type":"boolean"}}}',
    "/tree": '{"type":"object","properties":{"v":{"type":"number"},"kids":{"type":"array","items":{"$ref":"#"}}}}',
}
TARGETS = ["B/int", "B/object", "B/bad", "B/empty", "B/list", "B/trailing", "B/wrong", "B/draft",
           "B/defs#/definitions/x", "B/defs#/definitions/y", "B/tree", "B/zip", "B/moved", "B/away", "B/loop0",
           "B/nowhere", "B/none", "B/int?x=1", "http://127.0.0.1:1/x", "http://u:p@127.0.0.1:1/x", "ftp://x/y",
           "http://json-schema.org/draft-07/schema", "http://json-schema.org/draft-04/schema#",
           "http://json-schema.org/draft-06/schema#/definitions/stringArray", "file://D/f.json", "file://D/none.json",
           "file://D", "file:f.json", "f.json", "/f.json", "http:///x", "B/%zz"]
CALLS = ['json.verify_schema({"$ref": "URL"})', 'json.match_schema(1, {"$ref": "URL"})',
         'json.match_schema({"a":"x"}, {"$id":"B/root","items":{"$ref":"int"},"properties":{"a":{"$ref":"URL"}}})']
TYPED = ["input.a", "input.a.kids[0].kids[1].w", "input.a == 1", 'lower(input.a)', 'input.a == "x"', "input == 1"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def give(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.hits.append(path)
        if path in SCHEMAS:
            self.give(200, SCHEMAS[path].encode())
        elif path == "/zip":
            self.give(200, gzip.compress(b'{"type":"null"}'), Content_Encoding="gzip")
        elif path == "/moved":
            self.give(301, Location="/int")
        elif path == "/away":
            self.give(302, Location=f"http://localhost:{self.server.server_port}/int")
        elif path.startswith("/loop"):
            self.give(302, Location=f"/loop{int(path[5:]) + 1}")
        elif path == "/nowhere":
            self.give(302)
        elif path == "/slow":
            self.server.slow.wait(8)
            self.give(200, b'{"type":"string"}')
        else:
            self.give(404, b"no")


class Peer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hits, self.slow = [], threading.Event()
        self.base = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


def cases():
    for target in TARGETS:
        for call in CALLS:
            yield {"allow_net": "one", "query": call.replace("URL", target)}
        yield {"allow_net": "any", "query": CALLS[0].replace("URL", target)}
        yield {"allow_net": "none", "query": CALLS[0].replace("URL", target)}
        for query in TYPED if target in ("B/int", "B/tree", "B/object", "B/zip", "file://D/f.json") else TYPED[:1]:
            yield {"allow_net": "one", "schema": target, "query": query}


def run(program, base, folder, case):
    def here(text):
        return text.replace("B/", base + "/").replace("file://D", "file://" + folder)

    args = ["eval", "--format", "json", "--strict-builtin-errors"]
    if case["allow_net"] != "any":
        args += ["--capabilities", os.path.join(folder, case["allow_net"] + ".json")]
    if "schema" in case:
        with open(os.path.join(folder, "s.json"), "w", encoding="utf-8") as file:
            file.write('{"type":"object","properties":{"a":{"$ref":"%s"}}}' % here(case["schema"]))
        args += ["--schema", os.path.join(folder, "s.json")]
    command = [program, *args, here(case["query"])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    port = base.rsplit(":", 1)[1]
    text = done.stdout.replace(":" + port, ":PORT").replace(folder, "/D")
    return [done.returncode, json.loads(text), done.stderr]


def capabilities(program, folder):
    told = json.loads(subprocess.run([program, "capabilities", "--current"], capture_output=True, check=True).stdout)
    for name, hosts in (("one", ["127.0.0.1"]), ("none", [])):
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
            json.dump({**told, "allow_net": hosts}, file)
    with open(os.path.join(folder, "f.json"), "w", encoding="utf-8") as file:
        file.write('{"type":"boolean"}')


POLICY = """package t
matches := json.match_schema(input.v, {"$ref": input.url})
verified := json.verify_schema({"$ref": input.url})
twice := [json.match_schema(x, {"$ref": input.url})[0] | some x in ["1", "{}"]]
fast := input.v + 1
"""


def service(s, peer):
    """The workers go on while a schema is under way; a schema is asked for once an evaluation; files are not read."""
    port = serving.free_port()
    policy = s.write("t.rego", POLICY)
    process = s.start(COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error", policy,
                      log="service.log")
    serving.wait_for("countersign", lambda: ask(port, "GET", "/health").status == 200, 30, process)

    def get(rule, **document):
        return ask(port, "POST", "/v1/data/t/" + rule, {"input": document}).json().get("result")

    strict = "/v1/data/t/matches?strict-builtin-errors"
    assert get("matches", v="[]", url=peer.base + "/int")[0] is False
    assert get("matches", v={"a": 1, "b": "s"}, url=peer.base + "/object") == [True, []]
    reply = ask(port, "POST", strict, {"input": {"v": "1", "url": peer.base + "/none"}})
    wanted = "json.match_schema: Could not read schema from HTTP, response status is 404 Not Found"
    assert reply.status == 500 and wanted in reply.body.decode(), reply
    assert ask(port, "POST", strict, {"input": {"v": "1", "url": peer.base + "/int"}}).json()["result"] == [True, []]
    peer.hits.clear()
    assert get("twice", url=peer.base + "/int") == [True, False] and peer.hits == ["/int"], peer.hits
    file = "file://" + s.write("f.json", "{}")
    assert get("verified", url=file) == [False, "jsonschema: remote reference loading disabled: " + file]
    answers = []
    waiting = [threading.Thread(target=lambda: answers.append(get("matches", v='"x"', url=peer.base + "/slow")))
               for _ in range(20)]
    for thread in waiting:
        thread.start()
    serving.wait_for("the slow ones", lambda: peer.hits.count("/slow") == 20, 10)
    before = time.monotonic()
    assert all(get("fast", v=i) == i + 1 for i in range(50)) and time.monotonic() - before < 4 and not answers
    peer.slow.set()
    for thread in waiting:
        thread.join()
    assert answers == [[True, []]] * 20, answers


def main():
    peer = Peer()
    with tempfile.TemporaryDirectory() as folder:
        if "--record" in sys.argv:
            capabilities(os.environ["OPA"], folder)
            want = [[case, *run(os.environ["OPA"], peer.base, folder, case)] for case in cases()]
            with open(RECORD, "w", encoding="utf-8") as file:
                file.write("[\n" + ",\n".join(json.dumps(row) for row in want) + "\n]\n")
            return 0
        capabilities(COUNTERSIGN, folder)
        with open(RECORD, encoding="utf-8") as file:
            record = json.load(file)
        failed = 0
        for case, *want in record:
            got = run(COUNTERSIGN, peer.base, folder, case)
            if got != want:
                failed += 1
                print("%s\n  want %s\n  got  %s" % (case, want, got))
    try:
        service(serving.World(), peer)
    except (AssertionError, OSError, TypeError) as problem:
        failed += 1
        print("service: %r" % problem)
    print("%d passed, %d failed" % (len(record) + 1 - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
