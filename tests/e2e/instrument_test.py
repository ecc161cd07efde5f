#!/usr/bin/env python3
"""`eval --instrument` and ?instrument: the parts of compilation and evaluation under OPA's names, and nothing of that
without being asked.

Environment: COUNTERSIGN (the built program)."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serving

POLICY = """package app

role := "admin" if input.user == "ann"
role := "guest" if input.user == "bob"
twice(x) := x * 2
total := sum([twice(x) | some x in input.n])
both := [role, total, total]
"""
INPUT = {"user": "ann", "n": [1, 2, 3]}
FIGURES = ["75%", "90%", "95%", "99%", "99.9%", "99.99%", "count", "max", "mean", "median", "min", "stddev"]
STAGES = ["compile_stage_check_types", "compile_stage_resolve_refs", "compile_stage_rebuild_indices"]
QUERY_STAGES = ["query_compile_stage_check_safety", "query_compile_stage_rewrite_to_capture_value"]
failures, checks = [], 0


def check(what, holds):
    global checks
    checks += 1
    if not holds:
        failures.append(what)


def evaluation(what, metrics, index=True):
    for op in ["builtin_call"] + (["rule_index"] if index else []):
        figures = metrics.get(f"histogram_eval_op_{op}", {})
        check(f"{what}: figures of {op}: {figures}", sorted(figures) == sorted(FIGURES))
        if figures:
            order = figures["min"] <= figures["median"] <= figures["75%"] <= figures["99.99%"] <= figures["max"]
            check(f"{what}: order of {figures}", order and figures["count"] > 0)
            check(f"{what}: sum of {op}", metrics[f"timer_eval_op_{op}_ns"] >= figures["max"])
    check(f"{what}: hits of {metrics}", metrics.get("counter_eval_op_virtual_cache_hit", 0) >= 1)
    check(f"{what}: misses of {metrics}", metrics.get("counter_eval_op_virtual_cache_miss", 0) >= 3)


def timers(what, metrics, names):
    missing = [n for n in names if f"timer_{n}_ns" not in metrics]
    check(f"{what}: without {missing}", not missing)


w = serving.World()
w.write("app.rego", POLICY)
w.write("input.json", json.dumps(INPUT))
command = [serving.COUNTERSIGN, "eval", "-d", w.path("app.rego"), "-i", w.path("input.json"), "data.app"]
for flags in ([], ["--strict-builtin-errors"]):
    out = subprocess.run([*command, "--instrument", *flags], capture_output=True, check=True).stdout
    told = json.loads(out)["metrics"]
    evaluation(f"eval {flags}", told)
    timers(f"eval {flags}", told, STAGES + QUERY_STAGES)
plain = json.loads(subprocess.run([*command, "--metrics"], capture_output=True, check=True).stdout)["metrics"]
check(f"eval --metrics: {plain}", not any("_op_" in k or "_stage_" in k for k in plain))
table = subprocess.run([*command, "--instrument", "-f", "pretty"], capture_output=True, check=True).stdout.decode()
check("a row for each figure", all(f"histogram_eval_op_builtin_call_{f} " in table for f in FIGURES))

process, port = w.serve({})
serving.ask(port, "PUT", "/v1/policies/app", POLICY.encode())
body = {"input": INPUT}
for path, method in (("/v1/data/app", "POST"), ("/v1/query", "POST")):
    asked = dict(body, query="data.app = x") if path == "/v1/query" else body
    for strict in ("", "&strict-builtin-errors") if path != "/v1/query" else ("",):
        told = serving.ask(port, method, f"{path}?instrument{strict}", asked).json()["metrics"]
        evaluation(path + strict, told)
        if path == "/v1/query":
            timers(path, told, QUERY_STAGES)
    plain = serving.ask(port, method, f"{path}?metrics", asked).json()["metrics"]
    check(f"{path}?metrics: {plain}", not any("_op_" in k or "_stage_" in k for k in plain))
told = serving.ask(port, "POST", "/v1/compile?instrument", {"query": "data.app.role = x"}).json()["metrics"]
timers("/v1/compile", told, QUERY_STAGES[:1])
check(f"/v1/compile: {told}", "histogram_eval_op_rule_index" in told)
w.end()
for line in failures:
    print("FAIL", line[:1000])
print(f"{checks - len(failures)} passed, {len(failures)} failed")
sys.exit(bool(failures))
