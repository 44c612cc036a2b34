#!/bin/sh
# A program of which a package is refused has not run: nothing of it is seen but the reason and its exit code.
# codes: file-unreadable identity-header-differs module-not-loaded target-gone trust-not-stated
. "$(dirname "$0")/../scenario.sh"

make_prefix
PATH="$PATH:$(dirname "$SUTURE_WINE")"
early=$SUTURE_SCENARIO_PROGRAMS/early/baseline/early.exe
for file in early.exe early.dll; do
  expect 0 patchgen create "$SUTURE_SCENARIO_PROGRAMS/early/baseline/$file" \
    "$SUTURE_SCENARIO_PROGRAMS/early/updated/$file" -o "package-$file"
done
make_package tally tally.exe
silent() { ! grep -qE '^(dll|callback|main) ' out || fail "the program ran"; }
refuses_to_run() { # REASON PACKAGE... -- PROGRAM...
  reason=$1; shift
  refused "$reason" suture run --json=- "$@"
  silent
}

# All or none: one of the packages is for a module that is not there, or not the baseline.
refuses_to_run module-not-loaded package-early.exe "$package" --allow-unsigned -- "$early"
refuses_to_run identity-header-differs package-early.exe --allow-unsigned -- \
  "$SUTURE_SCENARIO_PROGRAMS/early/updated/early.exe"
# A DLL that the program loads later.
make_package heartbeat heartbeat.dll
refuses_to_run module-not-loaded "$package" --allow-unsigned -- "$early"
# What is no program, none that Wine starts, or none with a PE image.
refuses_to_run file-unreadable package-early.exe --allow-unsigned -- ./absent
refuses_to_run target-gone package-early.exe --allow-unsigned -- true
refuses_to_run trust-not-stated package-early.exe -- "$early"
refuses_to_run file-unreadable absent.exe --allow-unsigned -- "$early"
# The helper is killed while it follows the program.
helper=
tries=0
while [ -z "$helper" ]; do
  tries=$((tries + 1)); [ "$tries" -lt 50 ] || fail "no helper was ever seen"
  suture run package-early.exe package-early.dll --allow-unsigned -- "$early" >out 2>errors </dev/null &
  pid=$!; pids="$pids $pid"
  while [ -z "$helper" ] && tracer=$(sed -n 's/^TracerPid:[^0-9]*//p' "/proc/$pid/status" 2>/dev/null) && [ -n "$tracer" ]; do
    ! grep -q dll out || break
    [ "$tracer" = 0 ] || helper=$tracer
  done
  [ -z "$helper" ] || kill -9 "$helper"
  code=0; wait "$pid" || code=$?
done
[ "$code" = 137 ] || fail "the program ends with $code after its helper was killed"
silent

expect 2 suture run package-early.exe --allow-unsigned
expect 2 suture run package-early.exe --allow-unsigned --
silent
