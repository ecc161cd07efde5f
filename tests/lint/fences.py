#!/usr/bin/env python3
"""A third-party header appears only in the files of fences.txt; src/rego sees no threads or files."""
import fnmatch
import re

import tree

INCLUDE = re.compile(r"^\s*#\s*include\s+<([^>]+)>", re.M)
SYSTEM = re.compile(r"(assert|ctype|errno|fcntl|fenv|float|getopt|glob|inttypes|limits|locale|malloc|math|sched|"
                    r"semaphore|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|"
                    r"strings|syslog|time|unistd|wchar|dirent|execinfo|[a-z]*intrin|arpa/inet|sys/[a-z]+|linux/[a-z]+|"
                    r"sanitizer/[a-z_]+)\.h")
CXX = re.compile(r"[a-z_]+")  # <memory>, <string>: the C++ library, in .cc files
ISLAND = re.compile(r"(pthread|unistd|fcntl|poll|netdb|signal|semaphore|sched|dirent|"
                    r"sys/(socket|epoll|stat|mman|inotify|wait))\.h")


def main():
    fences = list(tree.table("fences.txt"))
    for path in tree.files("include", "src", "cmd", "tests", ends=(".c", ".h", ".cc")):
        text = tree.blank(tree.read(path))
        for m in INCLUDE.finditer(text):
            line, name = text.count("\n", 0, m.start(1)) + 1, m[1]
            owners = [o for words, o in fences if any(name.startswith(w) if w[-1] == "/" else name == w for w in words)]
            if owners and not any(fnmatch.fnmatch(path, o) for o in owners[0]):
                tree.report(path, line, f"<{name}> may be included only by {' '.join(owners[0])}")
            elif not owners and not SYSTEM.fullmatch(name) and not (path.endswith(".cc") and CXX.fullmatch(name)):
                tree.report(path, line, f"<{name}> is not in fences.txt")
            if path.startswith("src/rego/") and ISLAND.fullmatch(name):
                tree.report(path, line, f"<{name}>: the engine has no threads, sockets or files")
    tree.finish()


main()
