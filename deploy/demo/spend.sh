#!/usr/bin/env bash
# Prints one spend event (CloudEvents) that happened just now: spend.sh TENANT AMOUNT
set -euo pipefail
now=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
cat <<EVENT
{"specversion": "1.0", "id": "demo-$(date +%s%N)", "source": "/demo", "type": "io.countersign.spend.recorded.v1",
 "subject": "tenant/$1", "time": "$now", "data": {"tenant": "$1", "amount": "$2", "currency": "USD", "kind": "usage"}}
EVENT
