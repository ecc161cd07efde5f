"""Reads a folder of OPA's evaluation cases (YAML), writes one line of JSON for each, numbers spelled as they were."""
import json
import os
import re
import sys

import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
WORDS = {"true": "true", "false": "false", "null": "null", "": "null", "~": "null"}


def text_of(node):
    """A YAML node as JSON text. Only true, false, null and numbers are special, so y, on and dates stay strings."""
    if isinstance(node, yaml.MappingNode):
        return "{" + ",".join(key_of(k) + ":" + text_of(v) for k, v in node.value) + "}"
    if isinstance(node, yaml.SequenceNode):
        return "[" + ",".join(map(text_of, node.value)) + "]"
    if not node.style:  # plain: None, or '' from libyaml's loader
        if node.value in WORDS:
            return WORDS[node.value]
        if NUMBER.fullmatch(node.value):
            return node.value
    return json.dumps(node.value)


def key_of(node):
    return json.dumps(node.value)


def cases(folder):
    """(identifier, JSON text) of every case under <folder>/v0 and <folder>/v1, in the order of their paths."""
    for version in ("v0", "v1"):
        for at, dirs, names in os.walk(os.path.join(folder, version)):
            dirs.sort()
            for name in sorted(n for n in names if n.endswith((".yaml", ".yml"))):
                path = os.path.join(at, name)
                with open(path, "rb") as f:
                    document = yaml.compose(f, Loader)
                for key, value in document.value:
                    if key.value == "cases":
                        for i, case in enumerate(value.value):
                            yield f"{os.path.relpath(path, folder)}#{i}", text_of(case)


def write(folder, out, wanted=lambda name, note: True):
    """Writes {"id": …, "case": …} lines to `out`; gives the identifiers with the cases' notes."""
    listed = []
    with open(out + ".new", "w", encoding="utf-8") as f:
        for name, text in cases(folder):
            note = str(json.loads(text).get("note"))
            if wanted(name, note):
                f.write('{"id":' + json.dumps(name) + ',"case":' + text + "}\n")
                listed.append((name, note))
    os.replace(out + ".new", out)
    return listed


if __name__ == "__main__":
    print(len(write(sys.argv[1], sys.argv[2])), "cases")
