#!/bin/sh
# A process of which suture cannot read what it must.
# codes: module-unreadable target-read-failed
. "$(dirname "$0")/../scenario.sh"

start_hiding() { # ARGUMENT...
  rm -f out.txt
  "$SUTURE_WINE" "$SUTURE_SCENARIO_PROGRAMS/hides_itself.exe" "$@" >out.txt 2>&1 </dev/null &
  pid=$!
  pids="$pids $pid"
  wait_for 60 grep -q running out.txt || fail "the program does not start: $(cat out.txt)"
}
make_prefix
make_package heartbeat heartbeat.dll
cp "$(image heartbeat baseline heartbeat.dll)" .
start_hiding pages heartbeat.dll
refuses module-unreadable "$package" --pid "$pid" --allow-unsigned
start_hiding list
refuses target-read-failed "$package" --pid "$pid" --allow-unsigned
