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
printf 'package b\n\np if input.y\n' > typed.rego
echo '{"type": "object", "properties": {"x": {"type": "number"}}}' > schema.json
echo '{"x": 2}' > input.json
line=$("$program" bench -d a.rego -i input.json data.a.p -f gobench --metrics=false)
form=$'^BenchmarkOPAEval\t *[0-9]+\t *[0-9.]+ ns/op\t *[0-9]+ B/op\t *[0-9]+ allocs/op$'
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
check "schema" "$("$program" bench -d typed.rego -s schema.json data.b.p 2>&1 | head -1)" \
    "1 error occurred: typed.rego:3: rego_type_error: undefined ref: input.y"
check "partial gobench" "$("$program" bench -p -d a.rego data.a.p -f gobench 2>&1 | head -1)" \
    "Error: invalid output format for partial evaluation"

# Over HTTP: the server's metrics are figures, errors are the server's.
"$program" bench --e2e -d a.rego -i input.json data.a.p -f json > out.json
check "e2e" "$(jq -c '[(.N > 0), (.MemAllocs > 0), (.Extra | keys | map(select(endswith("_count"))))]' out.json)" \
    "[true,true,[\"histogram_counter_server_query_cache_hit_count\",\"histogram_timer_rego_input_parse_ns_count\",$(:
    )\"histogram_timer_rego_query_eval_ns_count\",\"histogram_timer_server_handler_ns_count\"]]"
check "e2e counts" "$(jq '.N == .Extra.histogram_timer_server_handler_ns_count' out.json)" true
check "e2e partial" \
    "$("$program" bench --e2e -p -d a.rego 'data.a.p = true' -f json --metrics=false | jq -c .Extra)" "{}"
"$program" bench --e2e -d a.rego -i input.json 'x := 1 + 1' --metrics=false --benchmem=false > out
check "e2e query" "$? $(grep -c 'ns/op' out)" "0 1"
e2e_fails() { # what, wanted text, arguments...
    local what=$1 want=$2
    shift 2
    "$program" bench --e2e "$@" > out 2> err
    check "e2e $what" "$? $(cat out err)" "1 $want"
}
e2e_fails undefined "1 error occurred: undefined result" -d a.rego data.a.none
e2e_fails "input that is no object" \
    "1 error occurred: json: cannot unmarshal array into Go value of type map[string]interface {}" -I data.a.p <<< "[1]"
e2e_fails "no query" "1 error occurred: error occurred while parsing query" -d a.rego 'data.a.p;;'
e2e_fails "unsafe" "2 errors occurred:
1:1: rego_unsafe_var_error: var _ is unsafe
1:1: rego_unsafe_var_error: var x is unsafe" x
check "e2e ignores schemas" "$("$program" bench --e2e -d typed.rego -s schema.json data.b.p 2>&1)" \
    "1 error occurred: undefined result"
e2e_fails "no file" \
    "1 error occurred: load error: 1 error occurred during loading: stat none: no such file or directory" -d none data
e2e_fails "no bundle" \
    "1 error occurred: load error: error reading \"none\": stat none: no such file or directory" -b none data
e2e_fails "no configuration" "1 error occurred: config error: open none: no such file or directory" -c none data.a.p
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
