#!/usr/bin/env bash
# Not there yet: it says so, and fails.
exec "$(dirname "$0")/ottla-run.sh" streams-groups "$@"
