#!/usr/bin/env bash
# The command of this name; 'kafka-producer-perf-test.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" producer-perf-test "$@"
