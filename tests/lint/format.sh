#!/usr/bin/env bash
# Every C file is as clang-format leaves it. `make fmt` puts it right.
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2
command -v clang-format-14 >/dev/null || { echo "note: format left out: clang-format-14 is not installed"; exit 0; }
find include src cmd tests -name '*.c' -o -name '*.h' -o -name '*.cc' 2>/dev/null | sort |
    xargs -r clang-format-14 --style=file --dry-run --Werror --ferror-limit=0 2>&1 |
    awk -F: '/: error: / && $1 != last { print $1 ":" $2 ": not as clang-format leaves it"; last = $1 }' |
    grep . && exit 1
exit 0
