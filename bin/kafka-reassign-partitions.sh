#!/usr/bin/env bash
# The command of this name; 'kafka-reassign-partitions.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" reassign-partitions "$@"
