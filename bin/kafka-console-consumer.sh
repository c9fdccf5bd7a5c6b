#!/usr/bin/env bash
# The command of this name; 'kafka-console-consumer.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" console-consumer "$@"
