#!/usr/bin/env bash
# The command of this name; 'kafka-jmx.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" jmx "$@"
