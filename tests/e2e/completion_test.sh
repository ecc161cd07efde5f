#!/bin/bash
# Completion scripts and the manual page say what the commands take. The last line is "N passed, M failed".
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
complete_words() { # words…: what bash offers for the last
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _countersign
    echo "${COMPREPLY[@]}"
}
"$COUNTERSIGN" completion bash > bash || failed=1
# shellcheck disable=SC1091
source ./bash
check "a command" "$(complete_words countersign exe)" "exec"
check "a flag" "$(complete_words countersign exec --fail-)" "--fail-defined --fail-non-empty"
check "a word" "$(complete_words countersign eval --format bin)" "bindings"
check "a shell" "$(complete_words countersign completion po)" "powershell"
"$COUNTERSIGN" completion fish > fish
check "fish" "$(grep -c "seen_subcommand_from exec' -l fail-defined " fish)" "1"
"$COUNTERSIGN" completion zsh > zsh
check "zsh" "$(sed -n '/^    exec)/,/;;/p' zsh | grep -c -- "'--fail-defined\[")" "1"
"$COUNTERSIGN" completion powershell > ps1
check "powershell" "$(grep -c "'exec' = @('--help'.*'--fail-defined'" ps1)" "1"
"$COUNTERSIGN" completion man > man
check "man" "$(sed -n '/^\.SS "exec/,/^\.SS "eval/p' man | grep -c '^\\fB\\-\\-fail\\-defined\\fR$')" "1"
"$COUNTERSIGN" completion tcsh > out 2>&1
check "another shell" "$? $(cat out)" "1 error: specify one of bash, fish, man, powershell, zsh"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
