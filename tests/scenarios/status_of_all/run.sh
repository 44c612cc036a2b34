#!/bin/sh
# Does everything run the new code? Only what the package of this scenario is for is asked about, since others may run.
# codes: needs-recover old-code-runs
. "$(dirname "$0")/../scenario.sh"

make_prefix
# A build that no other scenario has.
mkdir counts
cp "$SUTURE_SCENARIO_PROGRAMS"/counts_*.pdb counts 2>/dev/null || : # where symbols are not in the programs
cp "$SUTURE_SCENARIO_PROGRAMS/counts_0.exe" counts/only-here.exe
cp "$SUTURE_SCENARIO_PROGRAMS/counts_2.exe" counts/new.exe
cp "$SUTURE_SCENARIO_PROGRAMS/counts_1.exe" counts/first.exe
expect 0 patchgen create counts/only-here.exe counts/first.exe -o first.exe --sequence 1
expect 0 patchgen create counts/only-here.exe counts/new.exe -o second.exe --sequence 2
start() {
  rm -f counts.txt
  "$SUTURE_WINE" counts/only-here.exe >program.log 2>&1 </dev/null &
  pid=$!; pids="$pids $pid"
  wait_for 60 test -s counts.txt || fail "the program does not start: $(cat program.log)"
}
ask() { # REASON, or nothing: what `suture status --all` says of only-here.exe
  if [ $# = 0 ]; then
    expect 0 suture status --all --package second.exe --allow-unsigned --json=-
  else
    refused "$1" suture status --all --package second.exe --allow-unsigned
  fi
}
counts() { says "\"$1\": $2"; }

start; one=$pid
start; two=$pid
ask old-code-runs
counts new 0; counts old 2
expect 0 suture apply second.exe --pid "$one" --allow-unsigned
expect 0 suture apply first.exe --pid "$two" --allow-unsigned
ask old-code-runs
counts new 1; counts old 1
says "\"pid\": $two"
expect 0 suture apply second.exe --pid "$two" --allow-unsigned
ask
counts new 2; counts old 0; counts differs 0; counts needs_recover 0
expect 0 suture status --all --package second.exe --allow-unsigned
says 'All 2 processes concerned run the new code.'
expect 0 suture rollback --pid "$one" --module only-here.exe --to 0
ask old-code-runs
counts new 1; counts old 1
target-tool cut-off "$two" only-here.exe
ask needs-recover
counts needs_recover 1; counts old 1
expect 2 suture status --pid "$one" --package second.exe --allow-unsigned
expect 6 suture status --all --package second.exe
