#!/usr/bin/env bash
# Copies a file with one byte in its middle changed: flip.sh FROM TO
set -euo pipefail
middle=$(($(stat -c %s "$1") / 2))
byte=$(od -An -tu1 -j "$middle" -N 1 "$1")
cp "$1" "$2"
printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$2" bs=1 seek="$middle" conv=notrunc status=none
