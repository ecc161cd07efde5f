#!/usr/bin/env python3
"""The capabilities document against OPA's, recorded without the texts; with OPA on the machine (environment: OPA)
against what it prints, byte by byte. Any difference that is not listed here with its reason fails. `--record` records
anew."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "capabilities_expected.json")
VERSIONS = os.path.join(HERE, "capabilities_versions.json")

# Differences: the path of what differs, and why.
LISTED = {
    "builtins.*.description":
        "what a function does is told in OPA's manual; the document's other texts travel in errors",
}


def document(program, *flags):
    done = subprocess.run([program, "capabilities", "--current", *flags], capture_output=True, text=True, check=True)
    return done.stdout


def without_texts(value):
    """For the record: names, types and flags, without descriptions."""
    if isinstance(value, dict):
        return {k: without_texts(v) for k, v in value.items() if k != "description"}
    return [without_texts(v) for v in value] if isinstance(value, list) else value


def by_name(text):
    parsed = json.loads(text)
    parsed["builtins"] = {b["name"]: b for b in parsed["builtins"]}
    return parsed


def differences(want, have, texts):
    """Paths at which the documents differ, up to a member of a built-in."""
    out = []
    for key in sorted(set(want) | set(have)):
        if key != "builtins" and want.get(key) != have.get(key):
            out.append(key)
    for name in sorted(set(want["builtins"]) | set(have["builtins"])):
        one, other = want["builtins"].get(name), have["builtins"].get(name)
        if one is None or other is None:
            out.append("builtins." + name)
            continue
        for key in sorted(set(one) | set(other)):
            if not texts and key == "description":
                continue
            x, y = one.get(key), other.get(key)
            if (x, y) != (None, None) and (x != y if texts else without_texts(x) != without_texts(y)):
                out.append("builtins.%s.%s" % (name, key))
    return out


def listed(path):
    parts = path.split(".")
    return path in LISTED or ".".join(["builtins", "*", parts[-1]]) in LISTED


def reduced(text):
    """The text without what the list allows to differ: descriptions of functions, and built-ins that only one has."""
    parsed = json.loads(text)
    kept = [b for b in parsed["builtins"] if not listed("builtins." + b["name"])]
    for builtin in kept:
        builtin.pop("description", None)
    parsed["builtins"] = kept
    return json.dumps(parsed, indent=2)


def granted(ours):
    """A built-in that the capabilities leave out is unknown to check, eval and test: how many of them say so."""
    with tempfile.TemporaryDirectory() as folder:
        some = json.loads(document(ours))
        some["builtins"] = [b for b in some["builtins"] if b["name"] != "count"]
        capabilities, module = os.path.join(folder, "capabilities.json"), os.path.join(folder, "a.rego")
        with open(capabilities, "w", encoding="utf-8") as file:
            json.dump(some, file)
        with open(module, "w", encoding="utf-8") as file:
            file.write("package a\n\ntest_p if count([1]) == 1\n\ntest_q if max([1]) == 1\n")
        commands = (["check", module], ["eval", "-d", module, "data.a"], ["eval", "count([1])"], ["test", module])
        right = 0
        for command in commands:
            done = subprocess.run([ours, *command, "--capabilities", capabilities], capture_output=True, text=True)
            right += done.returncode != 0 and "undefined function count" in done.stdout + done.stderr
        return right, len(commands)


def of_version(program, version):
    return subprocess.run([program, "capabilities", "--version", version], capture_output=True, check=True).stdout


def listing(program):
    return subprocess.run([program, "capabilities"], capture_output=True, text=True, check=True).stdout.split()


def versions(ours, opa):
    """The document of each version that has published one, by the recorded sum; with OPA some also byte by byte."""
    with open(VERSIONS, encoding="utf-8") as file:
        recorded = json.load(file)
    right = listing(ours) == list(recorded) and (not opa or listing(opa) == list(recorded))
    for i, (version, digest) in enumerate(recorded.items()):
        text = of_version(ours, version)
        same = hashlib.sha256(text).hexdigest() == digest
        same = same and (not opa or i % 8 != 0 or of_version(opa, version) == text)
        right += same
        print("" if same else "the capabilities of %s differ\n" % version, end="")
    return right, len(recorded) + 1


def main():
    ours = os.environ.get("COUNTERSIGN", "build/release/countersign")
    opa = os.environ.get("OPA", "")
    if "--record" in sys.argv:
        with open(RECORD, "w", encoding="utf-8") as file:
            for flags in ([], ["--v0-compatible"]):
                file.write(json.dumps(without_texts(json.loads(document(opa, *flags)))) + "\n")
        with open(VERSIONS, "w", encoding="utf-8") as file:
            sums = {v: hashlib.sha256(of_version(opa, v)).hexdigest() for v in listing(opa)}
            file.write(json.dumps(sums, indent=0) + "\n")
        return 0
    with open(RECORD, encoding="utf-8") as file:
        recorded = file.read().splitlines()
    passed = failed = 0
    for right, asked in (granted(ours), versions(ours, opa)):
        passed, failed = passed + right, failed + asked - right
    for expected, flags in zip(recorded, ([], ["--v0-compatible"])):
        checks = [(by_name(expected), False, "the record")]
        text = document(ours, *flags)
        if opa:
            checks.append((by_name(document(opa, *flags)), True, "opa"))
            same = reduced(document(opa, *flags)) == reduced(text)
            passed, failed = passed + same, failed + (not same)
            print("" if same else "order or layout differs from opa's %s" % flags, end="" if same else "\n")
        for want, texts, name in checks:
            found = differences(want, by_name(text), texts)
            unlisted = [path for path in found if not listed(path)]
            passed, failed = passed + (not unlisted), failed + bool(unlisted)
            for path in unlisted:
                print("differs from %s: %s" % (name, path))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
