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


CUSTOM = {"name": "custom.f", "decl": {"type": "function", "args": [{"type": "string"}], "result": {"type": "any"}}}
CALLER = """package a

p := custom.f("x")

ok := 1

test_function if p == "gx" with custom.f as data.a.g

test_builtin if p == "X" with custom.f as upper

test_value if p == 7 with custom.f as 7

test_stand_in if upper("a") with upper as custom.f

g(x) := concat("", ["g", x])
"""
UNSUPPORTED = "eval_internal_error: unsupported built-in: custom.f"
# What is run with the capabilities, the exit status, and what the output has.
CUSTOM_RUNS = [
    (["check", "a.rego"], 0, ""),
    (["test", "a.rego", "-r", "test_(function|builtin)"], 0, "PASS: 2/2"),
    (["test", "a.rego", "-r", "test_value"], 2, "a.rego:3: " + UNSUPPORTED),
    (["test", "a.rego", "-r", "test_stand_in"], 2, "a.rego:13: " + UNSUPPORTED),
    (["eval", "-f", "pretty", "-d", "a.rego", "data.a.ok"], 0, "1"),
    (["eval", "-f", "pretty", "-d", "a.rego", "data.a.p"], 2, "a.rego:3: " + UNSUPPORTED),
    (["eval", "-f", "pretty", "-d", "a.rego", 'not custom.f("a")'], 2, UNSUPPORTED),
    (["eval", "-f", "pretty", 'x := custom.f("a") with custom.f as upper'], 0, '"A"'),
    (["eval", "-f", "pretty", 'x := custom.f("a") with custom.f as 3'], 2, UNSUPPORTED),
    (["eval", "-f", "pretty", "custom.f(1)"], 2, "custom.f: invalid argument(s)"),
]


def custom(ours, opa):
    """A built-in that only the capabilities know can be called and mocked; a call that is met is an error."""
    right = 0
    with tempfile.TemporaryDirectory() as folder:
        more = json.loads(document(ours))
        more["builtins"].append(CUSTOM)
        with open(os.path.join(folder, "c.json"), "w", encoding="utf-8") as file:
            json.dump(more, file)
        with open(os.path.join(folder, "a.rego"), "w", encoding="utf-8") as file:
            file.write(CALLER)
        for command, status, text in CUSTOM_RUNS:
            for program in filter(None, (ours, opa)):
                done = subprocess.run(
                    [program, *command, "--capabilities", "c.json"], capture_output=True, text=True, cwd=folder
                )
                fits = done.returncode == status and text in done.stdout + done.stderr
                right += fits
                print("" if fits else "%s: %s\n%s%s\n" % (program, command, done.stdout, done.stderr), end="")
    return right, len(CUSTOM_RUNS) * (2 if opa else 1)


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
    ours = os.path.abspath(os.environ.get("COUNTERSIGN", "build/release/countersign"))
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
    for right, asked in (granted(ours), custom(ours, opa), versions(ours, opa)):
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
