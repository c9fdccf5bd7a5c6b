#!/usr/bin/env bash
# The command that a Java class of Kafka stands for. What is meant for a JVM is passed over.
while [ $# -gt 0 ]; do
  case "$1" in
    -daemon|-loggc) shift ;;
    -name) shift 2 ;;
    *) break ;;
  esac
done
if [ $# -lt 1 ]; then
  echo "USAGE: $0 [-daemon] [-name servicename] [-loggc] classname [opts]" >&2
  exit 1
fi
exec "$(dirname "$0")/ottla-run.sh" "$@"
