#!/usr/bin/env bash
# The command of this name; 'kafka-groups.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" groups "$@"
