#!/usr/bin/env bash
# The alerting rules of ops/: Prometheus reads them, and each file of tests/alerts says what they do.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
passed=0 failed=0
check() {
    if out=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$*" "$out"
    fi
}
check promtool check rules ops/slos-and-alerts.yaml
for test in tests/alerts/*.yaml; do
    check promtool test rules "$test"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
