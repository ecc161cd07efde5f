#!/usr/bin/env python3
"""Partial evaluation from outside: POST /v1/compile, data filters at /v1/compile/{path}, eval --partial, with the
answers of OPA 1.22.2 (compile_cases.json). The last line is "N passed, M failed".

Environment: COUNTERSIGN (the built program)."""
import json
import os
import re
import subprocess
import sys
import tempfile

import serving

HERE = os.path.dirname(os.path.abspath(__file__))


def same(case, reply):
    """Successes to the byte (but for times), errors by their content."""
    got, want = reply.body.decode(), case["answer"]
    if (reply.status, reply.headers.get("Content-Type")) != (case["status"], case["type"]):
        return False
    if "metrics" in case["path"]:
        got = re.sub(r'(_ns": ?)\d+', r"\1 1", got)
    if got == want:
        return True
    return case["status"] != 200 and json.loads(got) == json.loads(want)


def http_cases(port, cases):
    failed = 0
    for case in cases:
        headers = {"Content-Type": "application/json"}
        if case["accept"]:
            headers["Accept"] = case["accept"]
        reply = serving.ask(port, case["method"], case["path"], case["body"].encode(), headers)
        if not same(case, reply):
            failed += 1
            print(f"FAIL {case['path']} {case['body']}\n  got  {reply}\n  want {case['status']} {case['answer']!r}")
    return failed


def eval_cases(policy, cases):
    failed = 0
    for case in cases:
        r = subprocess.run([serving.COUNTERSIGN, "eval", "--partial", "-d", policy] + case["args"], capture_output=True,
                           text=True, timeout=20)
        if (r.returncode, r.stdout) != (case["status"], case["stdout"]):
            failed += 1
            print(f"FAIL eval --partial {case['args']}: {r.returncode}\n{r.stdout}want {case['status']}\n"
                  f"{case['stdout']}{r.stderr}")
    return failed


def main():
    with open(os.path.join(HERE, "compile_cases.json"), encoding="utf-8") as f:
        book = json.load(f)
    with tempfile.TemporaryDirectory() as top:
        policy = os.path.join(top, "filters.rego")
        with open(policy, "w", encoding="utf-8") as f:
            f.write(book["policy"])
        port = serving.free_port()
        command = [os.path.abspath(serving.COUNTERSIGN), "run", "-s", "--addr", f"127.0.0.1:{port}", "filters.rego"]
        server = subprocess.Popen(command, cwd=top, stderr=subprocess.DEVNULL)
        try:
            serving.wait_for("the server", lambda: serving.is_open(port), process=server)
            failed = http_cases(port, book["cases"])
        finally:
            server.terminate()
            server.wait(10)
        failed += eval_cases(policy, book["eval"])
    print(f"{len(book['cases']) + len(book['eval']) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
