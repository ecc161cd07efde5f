#!/usr/bin/env python3
"""Stack traces of failed evaluations over HTTP: every query that led to the error; and byte for byte the trees of
policies and the errors of those that cannot be. As OPA tells them (stack_cases.json; `OPA=opa stack_test.py
--record` records anew)."""

import json
import os
import sys

import serving
from serving import COUNTERSIGN, ask

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stack_cases.json")
POLICY = """package st
f(x) := to_number(x)
g(x) := f(x) + 1
p := g("abc")
q := [x | x := g("zz")]
c := 1
c := 2 if { true }
d if { c == 1 }
e if { every x in ["a", "1"] { to_number(x) } }
h if { not f("q") }
i contains g(x) if { some x in ["1", "y"] }
j if { f("z") with input as 3 }
k[x] := y if { x := "a"; some y in [1, 2] }
l if { k.a == 1 }
n(x) := 1 if { x }
n(x) := 2 if { true }
o if { n(1) == 1 }
s if { input.n == {y | y := f("w")} }
"""
TREE = """# METADATA
# title: t
# authors:
# - name: A
#   email: a@b
# custom: {z: 1, a: 2}
package tree
import data.foo as f
default g(_) := 2
p(x) := y if { some w, y in input.m; not w == 1; z := {k: v | some k, v in input.o}; every q in z { q > 1 } } else := 3
s contains x if { x := [a | a := 1][_]; y := {b | b := 2}; $"t{x}" == "a"; f.x with input.a as {"b": y} }
h.i.j := 1
"""
BAD = ["package a\np := ", "package a\nr1 := true\np if { r1[k] == 2; lower(1) }", "package a\np if { x }", "",
       "package a\np if { input.x == {1}; {1} == [1] }", "package a\np if { foo(1) }", "package a\np if { p }",
       'package a\np if { {x: y | y := 1; x := 2}.a == 3 }\nq if { {"a": 1}.b; r.c.d }\nr.c := 1']


def answers(s, program):
    port = serving.free_port()
    policy = s.write("st.rego", POLICY)
    process = s.start(program, "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error", policy,
                      log="service.log")
    serving.wait_for("the service", lambda: ask(port, "GET", "/health").status == 200, 30, process)
    told = {}
    for rule in list("pqcdehijklos") + [""]:
        for end in ("", "?strict-builtin-errors"):
            path = "/v1/data/st" + ("/" + rule if rule else "") + end
            told[path] = ask(port, "POST", path, {"input": {"n": 1}}).json()
            told[path].pop("decision_id", None)
    for text in [*BAD, TREE]:
        told["PUT " + text] = ask(port, "PUT", "/v1/policies/x.rego", text.encode()).body.decode()
    told["GET"] = ask(port, "GET", "/v1/policies/x.rego?pretty").body.decode()
    return json.loads(json.dumps(told).replace(policy, "st.rego"))


def main():
    s = serving.World()
    if "--record" in sys.argv:
        with open(RECORD, "w", encoding="utf-8") as file:
            json.dump(answers(s, os.environ["OPA"]), file, indent=1)
            file.write("\n")
        return 0
    with open(RECORD, encoding="utf-8") as file:
        want = json.load(file)
    got = answers(s, COUNTERSIGN)
    wrong = [path for path in want if got.get(path) != want[path]]
    for path in wrong:
        print(f"{path}\n  want {want[path]}\n  got  {got.get(path)}")
    print(f"{len(want) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
