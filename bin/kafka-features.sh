#!/usr/bin/env bash
# The command of this name; 'kafka-features.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" features "$@"
