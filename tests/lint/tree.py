"""What the lints share: which files there are, and C text with its comments and literals blanked out."""
import os
import re
import sys

ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
HERE = os.path.dirname(os.path.abspath(__file__))
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
found = 0


def files(*folders, ends=(".c", ".h", ".cc", ".def")):
    """Paths relative to the root, in order; a folder that is not there yet has no files."""
    for folder in folders:
        for at, dirs, names in os.walk(os.path.join(ROOT, folder)):
            dirs[:] = sorted(d for d in dirs if d not in ("build", "__pycache__", ".git"))
            for name in sorted(names):
                if name.endswith(ends):
                    yield os.path.relpath(os.path.join(at, name), ROOT)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def blank(text, literals=True):
    """The text with comments (and literals) replaced by blanks: every line and column stays where it was."""
    def wipe(m):
        if m[0][0] in "\"'" and not literals:
            return m[0]
        return re.sub(r"[^\n]", " ", m[0])
    return TOKEN.sub(wipe, text)


def literals(text):
    """(line, content) of every string literal."""
    for m in TOKEN.finditer(text):
        if m[0][0] == '"':
            yield text.count("\n", 0, m.start()) + 1, m[0][1:-1]


def table(name, root=HERE):
    """A lint's table: `words : files`, a # starts a comment. Gives ([words], [files])."""
    with open(os.path.join(root, name), encoding="utf-8") as f:
        for line in f:
            left, _, right = line.split("#")[0].partition(" :")
            if left.strip():
                yield left.split(), right.split()


def report(path, line, what):
    global found
    found += 1
    print(f"{path}:{line}: {what}")


def finish():
    sys.exit(1 if found else 0)
