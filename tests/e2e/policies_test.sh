#!/usr/bin/env bash
# The shipped policies' own tests, under this program and under the reference: the same outcome, test by test.
set -u
cd "$(dirname "$0")/../.."
COUNTERSIGN=${COUNTERSIGN:-build/countersign}
passed=0 failed=0

check() { # what, status
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
    fi
}

outcomes() { # program bundle
    "$1" test -b "$2" --format json | jq -c '[.[] | [.package, .name, (.fail // false), (.error != null)]] | sort'
}

for bundle in rego-bundles/*/; do
    "$COUNTERSIGN" test -b "$bundle"
    check "countersign test -b $bundle" $?
    if [ -n "${OPA:-}" ]; then
        "$OPA" test -b "$bundle" >/dev/null
        check "opa test -b $bundle" $?
        [ "$(outcomes "$COUNTERSIGN" "$bundle")" = "$(outcomes "$OPA" "$bundle")" ]
        check "same outcomes of $bundle" $?
    else
        echo "left out: the same tests under opa (no opa on this machine)"
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
