#!/usr/bin/env bash
# The command of this name; 'kafka-consumer-perf-test.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" consumer-perf-test "$@"
