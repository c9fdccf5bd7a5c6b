#!/usr/bin/env bash
# The command of this name; 'kafka-broker-api-versions.sh --help' tells more.
exec "$(dirname "$0")/ottla-run.sh" broker-api-versions "$@"
