#!/usr/bin/env python3
"""countersign fmt, parse and deps: layouts recorded from OPA 1.22.2 (fmt_cases.json: flags, text, result, error),
flags, exit statuses. With CONFORMANCE and OPA every module of the conformance cases is compared. The last line is
"N passed, M failed"."""
import glob
import json
import os
import stat
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("COUNTERSIGN", "build/countersign")
OPA, CONFORMANCE = os.environ.get("OPA"), os.environ.get("CONFORMANCE")
WRONG = "package a\np=1\n"
RIGHT = "package a\n\np := 1\n"
DIFFERENCE = "package a\n\x1b[32m\x1b[0m\n\x1b[32m\x1b[0mp\x1b[32m :\x1b[0m=\x1b[32m \x1b[0m1\n\n"
failed = passed = 0


def check(name, ok, more=""):
    global failed, passed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print(f"--- {name}\n{more}")


def run(args, folder, text="", program=PROGRAM):
    return subprocess.run([os.path.abspath(program), *args], input=text.encode(), capture_output=True, cwd=folder)


def expect(name, folder, args, out, err, status, text=""):
    r = run(args, folder, text)
    got = (r.stdout.decode(), r.stderr.decode(), r.returncode)
    check(name, got == (out, err, status), f"{got}\nwanted {(out, err, status)}")


def recorded(folder):
    with open(os.path.join(HERE, "fmt_cases.json"), encoding="utf-8") as f:
        cases = json.load(f)
    for i, (flags, text, out, err) in enumerate(cases):
        with open(os.path.join(folder, "m.rego"), "w", encoding="utf-8", newline="") as f:
            f.write(text)
        r = run(["fmt", "--check-result=false", *flags.split(), "m.rego"], folder)
        if err:
            ok = r.returncode == 2 and r.stderr.decode() == f"failed to format Rego source file: {err}\n"
        else:
            ok = r.returncode == 0 and r.stdout.decode() == out
        check(f"case {i} {flags}", ok, f"{text}\n-- wanted\n{out}{err}\n-- got\n{r.stdout.decode()}{r.stderr.decode()}")


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def flags(folder):
    write(f"{folder}/d/wrong.rego", WRONG)
    write(f"{folder}/d/sub/right.rego", RIGHT)
    write(f"{folder}/d/sub/other.txt", WRONG)
    write(f"{folder}/v0.rego", "package b\n\np = 1 { input.a }\n")
    unexpected = "unexpected diff\n"
    v1_error = ("failed to format Rego source file: 1 error occurred: v0.rego:3: rego_parse_error: "
                "`if` keyword is required before rule body\n")
    for name, args, out, err, status, text in [
            ("folder", ["d"], RIGHT + RIGHT, "", 0, ""),
            ("list", ["-l", "d"], "d/wrong.rego\n", "", 0, ""),
            ("list from here", ["--list", "./d/"], "d/wrong.rego\n", "", 0, ""),
            ("diff", ["-d", "d"], DIFFERENCE, "", 0, ""),
            ("fail", ["--fail", "d"], RIGHT, unexpected, 2, ""),
            ("fail and list", ["--fail", "-l", "d"], "d/wrong.rego\n", unexpected, 2, ""),
            ("fail and diff", ["--fail", "-d", "d/wrong.rego"], DIFFERENCE, unexpected, 2, ""),
            ("nothing to fail", ["--fail", "d/sub"], RIGHT, "", 0, ""),
            ("not there", ["d/sub", "none"], RIGHT, "lstat none: no such file or directory\n", 1, ""),
            ("url", ["http://x/y"], "", "unsupported URL scheme: http://x/y\n", 1, ""),
            ("v0 as v1", ["v0.rego"], "", v1_error, 2, ""),
            ("v0", ["--v0-compatible", "v0.rego"], "package b\n\np = 1 {\n\tinput.a\n}\n", "", 0, ""),
            ("v0 to both", ["--v0-v1", "v0.rego"], "package b\n\nimport rego.v1\n\np := 1 if input.a\n", "", 0,
             ""),
            ("v0 to both, old name", ["--rego-v1", "-l", "v0.rego"], "v0.rego\n", "", 0, ""),
            ("standard input", [], RIGHT, "", 0, WRONG),
            ("standard input does not parse", [], "",
             "1 error occurred: stdin:1: rego_parse_error: package expected\n", 1, "p := 1\n"),
            ("empty", [], "", "stdin:0: rego_parse_error: empty module\n", 1, ""),
            ("older capabilities", ["--capabilities", "v1.5.0"], 'package a\n\np := input["if"]\n', "", 0,
             "package a\np := input.if\n"),
            ("newer capabilities", ["--capabilities", "v1.6.0"], "package a\n\np := input.if\n", "", 0,
             "package a\np := input.if\n")]:
        expect(name, folder, ["fmt", *args], out, err, status, text)
    os.chmod(f"{folder}/d/wrong.rego", 0o640)
    expect("write", folder, ["fmt", "-w", "d"], "", "", 0)
    with open(f"{folder}/d/wrong.rego", encoding="utf-8") as f:
        check("written", f.read() == RIGHT)
    check("mode kept", stat.S_IMODE(os.stat(f"{folder}/d/wrong.rego").st_mode) == 0o640)


def trees(folder):
    write(f"{folder}/t.rego", "# c\npackage a\n\np := -1 if input.x\n")
    r = run(["parse", "-f", "json", "--json-include", "locations", "t.rego"], folder)
    tree = json.loads(r.stdout)
    head = tree["rules"][0]["head"]
    check("order of keys", list(tree) == ["package", "rules", "comments"])
    check("head", list(head) == ["name", "value", "assign", "ref", "location"] and
          head["location"] == {"file": "t.rego", "row": 4, "col": 1, "text": "cCA6PSAtMQ=="})
    check("number", head["value"]["location"]["text"] == "LQ==", head["value"])
    write(f"{folder}/m.rego", "# METADATA\n# schemas:\n#   - input: schema.s\n# compile:\n#   unknowns: [input.x]\n"
          "#   mask_rule: mask\npackage a\n")
    r = run(["parse", "-f", "json", "--json-include", "locations", "m.rego"], folder)
    note = json.loads(r.stdout)["annotations"][0]
    refs = [note["schemas"][0]["schema"], note["compile"]["unknowns"][0], note["compile"]["mask_rule"]]
    places = [[(term["location"]["row"], term["location"]["col"]) for term in ref] for ref in refs]
    check("places in annotations", places == [[(1, 1), (1, 8)], [(1, 1), (1, 7)], [(1, 1)]], places)
    check("none in paths", note["schemas"][0]["path"] == [{"type": "var", "value": "input"}], note)
    r = run(["parse", "--json-include", "-comments", "t.rego"], folder)
    outline = ("module\n package\n  ref\n   data\n   \"a\"\n rule\n  head\n   ref\n    p\n   -1\n  body\n"
               "   expr index=0\n    ref\n     input\n     \"x\"\n")
    check("outline", r.stdout.decode() == outline, r.stdout.decode())
    error = '{\n  "errors": [\n    {\n      "message": "open none: no such file or directory"\n    }\n  ]\n}\n'
    expect("parse nothing", folder, ["parse", "none"], "", error, 1)
    write(f"{folder}/q/p.rego", "package p\n\nallow if {\n\tx := input.request\n\tx.method == data.m\n\tadmin\n}\n\n"
          "admin if input.user.role == \"a\"\n")
    r = run(["deps", "-d", "q", "data.p.allow"], folder)
    lines = [line for line in r.stdout.decode().splitlines() if "│" in line]
    table = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
    check("deps", table == [["BASE DOCUMENTS", "VIRTUAL DOCUMENTS"], ["data.m", "data.p.admin"],
                            ["input.request.method", "data.p.allow"], ["input.user.role", ""]], r.stdout.decode())
    r = run(["deps", "-f", "json", "input.x[y]"], folder)
    check("deps as JSON", json.loads(r.stdout) == {"base": [[{"type": "var", "value": "input"},
                                                            {"type": "string", "value": "x"}]]}, r.stdout)


def modules(version):
    import yaml
    texts = set()
    for path in glob.glob(f"{CONFORMANCE}/{version}/*/*.yaml"):
        with open(path, encoding="utf-8") as f:
            for case in yaml.load(f, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["cases"]:
                texts.update(case.get("modules") or [])
    return sorted(texts)


def conformance(folder):
    for version, args in (("v0", ["--v0-compatible"]), ("v1", [])):
        texts = modules(version)
        for name in ("ours", "theirs"):
            for i, text in enumerate(texts):
                write(f"{folder}/{version}/{name}/{i:04d}.rego", text)
        ours = run(["fmt", "-w", *args, "ours"], f"{folder}/{version}")
        run(["fmt", "-w", *args, "theirs"], f"{folder}/{version}", program=OPA)
        check(f"{version} formats", ours.returncode == 0, ours.stderr.decode())
        again = run(["fmt", "-l", *args, "theirs"], f"{folder}/{version}")
        theirs = run(["fmt", "-l", *args, "theirs"], f"{folder}/{version}", program=OPA)
        check(f"{version} stays", again.stdout == theirs.stdout, again.stdout)
        for i, text in enumerate(texts):
            with open(f"{folder}/{version}/ours/{i:04d}.rego", encoding="utf-8") as f, \
                 open(f"{folder}/{version}/theirs/{i:04d}.rego", encoding="utf-8") as g:
                check(f"{version} module {i}", f.read() == g.read(), text)


def main():
    with tempfile.TemporaryDirectory() as folder:
        recorded(folder)
        flags(folder)
        trees(folder)
        if CONFORMANCE and OPA:
            conformance(folder)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
