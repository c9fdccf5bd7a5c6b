#!/usr/bin/env bash
# The command of this name; 'kafka-consumer-groups.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" consumer-groups "$@"
