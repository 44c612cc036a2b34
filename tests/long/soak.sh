#!/usr/bin/env bash
# Cycles of apply and rollback on 64 busy threads, with a thread that starts and ends others all the time, and one that
# suspends and resumes them: no call sees two versions, none a wrong result.
#
#   tests/long/soak.sh [CYCLES]
# Environment: as for the scenarios.
. "$(dirname "$0")/../scenarios/scenario.sh"

cycles=${1:-200}
make_prefix
"$SUTURE_WINE" "$SUTURE_LONG_PROGRAMS/soak_baseline.exe" >out.txt 2>&1 </dev/null &
pid=$!
pids="$pids $pid"
wait_for 60 grep -q calls out.txt || fail "the program does not start: $(cat out.txt)"
expect 0 patchgen create "$SUTURE_LONG_PROGRAMS/soak_baseline.exe" "$SUTURE_LONG_PROGRAMS/soak_updated.exe" \
  -o soak_hotpatch.exe
before=$(digest)
started=$(date +%s)
expect 0 target-tool cycle soak_hotpatch.exe "$pid" "$cycles"
figures=$(cat out)
seconds=$(($(date +%s) - started))
[ "$(digest)" = "$before" ] || fail "the process is not as it was"
lines=$(wc -l <out.txt)
wait_for 30 sh -c "[ \$(wc -l <out.txt) -ge $((lines + 3)) ]" || fail "the program stands still"
last=$(tail -n 2 out.txt | head -n 1)
case $last in *" errors 0 "*) ;; *) fail "calls went wrong: $last" ;; esac
case $last in *" new 0 "*) fail "no call ran new code: $last" ;; esac
echo "soak: $figures, $seconds s; the program: $last"
