#!/usr/bin/env bash
# The command of this name; 'kafka-client-metrics.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" client-metrics "$@"
