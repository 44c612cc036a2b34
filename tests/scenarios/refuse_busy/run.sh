#!/bin/sh
# A function that a thread never leaves is refused in time, with thread and function named.
# codes: not-quiescent
. "$(dirname "$0")/../scenario.sh"

make_prefix
"$SUTURE_WINE" "$SUTURE_SCENARIO_PROGRAMS/stuck_baseline.exe" >out.txt 2>&1 </dev/null &
pid=$!
pids="$pids $pid"
wait_for 60 test -s out.txt || fail "the program does not start"
expect 0 patchgen create "$SUTURE_SCENARIO_PROGRAMS/stuck_baseline.exe" "$SUTURE_SCENARIO_PROGRAMS/stuck_updated.exe" \
  -o package.exe
refuses not-quiescent package.exe --pid "$pid" --allow-unsigned --timeout 2
says never_leaves
says thread
# Where versions may mix, the call under way finishes in the code it began in.
expect 0 suture apply package.exe --pid "$pid" --allow-unsigned --consistency none
expect 0 suture status --pid "$pid"
