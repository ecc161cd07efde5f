#!/usr/bin/env python3
"""Compares every #include with src/LAYERS: a folder uses only what its line names, and nobody's insides.

include/countersign/X.h belongs to the folder that implements it (HEADERS). The doors of the engine, rego.h, trace.h,
capabilities.h and host.h, hold types that all of its folders speak (error lists, the host), so the folders of rego/
see them too. A header in src/ is private to its folder, except that the folders of rego/ see each other's headers other
than internal.h, as LAYERS allows; fuzz targets see those too."""
import os
import re

import tree

HEADERS = {"value": "value", "number": "value", "json": "value", "yaml": "value", "patch": "value",
           "instrument": "value", "rego": "rego",
           "host": "rego", "format": "rego", "trace": "rego", "partial": "rego", "build": "rego",
           "capabilities": "rego", "graphql": "rego/builtin",
           "hold": "spend", "reconcile": "spend", "effect": "decision",
           "compensation": "decision", "webhook": "approval", "config_webhook": "config", "config_management": "config",
           "log_upload": "management", "kafka": "net",
           "snapshot": "journal", "event": "journal",
           "version": "base"}  # any other header belongs to the folder of its own name
DOORS = ("countersign/rego.h", "countersign/host.h", "countersign/trace.h", "countersign/capabilities.h")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


HEADERS["move"] = "journal"


def layers():
    """{folder: folders it may use, itself among them}; a line may name only lines above it."""
    may = {}
    for n, line in enumerate(tree.read("src/LAYERS").splitlines(), 1):
        folder, colon, names = line.split("#")[0].partition(":")
        if not colon:
            continue
        folder = folder.strip()
        for name in names.split():
            if name not in may:
                tree.report("src/LAYERS", n, f"{folder} names {name}, which is not a line above it")
        may[folder] = set(names.split()) | {folder}
    return may


def folder_of(path, may):
    parts = path.split("/")[1 if path.startswith("src/") else 0:-1]
    while parts and "/".join(parts) not in may:
        parts.pop()
    return "/".join(parts)


def target(name, path, may):
    """(folder, file in src/ or None) of an included name."""
    if name.startswith("countersign/"):
        part = name.split("/")[1].removesuffix(".h")
        return HEADERS.get(part, part), None
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    inside = beside if os.path.exists(os.path.join(tree.ROOT, beside)) else "src/" + name
    return folder_of(inside, may), inside


def check(path, line, name, may):
    folder = folder_of(path, may)
    unit = path.startswith("tests/unit/") and os.path.dirname(path).removeprefix("tests/unit/")
    to, inside = target(name, path, may)
    if inside and not inside.startswith(("src/", "cmd/")):
        return
    if path.startswith("tests/"):
        fuzz = path.startswith("tests/fuzz/") and not name.endswith("internal.h")
        close = path.startswith(("tests/perf/", "tests/simulate/"))  # they drive parts from within
        if inside and to != unit and not fuzz and not close:
            tree.report(path, line, f"{name} is private to src/{to} and tests/unit/{to}")
        return
    if inside and to != folder and (name.endswith("internal.h") or not (folder + to).count("rego") == 2):
        tree.report(path, line, f"{name} is private to src/{to}")
    if name in DOORS and folder.startswith("rego/"):
        return
    if to not in may.get(folder, ()):
        tree.report(path, line, f"{folder} may not use {to or 'a folder without a line in LAYERS'} ({name})")


def main():
    may = layers()
    for path in tree.files("src", "cmd", "tests", ends=(".c", ".h", ".cc")):
        if not path.startswith("tests/") and folder_of(path, may) == "":
            tree.report(path, 1, "its folder has no line in src/LAYERS")
            continue
        text = tree.blank(tree.read(path), literals=False)
        for m in INCLUDE.finditer(text):
            check(path, text.count("\n", 0, m.start(1)) + 1, m[1], may)
    tree.finish()


main()
