#!/usr/bin/env python3
"""Documents as deep as the limit allows, through what recurses over values, on the service's threads and on the main
thread of the tool: nothing runs out of its stack. One level more is refused.

Environment: COUNTERSIGN (the built program)."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving

LIMIT = 10000
# Every family of functions that walks values by itself; input.d is arrays in arrays, input.o objects in objects.
CALLS = [
    "input.d == input.o",
    "input.o <= input.o",
    "{input.d, input.o}",
    "count([1 | walk(input.d, [_, _])])",
    "count([1 | walk(input.o, [_, 1])])",
    "object.union(input.o, input.o)",
    "object.union_n([input.o, {}, input.o])",
    "object.subset(input.o, input.o)",
    "json.unmarshal(json.marshal(input.d))",
    "json.marshal(input)",
    'json.marshal_with_options(input.o, {"indent": ""})',
    "count(yaml.marshal(input.o))",
    "yaml.unmarshal(json.marshal(input.o))",
    'json.patch(input.o, [{"op": "add", "path": "b", "value": input.d}])',
    'json.filter(input.o, ["a/a"])',
    'json.remove(input.o, ["a/a"])',
    'json.match_schema(input.d, {"items": {"$ref": "#"}})',
    'json.match_schema({}, {"enum": [input.o]})',
    "json.verify_schema(input.o)",
    'sprintf("%v %s %d", [input.d, input.o, input.d])',
    'strings.render_template("{{.a}}{{range .a}}{{.}}{{end}}", {"a": input.d})',
    'graphql.is_valid("{a}", input.o)',
    'graph.reachable(input.o, ["a"])',
    'io.jwt.encode_sign({"alg": "HS256"}, input.o, {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"})',
    'urlquery.encode_object({"a": input.d})',
    'crypto.sha256(sprintf("%v", [input.d]))',
    'count(rego.parse_module("a", sprintf("package a\\nx := %v", [input.d])))',
    "array.flatten([input.d])",
    "f(input.d)",
    "[x | x := g with input.x as input.d]",
    '[x | x := h with input as {"y": input.d} with data.things.z as input.o]',
]
RULES = ["package deep", "f(x) := x", "g := input.x", "h := [input.y, data.things]"]
FORMS = ["raw", "json", "pretty", "values", "bindings", "source"]
WALKED = [["--explain", "full"], ["--coverage"], ["--profile"], ["--partial", "-u", "data"]]


def document(levels):
    depth = levels - 2
    return '{"input": {"d": %s%s, "o": %s1%s}}' % ("[" * depth, "]" * depth, '{"a":' * depth, "}" * depth)


def served():
    failures = []
    w = serving.World()
    process, port = w.serve({})
    rules = [f"r{i} := {call}" for i, call in enumerate(CALLS)]
    reply = serving.ask(port, "PUT", "/v1/policies/deep", "\n".join(RULES + rules).encode())
    if reply.status != 200:
        return [f"the policy is refused: {reply.body[:2000]}"], 0
    body = document(LIMIT).encode()
    for rule in rules:
        name = rule.split()[0]
        try:
            reply = serving.ask(port, "POST", f"/v1/data/deep/{name}", body)
            if reply.status not in (200, 500):
                failures.append(f"{rule}: {reply.status} {reply.body[:300]}")
        except OSError as e:
            return failures + [f"{rule}: {e!r}, exit status {process.poll()}"], 0
    for path in ("/v1/data/deep/f", "/v1/query", "/v1/compile", "/v1/data/things"):
        method = "PUT" if path.endswith("things") else "POST"
        reply = serving.ask(port, method, path, document(LIMIT + 1).encode())
        if reply.status != 400 or b"exceeded max depth" not in reply.body:
            failures.append(f"{path}, a level too many: {reply.status} {reply.body[:300]}")
    deepest = document(LIMIT).replace('{"input": ', "", 1)[:-1]
    reply = serving.ask(port, "PUT", "/v1/data/things", deepest.encode())
    again = serving.ask(port, "GET", "/v1/data/things")
    if reply.status != 204 or again.status != 200 or len(again.body) < len(deepest) // 2:
        failures.append(f"stored: {reply.status}, {again.status} {again.body[:300]}")
    w.end()
    return failures, len(rules) + 5


def evaluated():
    failures = []
    with tempfile.NamedTemporaryFile("w", suffix=".json") as out:
        out.write(document(LIMIT)[len('{"input": ') : -1])
        out.flush()
        runs = [["-f", form, "x = input"] for form in FORMS]
        runs += [[*flags, "-f", "pretty", "input.d == data.x"] for flags in WALKED]
        for run in runs:
            done = subprocess.run([serving.COUNTERSIGN, "eval", "-i", out.name, *run], capture_output=True, timeout=60)
            if done.returncode not in (0, 1, 2):
                failures.append(f"eval {run}: exit status {done.returncode} {done.stderr[:500]}")
    return failures, len(runs)


failures = []
checks = 0
for part in (served, evaluated):
    bad, n = part()
    failures += bad
    checks += n
for line in failures:
    print("FAIL", line)
print(f"{checks - len(failures)} passed, {len(failures)} failed")
sys.exit(bool(failures))
