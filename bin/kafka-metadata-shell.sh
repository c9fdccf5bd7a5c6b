#!/usr/bin/env bash
# The command of this name; 'kafka-metadata-shell.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" metadata-shell "$@"
