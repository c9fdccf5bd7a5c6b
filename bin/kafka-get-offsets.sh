#!/usr/bin/env bash
# The command of this name; 'kafka-get-offsets.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" get-offsets "$@"
