#!/usr/bin/env python3
"""Functions up to 70 lines, .c files up to 1,000 (from 800 on a note), headers up to 250, lines up to 120 columns."""
import re

import tree

FUNCTION, NOTE, FILE, HEADER, COLUMNS, ROW = 70, 800, 1000, 250, 120, 200
NAME = re.compile(r"(\w+)\s*\(")


def functions(lines):
    """(name, first line, length): from the signature to the closing brace, both of which stand in the first column."""
    first = None
    for n, line in enumerate(lines):
        if line.rstrip() == "{" and first is None:
            first = n
            while first > 0 and lines[first - 1].strip() and not re.match(r"[}#;]|.*[;}]\s*$", lines[first - 1]):
                first -= 1
        elif line.startswith("}") and first is not None:
            name = NAME.search(" ".join(lines[first:n]))
            yield (name[1] if name else "?"), first + 1, n - first + 1
            first = None


def main():
    exempt = {}
    for words, _ in tree.table("long_functions.txt", tree.HERE if tree.ROOT in tree.HERE else tree.ROOT):
        exempt[(words[0], words[1])] = int(words[2])
    for path in tree.files("include", "src", "cmd", "tests", ends=(".c", ".h", ".cc", ".def", ".py", ".sh", "run")):
        text = tree.read(path)
        lines = text.splitlines()
        limit = ROW if path.endswith(".def") else COLUMNS
        for n, line in enumerate(lines, 1):
            if len(line) > limit:
                tree.report(path, n, f"{len(line)} columns, more than {limit}")
        if len(lines) > (HEADER if path.endswith(".h") else FILE) and not path.endswith(".def"):
            tree.report(path, 1, f"{len(lines)} lines, more than {HEADER if path.endswith('.h') else FILE}")
        elif len(lines) > NOTE and path.endswith((".c", ".cc")):
            print(f"note: {path}: {len(lines)} lines, {NOTE} is the aim")
        if path.endswith((".c", ".cc")):
            for name, at, length in functions(tree.blank(text).splitlines()):
                allowed = exempt.pop((path, name), FUNCTION)
                if length > allowed:
                    tree.report(path, at, f"{name} has {length} lines, more than {allowed}")
                elif allowed > FUNCTION > length or length < allowed - 20 > FUNCTION:
                    tree.report(path, at, f"{name} has only {length} lines: lower its line in long_functions.txt")
    for path, name in exempt:
        tree.report("tests/lint/long_functions.txt", 1, f"{path} has no function {name}: take the line out")
    tree.finish()


main()
