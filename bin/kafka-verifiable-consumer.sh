#!/usr/bin/env bash
# The command of this name; 'kafka-verifiable-consumer.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" verifiable-consumer "$@"
