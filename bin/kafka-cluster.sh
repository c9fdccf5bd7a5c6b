#!/usr/bin/env bash
# The command of this name; 'kafka-cluster.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" cluster "$@"
