#!/usr/bin/env bash
# The command of this name; 'kafka-e2e-latency.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" e2e-latency "$@"
