"""A list of what does not pass yet: lines `pattern  cause`, # starts a comment. It only shrinks: a failure that is not
listed is a failure of the run, and so is a line that no failure needs any more. PRUNE=1 in the environment takes such
lines out."""
import fnmatch
import os


class NotYet:
    def __init__(self, path):
        self.path = path
        self.patterns = []  # no file: everything must pass
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                self.patterns = [line.split()[0] for line in f if line.strip() and not line.startswith("#")]

    def judge(self, failures, ran, everything):
        """Prints what is wrong and gives how much: `failures` is {identifier: why}, `ran` the set of identifiers that
        were run, `everything` whether none was left out (else a pattern with * cannot be judged)."""
        exact = {p for p in self.patterns if "*" not in p}
        globs = [p for p in self.patterns if "*" in p]
        unlisted = [n for n in failures if n not in exact and not any(fnmatch.fnmatchcase(n, p) for p in globs)]
        stale = [p for p in sorted(exact) if p in ran and p not in failures]
        if everything:
            stale += [p for p in globs if fnmatch.filter(ran, p) and not fnmatch.filter(failures, p)]
        for name in unlisted:
            print(f"FAIL {name}: {failures[name][:500]}")
        if stale and os.environ.get("PRUNE"):
            self.prune(set(stale))
            stale = []
        for pattern in stale:
            print(f"FAIL {pattern} is listed in {os.path.relpath(self.path)} but passes: take the line out")
        if self.patterns:
            print(f"{len(failures) - len(unlisted)} failures are listed in {os.path.relpath(self.path)}")
        return len(unlisted) + len(stale)

    def prune(self, stale):
        """Takes out the stale lines, and a paragraph (its heading is a comment) of which nothing is left."""
        with open(self.path, encoding="utf-8") as f:
            paragraphs = [p.splitlines() for p in f.read().split("\n\n")]
        kept = []
        for lines in paragraphs:
            left = [x for x in lines if x.startswith("#") or x.split()[0] not in stale]
            if len(left) == len(lines) or not all(x.startswith("#") for x in left):
                kept.append("\n".join(left))
        with open(self.path, "w", encoding="utf-8") as f:
            f.write("\n\n".join(kept).rstrip("\n") + "\n")
