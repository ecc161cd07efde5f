#!/usr/bin/env bash
# The demo behind `make run`: keys, signed bundles, the service on the embedded default (deploy/demo.yaml), and what to try.
#   DEMO_ADDR   where to listen (127.0.0.1:8181)
#   DEMO_DIR    keys, bundles and state (build/demo; demo.yaml names the same)
set -euo pipefail
cd "$(dirname "$0")/.."

DEMO_ADDR=${DEMO_ADDR:-127.0.0.1:8181}
DEMO_DIR=build/demo
PROGRAM=build/countersign

make_key() {
    [ -s "$1.pem" ] && return 0
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.pem"
    openssl ec -in "$1.pem" -pubout -out "$1.pub" 2>/dev/null
    chmod 600 "$1.pem"
}

build_bundle() { # name revision
    printf '{"scope": "write", "keyid": "ci", "iat": %d}' "$(date +%s)" >"$DEMO_DIR/claims.json"
    "$PROGRAM" build -b "rego-bundles/$1" -r "$2" --signing-alg ES256 --signing-key "$DEMO_DIR/ci.pem" \
        --claims-file "$DEMO_DIR/claims.json" -o "$DEMO_DIR/$1.tar.gz"
}

print_tour() {
    cat <<TOUR

countersign listens on http://$DEMO_ADDR (stop it with Ctrl-C). In another terminal, each line as it is:

# a mutation of the allowlist, cheap and harmless: allowed; what it may cost is held for a minute
curl -s http://$DEMO_ADDR/v1/data/countersign/authz/result -d @deploy/demo/rename.json
curl -s http://$DEMO_ADDR/v1/data/spend/demo

# the same once more, and settled with what it came to
hold=\$(curl -s http://$DEMO_ADDR/v1/data/countersign/authz/result -d @deploy/demo/rename.json | jq -r '.result.holds[0].id')
curl -s http://$DEMO_ADDR/v1/holds/\$hold/settle -d '{"amount": "0.0004"}'

# \$25.00 of spend arrives for the tenant demo, and the same request is refused: budget_exceeded
curl -s http://$DEMO_ADDR/v1/events -H 'content-type: application/json' -d "\$(deploy/demo/spend.sh demo 25.00)"
curl -s http://$DEMO_ADDR/v1/data/countersign/authz/result -d @deploy/demo/rename.json

# a risky mutation of the tenant test: refused with approval_required, then allowed with two approvers
curl -s http://$DEMO_ADDR/v1/data/countersign/authz/result -d @deploy/demo/merge.json
curl -s http://$DEMO_ADDR/v1/data/countersign/authz/result -d @deploy/demo/merge-approved.json

# what the tenants have spent
curl -s http://$DEMO_ADDR/admin/budget/status

# a bundle with one flipped byte is refused, and the old one keeps serving
deploy/demo/flip.sh $DEMO_DIR/safe-mutations.tar.gz $DEMO_DIR/flipped.tar.gz
curl -s -X PUT http://$DEMO_ADDR/v1/bundles/safe-mutations --data-binary @$DEMO_DIR/flipped.tar.gz
curl -s http://$DEMO_ADDR/v1/data/countersign/authz/result -d @deploy/demo/merge-approved.json

# an emergency override for ten minutes: every decision says so, and it ends by itself, or now
curl -s -X PUT "http://$DEMO_ADDR/v1/bundles/emergency-override?ttl=10m&reason=demo" --data-binary @$DEMO_DIR/emergency.tar.gz
curl -s http://$DEMO_ADDR/v1/data/countersign/authz/result -d @deploy/demo/rename.json | jq .result.override
curl -s -X DELETE http://$DEMO_ADDR/v1/bundles/emergency-override

TOUR
}

main() {
    mkdir -p "$DEMO_DIR/state"
    make_key "$DEMO_DIR/ci"
    build_bundle safe-mutations "demo-$(date +%s)"
    build_bundle emergency demo
    export CS_DEMO_CI_PUBLIC_KEY
    CS_DEMO_CI_PUBLIC_KEY=$(sed '2,$s/^/      /' "$DEMO_DIR/ci.pub")
    print_tour
    exec "$PROGRAM" run --server --addr "$DEMO_ADDR" -c deploy/demo.yaml
}

main "$@"
