#!/usr/bin/env python3
"""Writes src/rego/builtin/history.def: since when each built-in, feature and keyword is in OPA's capabilities, and what was
different before, as differences from builtins.def. Run from the root of the tree, only when the version of OPA moves on:

    OPA=opa python3 deploy/build/capabilities_history.py >src/rego/builtin/history.def
"""
import json
import os
import subprocess

HEAD = """/* What OPA's capabilities were in each version, as differences from builtins.def; written by
 * deploy/build/capabilities_history.py. Whoever includes this file defines the macros that it wants:
 *   CS_RELEASE(version)                        a version that has published capabilities; oldest first
 *   CS_SINCE(name, version)                    a built-in that was not there before
 *   CS_UNTIL(name, version, flags, signature)  what a built-in was before that version
 *   CS_FEATURES_SINCE(version, words), CS_KEYWORDS_SINCE(version, words)  the lists from that version on
 *   CS_WASM_SINCE(version, minor)              an interface of WebAssembly (1.minor) from that version on */
"""
MACROS = ("RELEASE(a)", "SINCE(a, b)", "UNTIL(a, b, c, d)", "FEATURES_SINCE(a, b)", "KEYWORDS_SINCE(a, b)", "WASM_SINCE(a, b)")
LINE = 110


def opa(*args):
    program = os.environ.get("OPA", "opa")
    return subprocess.run([program, "capabilities", *args], capture_output=True, text=True, check=True).stdout


def members(fields):
    return ", ".join("%s: %s" % (f["key"], text(f["value"])) for f in fields)


def text(kind):
    """A type as signatures write it."""
    name = kind["type"]
    if name == "array":
        static = "<%s>" % ", ".join(map(text, kind["static"])) if kind.get("static") else ""
        return "array" + static + ("[%s]" % text(kind["dynamic"]) if kind.get("dynamic") else "")
    if name == "object":
        static = "<%s>" % members(kind["static"]) if kind.get("static") else ""
        dynamic = kind.get("dynamic")
        return "object" + static + ("[%s: %s]" % (text(dynamic["key"]), text(dynamic["value"])) if dynamic else "")
    if name == "set":
        return "set[%s]" % text(kind["of"])
    if name == "any" and kind.get("of"):
        return "any<%s>" % ", ".join(map(text, kind["of"]))
    return name


def signature(decl):
    args = [text(a) for a in decl.get("args", [])]
    if decl.get("variadic"):
        args.append(text(decl["variadic"]) + "...")
    return "(%s)" % ", ".join(args) + (" -> " + text(decl["result"]) if decl.get("result") else "")


def flags(builtin):
    marks = [m for m in ("relation", "deprecated", "nondeterministic") if builtin.get(m)]
    return " | ".join("CS_BUILTIN_" + m.upper() for m in marks) or "0"


def row(macro, *parts):
    line = "%s(%s)" % (macro, ", ".join(parts))
    if len(line) > LINE:
        last = parts[-1]
        if len(last) > LINE - 10:
            cut = last.rindex(" ", 0, LINE - 12) + 1
            last = last[:cut] + '"\n         "' + last[cut:]
        line = "%s(%s,\n         %s)" % (macro, ", ".join(parts[:-1]), last)
    print(line)


def quoted(words):
    return '"%s"' % words


def main():
    versions = opa().split()
    documents = [json.loads(opa("--version", v)) for v in versions]
    print(HEAD, end="")
    for macro in MACROS:
        print("#ifndef CS_%s\n#define CS_%s\n#define CS_%s_UNUSED\n#endif" % (macro.split("(")[0], macro, macro.split("(")[0]))
    for i in range(0, len(versions), 4):
        print(" ".join("CS_RELEASE(%s)" % quoted(v) for v in versions[i:i + 4]))
    tables = [{b["name"]: b for b in d["builtins"]} for d in documents]
    for name in sorted(tables[-1]):
        first = next(i for i, t in enumerate(tables) if name in t)
        assert all(name in t for t in tables[first:]), name
        if first:
            row("CS_SINCE", quoted(name), quoted(versions[first]))
    assert all(set(t) <= set(tables[-1]) for t in tables)
    for name in sorted(tables[-1]):
        for i in range(1, len(versions)):
            before, after = tables[i - 1].get(name), tables[i].get(name)
            if before and before != after:
                row("CS_UNTIL", quoted(name), quoted(versions[i]), flags(before), quoted(signature(before["decl"])))
    for macro, key in (("CS_FEATURES_SINCE", "features"), ("CS_KEYWORDS_SINCE", "future_keywords")):
        for i, version in enumerate(versions):
            words = documents[i].get(key, [])
            if words != (documents[i - 1].get(key, []) if i else []):
                row(macro, quoted(version), quoted(" ".join(words)))
    for i, version in enumerate(versions):
        for abi in documents[i].get("wasm_abi_versions", []):
            assert abi["version"] == 1
            if not i or abi not in documents[i - 1].get("wasm_abi_versions", []):
                row("CS_WASM_SINCE", quoted(version), str(abi["minor_version"]))
    for macro in MACROS:
        name = "CS_" + macro.split("(")[0]
        print("#ifdef %s_UNUSED\n#undef %s\n#undef %s_UNUSED\n#endif" % (name, name, name))


if __name__ == "__main__":
    main()
