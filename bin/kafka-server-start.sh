#!/usr/bin/env bash
# Start a node with a properties file; the shell becomes the node, so that signals reach it.
if [ $# -lt 1 ]; then
  echo "USAGE: $0 [-daemon] server.properties [--override property=value]*" >&2
  exit 1
fi
if [ "$1" = "-daemon" ]; then
  shift
  logs=${LOG_DIR:-$(dirname "$0")/../logs}
  mkdir -p "$logs"
  # What an earlier node said is not to be taken for this one's.
  : >"$logs/kafkaServer.out"
  nohup "$(dirname "$0")/ottla-run.sh" server-start "$@" >>"$logs/kafkaServer.out" 2>&1 </dev/null &
  node=$!
  # It starts in milliseconds, so whoever comes next finds it there.
  for _ in $(seq 200); do
    grep -q 'Kafka Server started' "$logs/kafkaServer.out" && exit 0
    kill -0 "$node" 2>/dev/null || break
    sleep 0.05
  done
  cat "$logs/kafkaServer.out" >&2
  exit 1
fi
exec "$(dirname "$0")/ottla-run.sh" server-start "$@"
