#!/usr/bin/env python3
"""countersign exec: answers, errors and exit statuses, as OPA 1.22.2 gives them. The last line is
"N passed, M failed"."""
import json
import os
import re
import subprocess
import sys
import tempfile

POLICY = """package app
default allow := false
allow if input.user == "bob"
num := 1 if input.user
lst := [x | some x in input.xs]
bad := 1 if input.user
bad := 2 if input.user
"""
FILES = {"b/p.rego": POLICY, "in/a.json": '{"user":"bob","xs":[1]}', "in/b.yaml": "user: al", "in/c.json": "{",
         "in/d.txt": "hi", "in/f.json": "", "in/g.json": "null", "in/h.yaml": "a: [", "in/sub/e.yml": '{"xs":[]}'}
CONFLICT = {"code": "eval_conflict_error",
            "message": "rule data.app.bad produced conflicting values:\n  1 at /p.rego:6\n  2 at /p.rego:7",
            "location": {"file": "/p.rego", "row": 7, "col": 1}}
BOTH = "specify --fail or --fail-defined but not both"
COUNTED = "there were %d failures and %d errors counted in the results list, and --%s is set"


def undefined(name):
    return {"code": "opa_undefined_error", "message": name + " decision was undefined"}


def ok(path, result):
    return {"decision_id": "ID", "path": path, "result": result}


# (arguments, standard input, results or None, status, words on standard error)
CASES = [
    ("--decision app/allow -b b in", "",
     [ok("in/a.json", True), ok("in/b.yaml", False), {"path": "in/c.json", "error": {}}, ok("in/f.json", False),
      ok("in/g.json", False), {"path": "in/h.yaml", "error": {}}, ok("in/sub/e.yml", False)], 0, ""),
    ("--decision app/bad -b b in/a.json", "", [{"path": "in/a.json", "error": CONFLICT}], 0, ""),
    ("-b b in/a.json", "", [{"path": "in/a.json", "error": undefined("/system/main")}], 0, ""),
    ("--set default_decision=app/num -b b in/a.json", "", [ok("in/a.json", 1)], 0, ""),
    ("--decision app/allow -b b in/a.json in/none.json", "", None, 1,
     "exec error: lstat in/none.json: no such file or directory"),
    ("--decision app/lst --fail-non-empty -b b in/a.json in/sub/", "",
     [ok("in/a.json", [1]), ok("in/sub/e.yml", [])], 1, COUNTED % (1, 0, "fail-non-empty")),
    ("--decision app/nope --fail -b b in/a.json in/c.json", "",
     [{"path": "in/a.json", "error": undefined("app/nope")}, {"path": "in/c.json", "error": {}}], 1,
     COUNTED % (0, 2, "fail")),
    ("--decision app/allow --fail -b b in/a.json", "", [ok("in/a.json", True)], 0, ""),
    ("--decision app/allow --fail-defined -b b in/a.json", "", [ok("in/a.json", True)], 1,
     COUNTED % (1, 0, "fail-defined")),
    ("--fail --fail-defined -b b in/a.json", "", None, 1, BOTH),
    ("-b b", "", None, 1, "requires at least 1 path arg, or the --stdin-input flag"),
    ("--decision app/allow -b b -I", "user: bob\n\nignored", [ok("--stdin-input", True)], 0, ""),
    ("--decision app/allow -b b -I", "", None, 1, "cannot execute on empty input"),
    ("--decision app/allow -b b in/d.txt", "", [], 0, ""),
]


def main():
    program = os.path.abspath(os.environ["COUNTERSIGN"])
    failed = 0
    with tempfile.TemporaryDirectory() as top:
        for name, text in FILES.items():
            os.makedirs(os.path.join(top, os.path.dirname(name)), exist_ok=True)
            with open(os.path.join(top, name), "w", encoding="utf-8") as f:
                f.write(text)
        for args, given, want, status, words in CASES:
            r = subprocess.run([program, "exec"] + args.split(), input=given, capture_output=True, text=True, cwd=top,
                               timeout=20)
            out = re.sub(r'"decision_id": "[0-9a-f-]{36}"', '"decision_id": "ID"', r.stdout)
            text = "" if want is None else json.dumps({"result": want}, indent=2) + "\n"
            if (out, r.returncode, words in r.stderr) != (text, status, True):
                failed += 1
                print(f"FAIL exec {args}: status {r.returncode}, want {status}\n{out}{r.stderr}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
