#!/usr/bin/env python3
"""The commands called wrongly, or with files that cannot be loaded: what is printed and the exit status, against what
OPA answered (usage_cases.json). `--record` records anew (environment: OPA).

The text that explains a command's flags is each program's own: of an error that is followed by it only the error
counts."""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "usage_cases.json")

FILES = {
    "a.rego": "package a\n\np if input.x\n\ntest_p if p with input.x as 1\n",
    "bad.rego": "package a\n\np if {\n",
    "bad2.rego": "package b\n\nq := \n\nr if {\n",
    "empty.rego": "",
    "comment.rego": "# nothing\n",
    "unsafe.rego": "package a\n\np if x\n",
    "v0.rego": "package a\n\np { input.x }\n",
    "head1.rego": "package a\n\np.q.r := 1\n",
    "head2.rego": "package a\n\np[x].r := 1 { x := 1 }\n",
    "head3.rego": "package a\n\np[x] { x := 1 }\nq[x] = 1 { x := 1 }\nr.s[x] { x := 1 }\nt.u[x] = 1 { x := 1 }\n",
    "future1.rego": "package a\n\nimport future.keywords.if\nimport future.keywords.in\np if { 1 in [1] }\n",
    "future2.rego": "package a\n\nimport future.keywords\np if { every y in [1] {y}}\n",
    "v1.rego": "package a\n\nimport rego.v1\np if { 1 in [1] }\n",
    "old.rego": "package a\n\np if any([true])\nq := $\"a{1}\"\nr := input.if.x\n",
    "new.rego": "package a\n\nimport future.keywords.not\nimport future.keywords.or\nimport rego.v2\n",
    "meta.rego": "package a\n\np := rego.metadata.chain()\nr if print(1)\n",
    "custom.rego": "package a\n\np := my.func(1)\n",
    "json.rego": "package a\n\np := json.filter({}, []) + 1\n",
    "bundle/bad.rego": "package a\n\np if {\n",
    "bundle/b.rego": "package b\n\np := 1\n",
    "hollow/e.rego": "",
    "missing.rego": "package i\n\nf(x) := foo(x)\n\ng(x) := bar.baz(x, 1)\n\np := f(1)\n\nq := g(2) + 1\n\n"
                    "r contains x if { some x in foo.list(1); count(x) > 2 }\n\nt := y if { y := foo(1) with foo as 2 }"
                    "\n\nv if { every z in foo(2) { z > 1 } }\n\nw := x\n",
    "functions.rego": "package fn\n\nf(x) := 1\n\ng(x, [y, 1]) := {\"a\": x}\n\nk(1, \"a\")\n",
    "one/data.json": "{\"a\": 2}", "two/data.json": "{\"b\": {\"c\": 1}}", "three/data.json": "{\"b\": {\"d\": 1}}",
    "three/.manifest": "{\"roots\": [\"b\"]}", "four/a.rego": "package a\n\np := 1\n",
    "more.json": "{\"q\": {\"c\": 1}, \"b\": {\"k\": 1}}", "clash.json": "{\"a\": {\"b\": 1}}",
    "data.json": "{\"a\": 1}",
    "bad.json": "{\"a\": ",
    "input.json": "{\"x\": 1}",
    "none.json": "{}",
    "word.json": "{\"future_keywords\": [\"foo\"], \"features\": [\"rego_v1\"]}",
    "list.json": "[]",
    "custom.json": json.dumps({"features": ["rego_v1"], "builtins": [
        {"name": "my.func", "decl": {"type": "function", "args": [{"type": "number"}], "result": {"type": "string"}}},
        {"name": "plus", "decl": {"type": "function", "args": [{"type": "string"}, {"type": "number"}],
                                  "result": {"type": "number"}}}]}),
    "net.json": json.dumps({"features": ["rego_v1"], "allow_net": ["a.example"], "builtins": [
        {"name": n, "decl": {"type": "function", "args": [{"type": "any"}], "result": {"type": "any"}}}
        for n in ("http.send", "net.lookup_ip_addr")]}),
}

OLD = ("v0.17.0", "v0.34.0", "v0.42.0", "v0.46.0", "v0.59.0", "v0.70.0", "v1.0.0", "v1.22.2")
NEW = ("v0.70.0", "v1.0.0", "v1.6.0", "v1.12.0", "v1.17.0", "v1.22.2", "none.json", "word.json", "list.json")


def flags():
    """Wrong flags and arguments, command by command."""
    wrong = [["--none"], ["-Q"], ["--help=maybe"]]
    for command in ("bench", "build", "capabilities", "check", "deps", "eval", "exec", "fmt", "inspect", "parse", "run",
                    "sign", "test", "version"):
        for args in wrong[:2]:
            yield [command, *args]
    for command in ("bench", "check", "deps", "eval", "exec", "inspect", "parse", "test"):
        yield [command, "--format", "bad", "x"]
    for command in ("bench", "check", "deps", "eval", "exec", "inspect", "parse", "sign", "test", "build"):
        yield [command]
    yield from (["eval", "--explain", "bad", "1"], ["eval", "--count", "x", "1"], ["eval", "--fail=maybe", "1"],
                ["eval", "--format"], ["eval", "-f"], ["eval", "1", "2"], ["eval", "--stdin", "1"],
                ["eval", "--stdin", "--stdin-input"], ["eval", "-I", "-i", "input.json", "1"],
                ["eval", "--fail", "--fail-defined", "1"], ["eval", "--target", "bad", "1"],
                ["eval", "--timeout", "x", "1"], ["eval", "--unknowns", "x", "-p", "1"],
                ["eval", "-f", "source", "1"], ["eval", "-p", "-f", "raw", "1"], ["eval", "-i", "none", "1"],
                ["eval", "-i", "bad.json", "1"], ["eval", "-d", "bad.json", "1"], ["eval", "-d", "none", "1"],
                ["eval", "-b", "none", "1"], ["eval", "--profile-limit", "x", "1"], ["eval", "--coverage-runs", "x",
                "1"],
                ["eval", "--schema", "none", "1"], ["eval", "--strict-builtin-errors", "--show-builtin-errors", "1"],
                ["eval", "--package", "a..b", "1"], ["eval", ""], ["eval", "-O", "x", "1"], ["eval", "-O", "9", "1"],
                ["test", "--explain", "bad", "a.rego"], ["test", "--timeout", "x", "a.rego"],
                ["test", "--threshold", "x", "a.rego"], ["test", "--threshold", "101", "a.rego"],
                ["test", "--run", "(", "a.rego"], ["test", "-f", "gobench", "a.rego"], ["test", "none"],
                ["test", "--bench", "--coverage", "a.rego"], ["test", "--sort", "x", "a.rego"],
                ["test", "--count", "x", "a.rego"], ["test", "--parallel", "x", "a.rego"],
                ["check", "none"], ["check", "--schema", "none", "a.rego"], ["check", "--max-errors", "x", "a.rego"],
                ["check", "-b", "a.rego"], ["parse", "none"], ["parse", "a.rego", "b.rego"], ["parse", "bad.rego"],
                ["parse", "empty.rego"], ["parse", "-f", "json", "bad.rego"], ["parse", "--json-include", "x",
                "a.rego"],
                ["fmt", "none"], ["fmt", "bad.rego"], ["fmt", "--fail", "-l", "a.rego"], ["fmt", "-d", "none"],
                ["deps", "data.a", "data.b"], ["deps", "-d", "none", "data.a"], ["deps", "-d", "a.rego", "a b"],
                ["deps", "-d", "a.rego", ""], ["exec", "none"], ["exec", "--fail", "--fail-defined", "input.json"],
                ["exec", "--timeout", "x", "input.json"],
                ["exec", "--decision", "a/p", "none"], ["exec", "--log-level", "x", "input.json"],
                ["exec", "--set", "x", "input.json"], ["exec", "-c", "none", "input.json"],
                ["bench", "--count", "x", "1"], ["bench", "1", "2"], ["bench", "-d", "none", "1"],
                ["bench", "--stdin", "1"], ["bench", "-i", "none", "1"], ["bench", "-b", "none", "1"],
                ["bench", "-d", "bad.rego", "1"], ["bench", "-b", "bundle", "1"],
                ["bench", "data.a.none"], ["bench", "-f", "json", "data.a.none"],
                ["capabilities", "--version", "v0.0.1"], ["capabilities", "--file", "none"],
                ["capabilities", "--file", "bad.json"], ["capabilities", "--file", "list.json"],
                ["capabilities", "--file", "none.json"], ["capabilities", "--file", "net.json"],
                ["capabilities", "--file", "word.json"],
                ["eval", "--package", "a b", "1"], ["eval", "--package", "a { }", "1"],
                ["eval", "--disable-inlining", "x", "1"], ["eval", "-i", "none", "-s", "none", "1"],
                ["eval", "-u", "data.a", "--coverage-runs", "bogus", "1"], ["eval", "--coverage-runs", "bogus", "1"],
                ["eval", "-i", "none", "--strict-builtin-errors", "--show-builtin-errors", "1"],
                ["bench", "-d", "bad.rego", "-i", "none", "1"], ["check", "--v1-compatible", "a.rego"],
                ["bench", "-i", "bad.json", "1"], ["test", "none", "--sort", "duration"],
                *(["eval", "--strict-builtin-errors", "io.jwt.encode_sign({\"alg\": \"RS256\"}, {}, {\"kty\": \"RSA\", "
                   "\"n\": \"%sw\", \"e\": \"AQAB\", \"d\": \"AQAB\"%s})" % ("x" * 341, more)]
                  for more in ("", ", \"q\": \"AQAB\"")),
                ["none"], ["none", "--none"], ["--none"], ["eval", "--", "--none"])


def loading():
    """Modules that do not parse, files that are not there; as paths and as bundles."""
    for names in (["bad.rego"], ["bad2.rego"], ["bad.rego", "bad2.rego"], ["empty.rego"], ["comment.rego"],
                  ["unsafe.rego"], ["none"], ["none", "nothing"], ["hollow"], ["bundle"], ["v0.rego"]):
        for command in (["check"], ["check", "-f", "json"], ["test"]):
            yield [*command, *names]
        if len(names) == 1:
            yield ["eval", "-d", *names, "1"]
            yield ["eval", "-d", *names, "-f", "pretty", "1"]
            yield ["deps", "-d", *names, "data.a"]
    for name in ("bundle", "hollow", "none"):
        for command in (["check", "-b"], ["check", "-f", "json", "-b"], ["test", "-b"], ["eval", "1", "-b"],
                        ["eval", "1", "-f", "pretty", "-b"], ["deps", "data.a", "-b"]):
            yield [*command, name]


def together():
    """Files and bundles that cannot be loaded beside others that can, or not with each other."""
    for names in (["bad.rego", "none"], ["none", "bad.rego"], ["empty.rego", "none", "bad.json"], ["bad2.rego", "none"],
                  ["unsafe.rego", "none"], ["input.json", "bad.rego", "list.json"], ["a.rego", "list.json"]):
        yield ["check", *names]
        yield ["check", "-f", "json", *names]
        yield ["test", *names]
        data = [word for name in names for word in ("-d", name)]
        yield ["eval", *data, "1"]
        yield ["deps", *data, "data.a"]
    for args in (["-d", "bad.rego", "-b", "none"], ["-b", "bundle", "-b", "none"], ["-b", "bundle", "-d", "bad.rego"],
                 ["-b", "one", "-d", "data.json"], ["-d", "data.json", "-d", "clash.json"], ["-b", "one", "-b", "one"],
                 ["-b", "three", "-b", "three", "-d", "a.rego"], ["-b", "one", "-d", "more.json"],
                 ["-b", "three", "-d", "more.json"], ["-b", "four", "-d", "more.json"]):
        yield ["eval", *args, "data"]
        yield ["bench", *args, "data.none"]
        yield ["deps", *args, "data.a"]
    for names in (["one", "two"], ["one", "one"], ["three", "three"], ["four", "three"], ["bundle", "one"], ["four"],
                  ["none", "one", "one"], ["one", "one", "none"]):
        yield ["check", "-b", *names]
        yield ["test", "-b", *names]
    for args in (["-d", "a.rego", "-d", "data.json"], ["-b", "four", "-b", "three"]):
        yield ["eval", *args, "data.a", "--fail"]
    for name in ("missing.rego", "functions.rego", "unsafe.rego"):
        yield ["inspect", name]
        yield ["inspect", "-f", "json", name]
    for query in ("f(1, 2, 3)", "f()", "g(1)", "k(1)", "none(1)", "g({1})"):
        yield ["eval", "-d", "functions.rego", "data.fn." + query]
        yield ["eval", "-d", "functions.rego", "-f", "pretty", "data.fn." + query]


def capabilities():
    """Versions and files of capabilities: keywords, features, built-ins, types, hosts."""
    for version in OLD:
        for name in ("head1", "head2", "head3", "future1", "future2", "v1", "v0", "meta"):
            yield ["check", "--v0-compatible", "--capabilities", version, name + ".rego"]
        yield ["eval", "--v0-compatible", "--capabilities", version, "--import", "future.keywords.in", "1 in [1]"]
        yield ["eval", "--v0-compatible", "--capabilities", version, "--import", "future.keywords", "1 == 1"]
        yield ["eval", "--v0-compatible", "--capabilities", version, "x = print(1)"]
        yield ["eval", "--v0-compatible", "--capabilities", version, "numbers.range(1, 2)"]
    for version in NEW:
        for name in ("old", "new", "meta", "json", "a"):
            yield ["check", "--capabilities", version, name + ".rego"]
        yield ["test", "--capabilities", version, "a.rego"]
        yield ["eval", "--capabilities", version, "input.if"]
        yield ["eval", "--capabilities", version, "strings.split_n(\"a b\", \" \", 1)"]
        yield ["eval", "--capabilities", version, "any([true])"]
    yield from (["check", "--capabilities", "custom.json", "custom.rego"], ["check", "custom.rego"],
                ["eval", "--capabilities", "custom.json", "plus(1, 2)"],
                ["eval", "--capabilities", "custom.json", "minus(1, 2)"],
                ["eval", "--capabilities", "custom.json", "plus(\"a\", 2)"],
                ["eval", "--capabilities", "none", "1"], ["eval", "--capabilities", "bad.json", "1"],
                ["check", "--capabilities", "v9.0.0", "a.rego"], ["test", "--capabilities", "v9.0.0", "a.rego"],
                ["fmt", "--capabilities", "v9.0.0", "a.rego"],
                ["eval", "--capabilities", "net.json", "--strict-builtin-errors",
                 "http.send({\"method\": \"get\", \"url\": \"http://b.example\"})"],
                ["eval", "--capabilities", "net.json", "net.lookup_ip_addr(\"b.example\")", "--strict-builtin-errors"])
    for imported in ("future.keywords.in", "future.keywords", "rego.v1", "rego.v2", "rego.v3", "future.keywords.foo",
                     "future.keywords as x", "foo.bar", "data..bar", "data.a", "input.x as y", "data.if"):
        yield ["eval", "--import", imported, "1 in [1]"]
        yield ["eval", "--v0-compatible", "--import", imported, "1 == 1"]
    yield ["eval", "--import", "future.keywords.not", "not {1 == 2}"]
    for query in ("some i in 3", 'some k, v in "abc"; k == 1', "[upper(3) | lower(2)]; lower(1)",
                  "lower(1) with input as upper(2)"):
        yield ["eval", query]
    yield ["capabilities", "--file", "none"]
    yield ["eval", "--schema", "bad.rego", "1"]


def cases():
    seen = []
    for group in (flags, loading, together, capabilities):
        for args in group():
            if args not in seen:
                seen.append(args)
                yield args


# OPA says nothing at all about these, or something about itself: only output and status are compared.
OWN = {("capabilities", "--file", "none"), ("capabilities", "--file", "bad.json"), ("capabilities", "--file",
        "list.json"),
       ("exec", "--set", "x", "input.json"), ("exec", "-c", "none", "input.json")}


def own_words(text):
    """What comes before the text about a command's flags, with the program's name taken out."""
    for mark in ("Usage:\n", "\nUsage:"):
        at = text.find(mark)
        if at >= 0:
            text = text[:at] + "<usage>"
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>", text)
    return text.replace("countersign", "opa").strip()


def answer(program, args, folder):
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPA")}
    done = subprocess.run([program, *args], capture_output=True, cwd=folder, env=env, stdin=subprocess.DEVNULL,
            timeout=60)
    out, err = done.stdout.decode(), done.stderr.decode()
    return [done.returncode, own_words(out), own_words(err)]


def main():
    ours = os.path.abspath(os.environ.get("COUNTERSIGN", "build/release/countersign"))
    opa = os.environ.get("OPA", "")
    record = "--record" in sys.argv
    listed = {tuple(c["args"]): c for c in ([] if record else json.load(open(RECORD, encoding="utf-8")))}
    passed = failed = 0
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        for args in cases():
            if record:
                kept.append({"args": args, "answer": answer(opa, args, folder)})
                continue
            want, have = listed[tuple(args)]["answer"], answer(ours, args, folder)
            if tuple(args) in OWN:
                want, have = want[:2], have[:2]
            same = want == have
            passed, failed = passed + same, failed + (not same)
            if not same:
                print("FAIL %s\n  want %s\n  have %s" % (" ".join(args), want, have))
    if record:
        with open(RECORD, "w", encoding="utf-8") as file:
            file.write("[\n" + ",\n".join(json.dumps(c) for c in kept) + "\n]\n")
        return 0
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
