#!/usr/bin/env bash
# The command of this name; 'kafka-log-dirs.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" log-dirs "$@"
