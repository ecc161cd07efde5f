#!/usr/bin/env python3
"""Plans of `build -t plan`, to the byte, against what OPA 1.22.2 wrote for the modules in plan/: plan_cases.json has
the digests, which RECORD=1 with OPA set writes anew. With OPA set, its answers of today are compared, too, and a plan
that differs is shown. What a bundle with a plan does afterwards (inspect, eval, build again) is compared likewise."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "plan_cases.json")
COUNTERSIGN = os.path.abspath(os.environ.get("COUNTERSIGN") or os.path.join(HERE, "..", "..", "build", "countersign"))
OPA = os.environ.get("OPA")

RULES, TREE, WITH = "rules.rego", "rules.rego tree.rego more.rego", "rules.rego with.rego"
V2 = "rules.rego tree.rego more.rego logic.rego with.rego"
OLD = "old.rego --v0-compatible"
MODULES = [
    *(f"{RULES} --prune-unused -e app/rules/{name}" for name in ("allow", "violations", "by_team", "deep", "unify")),
    RULES,
    f"{RULES} --prune-unused -e app/rules",
    f"{RULES} -e app/rules/level -e /app/rules/level -e app/rules",
    f"{TREE} --prune-unused -e look/tree -e look",
    *(f"{TREE} --prune-unused -e look/tree/{name}" for name in ("found", "picked", "picked_deep", "mixed", "loop")),
    f"{WITH} --prune-unused -e app/with_test",
    f"{WITH} -e app/with_test/t6 -e app/with_test/t8",
    "logic.rego -e app/logic --prune-unused",
    f"{OLD} -e app/old --prune-unused",
    f"{OLD} -e app/old/g",
    f"{OLD} -O2 -e app/old/p -e app/old/q",
    f"{V2} --plan-addons unplanned_rules -e app/logic/q",
    "rules.rego logic.rego --prune-unused -O1 -e app/rules/allow -e app/logic/q",
    "rules.rego logic.rego --prune-unused -O2 -e app/rules/level -e app/rules/violations",
    f"{RULES} --format proto",
    f"{WITH} --format proto -e app/with_test",
    f"{RULES} -e app/rules/nothing",
    f"{RULES} -e app/rules/pair",
    "more.rego",
    f"{RULES} --plan-addons everything",
    f"{RULES} --capabilities v0.60.0",
]
# One bundle after the other, in a folder with what the steps before have made.
STEPS = [
    "build -t plan -b src -o plan.tgz",
    "build -t plan -b src -o proto.tgz --format proto",
    "build -t plan -b src -o plan1.tgz --signing-key secret --signing-alg HS256",
    "build -b src -o plain.tgz",
    "build -b plan.tgz -o again.tgz",
    "build -b plan.tgz -t plan -e a/r -o twice.tgz",
    "build -b proto.tgz -o bad1.tgz",
    "build -b proto.tgz -t plan --format proto -e a/r -o proto2.tgz",
    "build -b plan.tgz -t plan --format proto -o bad2.tgz",
    "build -b plan.tgz proto.tgz -o bad3.tgz",
    "build -b plain.tgz proto.tgz -o bad4.tgz",
    *(f"{what} {name}" for name in ("plan.tgz", "proto.tgz", "again.tgz")
      for what in ("inspect", "inspect -f json", "eval data.a -b", "eval data.b -f raw -b")),
]
FILES = {
    "src/a/a.rego": 'package a\n\n# METADATA\n# entrypoint: true\nallow if input.x == data.b.y\n\nallow if r\n\n'
                    'r if data.b.z.q == "<&>"\n\nunused if f(2)\n\nf(x) := x + 1\n',
    "src/b/data.json": '{"y": 3, "z": {"q": "<&>"}}',
    "src/.manifest": '{"revision": "r1", "roots": ["a", "b"], "rego_version": 1, '
                     '"file_rego_versions": {"/x/*.rego": 0}, "metadata": {"k": [1, null, true, "s", {"t": 1.5}]}}',
}


def digest(data):
    return hashlib.sha256(data).hexdigest()[:32]


def contents(path):
    """Of an archive: names in their order, and bytes. A signature's text has its members in another order."""
    if not os.path.exists(path):
        return []
    with tarfile.open(path) as tar:
        return [(m.name, b"" if "signatures" in m.name else tar.extractfile(m).read()) for m in tar]


def told(program, arguments, where):
    done = subprocess.run([program, *arguments], cwd=where, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def build_modules(program, line):
    with tempfile.TemporaryDirectory() as place:
        for name in os.listdir(os.path.join(HERE, "plan")):
            shutil.copy(os.path.join(HERE, "plan", name), place)
        status, text = told(program, ["build", "-t", "plan", *line.split()], place)
        return status, text, contents(os.path.join(place, "bundle.tar.gz"))


def take_steps(program):
    answers = {}
    with tempfile.TemporaryDirectory() as place:
        for name, text in FILES.items():
            path = os.path.join(place, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        for line in STEPS:
            words = line.split()
            status, text = told(program, words, place)
            made = contents(os.path.join(place, words[words.index("-o") + 1])) if "-o" in words else []
            answers[line] = (status, text, made)
    return answers


def all_answers(program):
    answers = {line: build_modules(program, line) for line in MODULES}
    return {**answers, **take_steps(program)}


def shorten(answer):
    status, text, files = answer
    return [status, text if len(text) < 400 else digest(text.encode()), [[name, digest(data)] for name, data in files]]


def show(line, ours, want, theirs):
    print(f"FAIL  {line}\n  ours: {json.dumps(shorten(ours))}\n  OPA:  {json.dumps(want)}")
    for (name, mine), (_, other) in zip(ours[2], theirs[2] if theirs else []):
        if mine != other:
            at = next((i for i, (x, y) in enumerate(zip(mine, other)) if x != y), min(len(mine), len(other)))
            part = slice(max(0, at - 200), at + 80)
            print(f"  {name} at {at}:\n   ours {mine[part]!r}\n   OPA  {other[part]!r}")


def main():
    ours = all_answers(COUNTERSIGN)
    theirs = all_answers(OPA) if OPA else {}
    if theirs and os.environ.get("RECORD"):
        with open(CASES, "w", encoding="utf-8") as out:
            json.dump({line: shorten(answer) for line, answer in theirs.items()}, out, indent=1, ensure_ascii=False)
            out.write("\n")
    with open(CASES, encoding="utf-8") as source:
        want = json.load(source)
    failed = 0
    for line in ours:
        if shorten(ours[line]) != want.get(line):
            failed += 1
            show(line, ours[line], want.get(line), theirs.get(line))
        if theirs and shorten(theirs[line]) != want.get(line):
            failed += 1
            print(f"FAIL  {line} (OPA today): {json.dumps(shorten(theirs[line]))}")
    refused = told(COUNTERSIGN, ["build", "-t", "wasm", "-e", "app/rules", os.path.join("plan", RULES)], HERE)
    if refused[0] != 1 or "wasm is not supported" not in refused[1]:
        failed += 1
        print(f"FAIL  build -t wasm: {refused}")
    total = len(ours) * (2 if theirs else 1) + 1
    print(f"{total - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
