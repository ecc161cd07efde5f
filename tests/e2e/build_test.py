#!/usr/bin/env python3
"""What `build` writes (optimised and not) and what `inspect` tells, to the byte, against what OPA 1.22.2 wrote:
build_cases.json, which RECORD=1 with OPA set writes anew. With OPA set, its answers of today are compared, too."""
import json
import os
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "build_cases.json")
COUNTERSIGN = os.path.abspath(os.environ.get("COUNTERSIGN") or os.path.join(HERE, "..", "..", "build", "countersign"))
OPA = os.environ.get("OPA")


def answer(program, case):
    """Status, what was said, and the files of the bundle in their order."""
    with tempfile.TemporaryDirectory() as place:
        for name, text in case["files"].items():
            path = os.path.join(place, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        for name, to in case.get("links", {}).items():
            os.symlink(to, os.path.join(place, name))
        done = subprocess.run([program, *case["args"]], cwd=place, capture_output=True, text=True, timeout=60)
        result = {"status": done.returncode, "stdout": done.stdout}
        bundle = os.path.join(place, "bundle.tar.gz")
        if os.path.exists(bundle):
            with tarfile.open(bundle) as tar:
                result["bundle"] = [[m.name, tar.extractfile(m).read().decode()] for m in tar]
        return result


def same(name, ours, theirs, failed):
    if ours != theirs:
        failed.append(name)
        print(f"FAIL  {name}\n  ours: {json.dumps(ours)}\n  OPA:  {json.dumps(theirs)}")


def main():
    with open(CASES, encoding="utf-8") as source:
        cases = json.load(source)
    if OPA and os.environ.get("RECORD"):
        for case in cases:
            case["want"] = answer(OPA, case)
        with open(CASES, "w", encoding="utf-8") as out:
            json.dump(cases, out, indent=1, ensure_ascii=False)
            out.write("\n")
    failed = []
    for case in cases:
        ours = answer(COUNTERSIGN, case)
        same(case["name"], ours, case["want"], failed)
        if OPA:
            same(case["name"] + " (OPA today)", answer(OPA, case), case["want"], failed)
    total = len(cases) * (2 if OPA else 1)
    print(f"{total - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


sys.exit(main())
