#!/usr/bin/env bash
# The command of this name; 'kafka-leader-election.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" leader-election "$@"
