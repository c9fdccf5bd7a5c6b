# What the scripts share. Each runs in a folder with bin/ and config/, and with the commands on its PATH.
set -euo pipefail

fail() {
  echo "$1" >&2
  exit 1
}

# Waits until a file holds a line with a text.
shows() {
  for _ in $(seq 600); do
    grep -qF -- "$2" "$1" 2>/dev/null && return
    sleep 0.05
  done
  cat "$1" >&2
  fail "'$2' is not shown in $1"
}

# Runs a command in the background with its output in a file, and remembers it.
started=()
start() {
  "${@:2}" >"$1" 2>&1 </dev/null &
  started+=($!)
}

stop_all() {
  for process in "${started[@]}"; do
    kill "$process" 2>/dev/null || true
  done
  for process in "${started[@]}"; do
    wait "$process" 2>/dev/null || true
  done
}
trap stop_all EXIT
