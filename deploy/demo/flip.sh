#!/usr/bin/env bash
# Copies a file with one byte in its middle changed: flip.sh FROM TO
set -euo pipefail
python3 - "$1" "$2" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[2], "wb").write(data)
PY
