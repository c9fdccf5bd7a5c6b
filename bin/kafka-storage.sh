#!/usr/bin/env bash
# Format a node's directories, or say what is in them.
exec "$(dirname "$0")/ottla-run.sh" storage "$@"
