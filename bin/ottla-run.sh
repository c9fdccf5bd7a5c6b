#!/usr/bin/env bash
# What the commands beside this file stand on: finds the ottla binary and becomes it.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for binary in "${OTTLA_BINARY:-}" "$here/ottla" "${CARGO_TARGET_DIR:-$here/../target}/release/ottla"; do
  if [ -n "$binary" ] && [ -x "$binary" ]; then
    exec "$binary" "$@"
  fi
done
echo "The ottla binary is not there: build it with 'cargo build --release' in $(dirname "$here"), or set OTTLA_BINARY." >&2
exit 1
