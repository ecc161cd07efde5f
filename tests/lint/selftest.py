#!/usr/bin/env python3
"""Each lint finds what is planted in a tree of its own, on the right line, and says nothing about a clean one."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = ("base :\nvalue : base\nrego/syntax : base value\nrego : base value rego/syntax\nstore : base rego\n"
          "cmd : base store\n")
LONG = "int f(void)\n{\n" + "    g();\n" * 68 + "}\n"
# (lint, file, its text, what must be reported, or None for nothing)
PLANTS = [
    ("layers.py", "src/base/a.c", '#include "countersign/base/buf.h"\n', None),
    ("layers.py", "src/base/a.c", '\n#include "countersign/json.h"\n', "src/base/a.c:2: base may not use value"),
    ("layers.py", "src/value/a.c", '// #include "countersign/rego.h"\n', None),
    ("layers.py", "src/store/a.c", '#include "rego/syntax/ast.h"\n', "rego/syntax/ast.h is private to src/rego/syntax"),
    ("layers.py", "src/rego/a.c", '#include "rego/syntax/ast.h"\n', None),
    ("layers.py", "src/rego/a.c", '#include "rego/syntax/internal.h"\n', "internal.h is private to src/rego/syntax"),
    ("layers.py", "src/rego/syntax/a.c", '#include "internal.h"\n#include "countersign/host.h"\n', None),
    ("layers.py", "src/value/a.c", '#include "countersign/host.h"\n', "value may not use rego"),
    ("layers.py", "src/stray/a.c", "int a;\n", "src/stray/a.c:1: its folder has no line"),
    ("layers.py", "src/LAYERS", "base : value\nvalue :\n", "src/LAYERS:1: base names value, which is not"),
    ("layers.py", "tests/unit/rego/syntax/a_test.c", '#include "rego/syntax/internal.h"\n', None),
    ("layers.py", "tests/unit/value/a_test.c", '#include "rego/syntax/internal.h"\n', "private to src/rego/syntax"),
    ("fences.py", "src/base/gzip.c", "#include <zlib.h>\n#include <string.h>\n", None),
    ("fences.py", "src/base/file.c", "#include <zlib.h>\n", "src/base/file.c:1: <zlib.h> may be included only by"),
    ("fences.py", "src/base/file.c", "#include <boost/x.h>\n", "<boost/x.h> is not in fences.txt"),
    ("fences.py", "src/rego/vm/a.c", "#include <sys/stat.h>\n", "the engine has no threads, sockets or files"),
    ("calls.py", "src/base/mem.c", "void *f(void)\n{\n    return malloc(1);\n}\n", None),
    ("calls.py", "src/base/buf.c", "void f(void *p)\n{\n    free(p);\n}\n", "src/base/buf.c:3: free(): only in"),
    ("calls.py", "src/base/buf.c", "// free(p)\n{\n    p->time(0);\n    cs_free(p);\n    s = \"rand()\";\n}\n", None),
    ("calls.py", "cmd/main.c", "int r = rand();\n", "cmd/main.c:1: rand(): nobody calls it"),
    ("calls.py", "src/net/a.c", "void f(void)\n{\n    printf (\"x\");\n}\n", "src/net/a.c:3: printf(): only in"),
    ("lengths.py", "src/base/a.c", LONG.replace("    g();\n", "", 1), None),
    ("lengths.py", "src/base/a.c", "int a;\n\n" + LONG, "src/base/a.c:3: f has 71 lines, more than 70"),
    ("lengths.py", "src/base/a.c", "// " + "x" * 118 + "\n", "src/base/a.c:1: 121 columns"),
    ("lengths.py", "src/base/a.c", "int a;\n" * 1001, "src/base/a.c:1: 1001 lines"),
    ("lengths.py", "include/a.h", "int a;\n" * 251, "include/a.h:1: 251 lines"),
    ("lengths.py", "long_functions.txt", "src/base/a.c gone 90\n", "src/base/a.c has no function gone"),
    ("names.py", "src/base/b.c", "int cs_b(void);\nint cs_b(void)\n{\n    return cs_a__x();\n}\n", None),
    ("names.py", "src/value/b.c", "int cs_b(void)\n{\n    return cs_a__x();\n}\n", "cs_a__x is private to src/base"),
    ("names.py", "src/base/b.c", "int open_it;\n", "src/base/b.c:1: open_it is visible to the linker"),
    ("policy.py", "src/base/a.c", 's = "demonstrate, budget"; /* budget_exceeded */\n', None),
    ("policy.py", "src/base/a.c", '\ns = "x: budget_exceeded";\n', 'src/base/a.c:2: "budget_exceeded" is a word'),
    ("names.py", "src/base/b.c", "int cs_b(void);\nint cs_b(void)\n{\n    return cs_a__x();\n}\n", None),
    ("names.py", "src/value/b.c", "int cs_b(void)\n{\n    return cs_a__x();\n}\n", "cs_a__x is private to src/base"),
    ("names.py", "src/base/b.c", "int open_it;\n", "src/base/b.c:1: open_it is visible to the linker"),
    ("policy.py", "src/base/a.c", 's = "demo";\n', '"demo" is a word of the policy'),
    ("speech.py", "docs/a.md", "Read `/etc/hosts`; src/work/x; our issue tracker.\n", None),
    ("speech.py", "docs/a.md", "\nsee /work/x\n", "docs/a.md:2: /work/ does not belong"),
    ("speech.py", "README.md", "as in issue #7\n", "README.md:1: issue #7 does not belong"),
    ("format.sh", "src/base/a.c", "int a;\n", None),
    ("format.sh", "src/base/a.c", "int a;\nint  b;\n", "src/base/a.c:2: not as clang-format leaves it"),
]


def plant(lint, path, text, want):
    with tempfile.TemporaryDirectory() as root:
        tree = {"src/LAYERS": LAYERS, "src/base/a.c": "int cs_a__x(void)\n{\n    return 1;\n}\n",
                "src/rego/syntax/ast.h": "", "src/rego/syntax/internal.h": "",
                "long_functions.txt": "", path: text}
        with open(os.path.join(HERE, "../../.clang-format")) as f:
            tree[".clang-format"] = f.read()
        for name, content in tree.items():
            os.makedirs(os.path.dirname(os.path.join(root, name)) or root, exist_ok=True)
            with open(os.path.join(root, name), "w") as f:
                f.write(content)
        if lint == "names.py":
            for name in ("src/base/a.c", path):
                out = os.path.join(root, "build/release", name[:-2] + ".o")
                os.makedirs(os.path.dirname(out), exist_ok=True)
                subprocess.run(["gcc", "-w", "-c", "-o", out, os.path.join(root, name)], check=True)
        env = {k: v for k, v in os.environ.items() if k != "B"}
        p = subprocess.run([os.path.join(HERE, lint), root], capture_output=True, text=True, env=env)
    good = p.returncode == 0 and p.stdout == "" if want is None else p.returncode == 1 and want in p.stdout
    if not good:
        print(f"{lint} on {path} ({text[:40]!r}): wanted {want!r}, got {p.stdout!r} {p.stderr[-300:]!r}")
    return good


sys.exit(0 if all([plant(*p) for p in PLANTS]) else 1)
