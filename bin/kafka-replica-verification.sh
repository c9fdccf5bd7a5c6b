#!/usr/bin/env bash
# The command of this name; 'kafka-replica-verification.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" replica-verification "$@"
