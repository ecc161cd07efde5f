#!/usr/bin/env python3
"""No word of the policy stands as text in src/: every rule about money and people is Rego and data."""
import re

import tree


def main():
    words = {w for left, right in tree.table("policy_words.txt") for w in left + right}
    for path in tree.files("src"):
        for line, content in tree.literals(tree.read(path)):
            for word in re.findall(r"[A-Za-z_-]+", content):
                if word in words and (content == word or "_" in word or "-" in word):
                    tree.report(path, line, f'"{word}" is a word of the policy')
    tree.finish()


main()
