#!/usr/bin/env bash
# The command of this name; 'kafka-dump-log.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" dump-log "$@"
