#!/bin/bash
# countersign bench: forms of the report, errors, exit statuses. The last line is "N passed, M failed".
program=$(realpath "$COUNTERSIGN")
cd "$(mktemp -d)" || exit 1
trap 'rm -rf "$PWD"' EXIT
passed=0 failed=0
check() { # what, got, want
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1: got '$2', want '$3'"
    fi
}
printf 'package a\n\np if input.x > 1\n' > a.rego
echo '{"x": 2}' > input.json
line=$("$program" bench -d a.rego -i input.json data.a.p -f gobench --metrics=false)
form=$'^BenchmarkOPAEval\t *[0-9]+\t *[0-9.]+ ns/op\t *[0-9]+ B/op\t *0 allocs/op$'
check "gobench" "$(grep -cE "$form" <<< "$line")" 1
"$program" bench -d a.rego -i input.json data.a.p -f json > out.json
check "json" "$(jq -c '[keys_unsorted, (.N > 0), (.Extra.histogram_timer_rego_query_eval_ns_count == .N)]' out.json)" \
    '[["N","T","Bytes","MemAllocs","MemBytes","Extra"],true,true]'
check "partial" "$("$program" bench -p -d a.rego data.a.p --benchmem=false --metrics=false | grep -c 'ns/op')" 1
"$program" bench -d a.rego data.a.none > out 2> err
check "undefined" "$? $(cat out) $(cat err)" "1  1 error occurred: undefined result"
check "undefined as JSON" "$("$program" bench -d a.rego data.a.none -f json | jq -c .)" \
    '{"errors":[{"message":"undefined result"}]}'
"$program" bench 2> err
check "no query" "$? $(head -1 err)" "1 Error: specify query argument or --stdin"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
