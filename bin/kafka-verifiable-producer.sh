#!/usr/bin/env bash
# The command of this name; 'kafka-verifiable-producer.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" verifiable-producer "$@"
