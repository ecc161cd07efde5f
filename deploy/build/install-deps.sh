#!/usr/bin/env bash
# Installs what building and testing countersign needs on Debian 12. Idempotent: what is present is left alone.
#   install-deps.sh build   compiler and libraries (what `make build` and `make run` need)
#   install-deps.sh test    the above, and what `make test` needs
set -euo pipefail

BUILD_PACKAGES=(gcc g++ clang make pkg-config git ca-certificates
    libevent-dev libssl-dev libyaml-dev libgmp-dev libmpfr-dev libre2-dev libarchive-dev zlib1g-dev
    libsqlite3-dev libjansson-dev libcurl4-openssl-dev libnghttp2-dev openssl curl)
TEST_PACKAGES=(libcriterion-dev clang-format-14 libclang-rt-14-dev llvm-14 python3 python3-venv python3-yaml python3-jwt python3-cryptography
    nginx-light prometheus jq wrk)

missing() {
    local p
    for p in "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || echo "$p"
    done
}

main() {
    local want=("${BUILD_PACKAGES[@]}")
    [ "${1:-build}" = test ] && want+=("${TEST_PACKAGES[@]}")
    local need
    mapfile -t need < <(missing "${want[@]}")
    [ ${#need[@]} -eq 0 ] && return 0
    echo "installing: ${need[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # No service may start by itself on a machine that only wants to test against it.
    apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
}

main "$@"
