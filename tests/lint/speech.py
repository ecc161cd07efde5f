#!/usr/bin/env python3
"""The project speaks of itself: no path of somebody's machine, no number of an issue, no host of a package registry."""
import re

import tree

WORDS = re.compile(r"(?<![\w.])/(work|farm|root|home)/|\bissues? #?\d|\b(pypi\.org|crates\.io|npmjs\.org|"
                   r"deb\.debian\.org|proxy\.golang\.org)|"
                   r"https?://(index|proxy|registry|repo1?|deb|security|static)\.[a-z]", re.I)
SKIP = ("tests/lint/speech.py", "tests/lint/selftest.py")
ENDS = (".c", ".h", ".cc", ".def", ".py", ".sh", ".md", ".txt", ".rego", ".yaml", ".yml", ".json", ".html", ".js",
        ".css", "run")
FOLDERS = ("include", "src", "cmd", "tests", "deploy", "docs", "ops", "rego-bundles", ".ci")


def main():
    top = [p for p in tree.files(".", ends=("Makefile", "README.md")) if "/" not in p]
    for path in [*top, *tree.files(*FOLDERS, ends=ENDS)]:
        if path in SKIP:
            continue
        for n, line in enumerate(tree.read(path).splitlines(), 1):
            if m := WORDS.search(line):
                tree.report(path, n, f"{m[0]} does not belong to the project")
    tree.finish()


main()
