#!/bin/sh
# Packages for several modules are one transaction: all of them come into force, or none.
# codes: identity-function-differs module-twice sequence-lower
. "$(dirname "$0")/../scenario.sh"

make_prefix
early=$SUTURE_SCENARIO_PROGRAMS/early
for file in early.exe early.dll; do
  for sequence in 1 2; do
    expect 0 patchgen create "$early/baseline/$file" "$early/updated/$file" -o "$sequence-$file" --sequence "$sequence"
  done
done
start_early() {
  : >waits # the shell in the background may be late to do it
  "$SUTURE_WINE" "$early/baseline/early.exe" wait >waits 2>/dev/null </dev/null &
  pid=$!; pids="$pids $pid"
  wait_for 60 grep -q 'wait 1' waits || fail "the program does not start"
}

# The second one is refused, in either order.
start_early
target-tool spoil-replaced "$pid" early.dll 1-early.dll >/dev/null
refuses identity-function-differs 1-early.exe 1-early.dll --pid "$pid" --allow-unsigned
refuses identity-function-differs 1-early.dll 1-early.exe --pid "$pid" --allow-unsigned
expect 0 suture apply 1-early.exe --pid "$pid" --allow-unsigned

start_early
refuses module-twice 1-early.exe 2-early.exe 1-early.dll --pid "$pid" --allow-unsigned
expect 0 suture apply 2-early.dll --pid "$pid" --allow-unsigned
refuses sequence-lower 2-early.exe 1-early.dll --pid "$pid" --allow-unsigned
expect 0 suture remove --pid "$pid" --module early.dll

expect 0 suture apply 1-early.exe 1-early.dll --pid "$pid" --allow-unsigned --json=-
[ "$(grep -c '"state": "patched"' out)" = 2 ] || fail "not both are in force"
expect 0 suture apply 2-early.dll 2-early.exe --pid "$pid" --allow-unsigned
expect 0 suture rollback --pid "$pid" --module early.dll
expect 0 suture status --pid "$pid"
says 'early.dll'
says 'sequence 1 in force'
says 'sequence 2 in force'
