#!/usr/bin/env python3
"""`eval` and `test` as OPA's: forms of output, explanations, profiles, coverage, tracebacks, reports of tests. Compared
with what OPA printed, recorded in trace_cases.json (durations and measured numbers taken out); with OPA on the machine
(environment: OPA) `--record` records anew. OPA runs tests in no particular order, so lines of reports are compared
sorted."""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "trace_cases.json")

FILES = {
    "a.rego": """package a

p contains x if {
	some x in input.xs
	x > 1
	trace(sprintf("hit %v", [x]))
}

q := count(p)

f(x) := y if y := x + 1

r if {
	q == 2
	f(1) == 2
	not data.a.zzz
	every z in p { z > 0 }
}

zzz if false
""",
    "e.rego": """package e

two := x if {
	some x in [1, 2]
	y := x * 2
	y > 0
}

f(x) := x

f(x) := x + 1

q := f(3)

o[k] := v if {
	some k in ["a"]
	some v in [1, 2]
}

r := [z | some z in [1, 2]; 1 / (z - 1) > 0]

deep := g(f(1))

g(x) := y if y := x + 1
""",
    "t/x_test.rego": """package x_test

import data.a

f(x) := x + 1

test_ok if f(1) == 2

test_bad if {
	y := f(1)
	z := {"a": y}
	print("y is", y)
	z.a == 3
}

test_case[note] if {
	some note, tc in {"one": {"a": 1, "b": 2}, "two": {"a": 2, "b": 2}}
	f(tc.a) == tc.b
}

todo_test_later if false

test_val := 3

test_err if {
	x := {"a": v | some v in [1, 2]}
}

test_ok if a.q == 1 with input as {"xs": [3]}
""",
    "ends.rego": """package ends

f(x) := y if {
	is_number(x)
	y := x * 2
}

f(x) := y if {
	endswith(x, "m")
	y := 2
}

held(x) := 1 if "a" in x

starts := 1 if startswith(input.s, "q")
""",
    "notes/note_test.rego": """package note_test

test_note if {
	trace("two\\nlines\\n")
	print("two\\nlines")
	false
}
""",
    "cover/paren_test.rego": """package paren_test

test_sum if {
	d := [1, 2]
	x = (d[0] * 2) + d[1]
	x == 4
}
""",
    "tmpl.rego": "package tmpl\n\np := $\"a {input.user} b {1 + input.n}\"\n\nq := $\"{input.m}\" if input.x\n",
    "cases/cases_test.rego": """package v3
test_a["c1"] if { 1 == 1 }
test_b["c1"] if { 1 == 2 }
test_b["c2"] if { 1 == 1 }
test_c[x] if { some x in ["a", "b"]; x == "a" }
test_d["c1"].k if { 1 == 2 }
test_d["c1"].l if { 1 == 1 }
test_e["q"][x] if { some x in ["a", "b"]; x == "a" }
test_f["q"][x] if { some x in ["a", "b"]; x == "c" }
test_g["q"] := 1
test_h.x.y if { 1 == 2 }
test_i["c1"] if { 1 == 2 }
test_i["c2"] if { 1 == 2 }
test_j["c1"] if { 1 == 1 }
test_j["c2"] if { 1 == 1 }
test_k["c1"] := false
test_l["c1"] if { 1/0 == 1 }
foo.test_m := true
foo.test_n := false
foo.test_o := null
foo.test_p if false
foo.test_q := {"a": false, "b": true}
foo.bar.test_r := false
test_s[3] := true
test_t := {"x": false}
test_u.x := {"y": false}
test_v[input.z] if { 1 == 2 }
test_w[x].k if { x := ["l", "m"][_]; x == "l" }
foo.test_x[x] := y if { some x, y in {"a": 1, "b": true} }
test_y contains 1 if true
test_w2[x] := null if { x := ["l", "m"][_] }
""",
    "bad/a.rego": """package bad

xs := [i + 1 |
	some i in input
]
""",
    "in.json": '{"xs": [1, 2, 3]}',
}

A = ["-d", "a.rego", "-i", "in.json"]
EVALS = [[*A, f"data.a.{rule}", "-f", "pretty", f"--explain={level}", *more]
         for rule in ("r", "q") for level in ("full", "notes", "fails", "debug") for more in ([], ["--var-values"])]
EVALS += [[*A, "data.a.r", "--coverage"], [*A, "data.a.q", "--coverage", "-f", "pretty"],
          [*A, "data.a.r", "--coverage-runs=early_exit"],
          [*A, "data.a.r", "-f", "pretty", "--explain=full", "--disable-early-exit"]]
EVALS += [[query, "-f", form] for form in ("json", "pretty", "values", "bindings", "raw", "discard")
          for query in ('x := [1, 2][i]; y := "<a>é日本"', "1; 2", "true; true", "x := 1/0", "{2, 1}", "input", "[",
                        "[1,\n 2]; x := 1", 'print("hi", 1)')]
EVALS += [["-d", "e.rego", f"data.e.{rule}", "-f", form, flag] for rule in ("two", "q", "o", "r", "deep")
          for form in ("json", "pretty") for flag in ("--strict-builtin-errors", "--show-builtin-errors")]
EVALS += [[], ["1", "2"], ["1", "--stdin"], ["1", "--fail", "--fail-defined"], ["1", "-f", "source"],
          ["1/0", "--fail"], ["1", "--fail-defined"], ["1", "-d", "missing"], ["1", "--metrics", "-f", "pretty"],
          [*A, "data.a.q", "--profile", "-f", "pretty", "--profile-sort", "num_eval", "--profile-sort", "line"]]
# What an argument starts or ends with is not in the index, what a document does is; errors of syntax lose their tabs.
EVALS += [["-d", "ends.rego", query, "-f", "pretty", "--explain=full"]
          for query in ("data.ends.f(20)", 'data.ends.f("1m")', 'data.ends.held(["b"])', "data.ends.starts")]
EVALS += [["-d", "bad", "1", "-f", form] for form in ("pretty", "json", "values")]
EVALS += [["-d", "bad", "1", "-f", "pretty", "--metrics"], ["-d", "bad", "1", "--coverage"],
          ["-d", "e.rego", "data.e.two", "-p", "--coverage"],
          ["-d", "e.rego", "data.e.r", "-p", "--profile", "-f", "pretty", "--profile-sort", "line"],
          ["-d", "e.rego", "count(1)", "--coverage"], ["-d", "tmpl.rego", "1", "--coverage"],
          [*A, "data.a.r", "--coverage", "--profile", "-f", "pretty", "--profile-sort", "line"],
          ["-d", "e.rego", "data.e.two", "-p", "--explain=full", "-f", "pretty"]]
CHECKS = [["bad"], ["-b", "bad"], ["bad", "-f", "json"], ["bad/a.rego", "a.rego"]]
TESTS = [["t", "a.rego", *more] for more in (
    [], ["-v"], ["--var-values"], ["-v", "--var-values"], ["-f", "json"], ["-v", "--explain=full", "-r", "test_bad"],
    ["-v", "--explain=notes", "-r", "test_bad"], ["-z", "-r", "later"], ["-r", "later"], ["-r", "nothing"],
    ["-r", "nothing", "--fail-on-empty"], ["-r", "test_ok", "--coverage"], ["-r", "test_ok", "--threshold", "90"],
    ["-r", "test_ok", "--threshold", "90", "-v"], ["--coverage", "-r", "test_bad"], ["--coverage", "-r", "test_case"],
    ["-r", "("], ["--threshold", "200"], ["-f", "gobench"], ["-f", "json", "-r", "nothing"],
    ["--count", "2", "-r", "ok"],
    ["--sort", "duration", "-r", "ok"], ["--coverage", "--bench"])] + [
        ["missing"], [], ["bad"], ["-b", "bad"], ["notes/note_test.rego", "-v"], ["cover", "--coverage", "-f", "json"],
        ["cases"], ["cases", "-v"], ["cases", "-f", "json"]]

TAKEN_OUT = [(r"\([0-9.]+(?:µs|ms|ns|s)\)", "(T)"), (r'("duration": )[0-9]+', r"\1N"),
             (r"[0-9.]+(?:µs|ms|ns) *│", "T │"), (r"(_ns *│ )[0-9.]+ *", r"\1N "), (r"[─]+", "─"), (r" +│", " │"),
             (r"│ +", "│ "), (r'"query_id": [0-9]+', '"query_id": N')]


def run(program, command, args, folder):
    done = subprocess.run([program, command, *args], cwd=folder, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    out, err = done.stdout, done.stderr
    if err.startswith(("Error:", "error:")):
        err = ""  # wrong flags: the words are each program's own
    for pattern, text in TAKEN_OUT:
        out, err = re.sub(pattern, text, out), re.sub(pattern, text, err)
    if command == "test":
        out = "\n".join(sorted(out.split("\n")))
    return [done.returncode, out, err]


def write_files(folder):
    for name, text in FILES.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def all_cases(program, folder):
    for command, cases in (("eval", EVALS), ("test", TESTS), ("check", CHECKS)):
        for args in cases:
            more = ["-p", "1"] if command == "test" and program == os.environ.get("OPA") else []
            yield " ".join([command, *args]), run(program, command, args + more, folder)


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_files(folder)
        if "--record" in sys.argv:
            with open(RECORD, "w", encoding="utf-8") as f:
                json.dump(dict(all_cases(os.environ["OPA"], folder)), f, indent=1, ensure_ascii=False)
            return
        with open(RECORD, encoding="utf-8") as f:
            expected = json.load(f)
        passed = failed = 0
        for name, got in all_cases(os.environ["COUNTERSIGN"], folder):
            if got == expected[name]:
                passed += 1
                continue
            failed += 1
            print(f"FAIL {name}")
            for what, wanted, was in zip(("status", "stdout", "stderr"), expected[name], got):
                if wanted != was:
                    print(f"  {what}: want {str(wanted)[:600]!r}\n  {what}:  got {str(was)[:600]!r}")
        print(f"{passed} passed, {failed} failed")
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
