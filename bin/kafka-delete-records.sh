#!/usr/bin/env bash
# The command of this name; 'kafka-delete-records.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" delete-records "$@"
