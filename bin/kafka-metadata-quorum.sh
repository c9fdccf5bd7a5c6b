#!/usr/bin/env bash
# The command of this name; 'kafka-metadata-quorum.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" metadata-quorum "$@"
