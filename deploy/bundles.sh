#!/usr/bin/env bash
# Packs and signs the shipped bundles: ops/emergency-bundle.tar.gz, build/bundles/{safe-mutations,system}.tar.gz.
#   EMERGENCY_KEY    PEM file that signs the emergency bundle; without it a demo key is made in build/keys
#   EMERGENCY_KEYID  how the service knows that key (emergency)
#   BUNDLE_KEY       PEM file that signs the others; without it a demo key is made in build/keys
#   BUNDLE_KEYID     how the service knows it (ci)
#   SIGNING_ALG      of both keys (ES256)
#   REVISION         of the bundles; else what their manifests say
set -euo pipefail
cd "$(dirname "$0")/.."

PROGRAM=${PROGRAM:-build/countersign}
SIGNING_ALG=${SIGNING_ALG:-ES256}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

demo_key() { # name
    mkdir -p build/keys
    if [ ! -s "build/keys/$1.pem" ]; then
        (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "build/keys/$1.pem")
        openssl ec -in "build/keys/$1.pem" -pubout -out "build/keys/$1.pub" 2>/dev/null
        echo "made a demo key: build/keys/$1.pem" >&2
    fi
    echo "build/keys/$1.pem"
}

pack() { # folder key keyid scope output
    local claims="$WORK/claims.json" revision=()
    jq -n --arg keyid "$3" --arg scope "$4" --argjson iat "$(date +%s)" \
        '{$keyid, $iat} + (if $scope == "" then {} else {$scope} end)' >"$claims"
    [ -z "${REVISION:-}" ] || revision=(-r "$REVISION")
    mkdir -p "$(dirname "$5")"
    "$PROGRAM" build -b "rego-bundles/$1" "${revision[@]}" --signing-alg "$SIGNING_ALG" --signing-key "$2" \
        --claims-file "$claims" -o "$5"
    echo "$5"
}

emergency_key=${EMERGENCY_KEY:-$(demo_key emergency)}
bundle_key=${BUNDLE_KEY:-$(demo_key ci)}
pack emergency "$emergency_key" "${EMERGENCY_KEYID:-emergency}" "" ops/emergency-bundle.tar.gz
pack safe-mutations "$bundle_key" "${BUNDLE_KEYID:-ci}" write build/bundles/safe-mutations.tar.gz
pack system "$bundle_key" "${BUNDLE_KEYID:-ci}" write build/bundles/system.tar.gz
