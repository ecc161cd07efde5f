#!/usr/bin/env python3
"""Schemas in the type checker: annotations and --schema, as check, eval and test report them, against what OPA printed
(schema_cases.json; `OPA=opa schema_test.py --record` records anew)."""
import json
import os
import subprocess
import sys
import tempfile

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schema_cases.json")


def run(program, files, args):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([program, *args], cwd=folder, capture_output=True, text=True, check=False)
        return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def main():
    with open(RECORD, encoding="utf-8") as file:
        record = json.load(file)
    if "--record" in sys.argv:
        for case in record["cases"]:
            case["want"] = run(os.environ["OPA"], record["files"], case["args"])
        with open(RECORD, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
        return 0
    program = os.path.abspath(os.environ.get("COUNTERSIGN", "build/release/countersign"))
    failed = 0
    for case in record["cases"]:
        got = run(program, record["files"], case["args"])
        if got != case["want"]:
            failed += 1
            print("%s\n  want %s\n  got  %s" % (" ".join(case["args"]), case["want"], got))
    print("%d passed, %d failed" % (len(record["cases"]) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
