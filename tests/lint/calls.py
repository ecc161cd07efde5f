#!/usr/bin/env python3
"""Calls that only the files of calls.txt may make, in src/ and cmd/."""
import fnmatch
import re

import tree


def main():
    owners = {word: files for words, files in tree.table("calls.txt") for word in words}
    call = re.compile(r"(?<![\w.])(?<!->)(" + "|".join(owners) + r")\s*\(")
    for path in tree.files("src", "cmd", ends=(".c", ".h", ".cc")):
        text = tree.blank(tree.read(path))
        for m in call.finditer(text):
            if not any(fnmatch.fnmatch(path, o) for o in owners[m[1]]):
                who = "nobody calls it" if owners[m[1]] == ["-"] else "only in " + " ".join(owners[m[1]])
                tree.report(path, text.count("\n", 0, m.start()) + 1, f"{m[1]}(): {who}")
    tree.finish()


main()
