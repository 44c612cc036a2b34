#!/bin/sh
# A program that is started patched: nothing of it ever runs the old code, and otherwise it is as if started by itself.
. "$(dirname "$0")/../scenario.sh"

make_prefix
PATH="$PATH:$(dirname "$SUTURE_WINE")"
early=$SUTURE_SCENARIO_PROGRAMS/early/baseline/early.exe
for file in early.exe early.dll; do
  expect 0 patchgen create "$SUTURE_SCENARIO_PROGRAMS/early/baseline/$file" \
    "$SUTURE_SCENARIO_PROGRAMS/early/updated/$file" -o "package-$file"
done
same() { # FILE, then the lines that it must hold
  file=$1; shift
  printf '%s\n' "$@" | cmp - "$file" >>log || { cat "$file" >>log; fail "$file is not what was expected"; }
}

# Without a patch; a PE file gets Wine, and arguments arrive as they are.
code=0; "$SUTURE_WINE" "$early" >plain 2>/dev/null </dev/null || code=$?
[ "$code" = 41 ] || fail "the program itself ends with $code"
same plain 'dll 3' 'callback 1' 'main 1' 'dll-call 3'
code=0
suture run package-early.exe package-early.dll --allow-unsigned --json=run.json -- "$early" 'a b' 'c"d' '' '--json' \
  >patched 2>errors </dev/null || code=$?
[ "$code" = 42 ] || fail "exit code $code, not the program's: $(cat errors)"
same patched 'dll 4' 'callback 2' 'main 2' 'dll-call 4' 'a b 1' 'c"d 2' ' 3' '--json 4'
[ ! -s errors ] || fail "not only the program wrote: $(cat errors)"
grep -q '"result": "done"' run.json || fail "the JSON does not tell of it"

# One package alone, and Wine named by the caller; the standard streams are the program's.
code=0
printf 'from outside' | suture run package-early.dll --allow-unsigned -- "$SUTURE_WINE" "$early" echo >patched 2>errors ||
  code=$?
[ "$code" = 41 ] || fail "exit code $code"
same patched 'dll 4' 'callback 1' 'main 1' 'dll-call 4' 'echo 1'
[ "$(cat errors)" = 'from outside' ] || fail "standard input or error is not the program's"

# It has the PID of the command, nobody traces it or is its child, and a signal ends it as it ends any program.
ended_by() {
  wait_for 30 grep -q 'wait 1' waits || fail "the program does not start"
  kill -"$1" "$pid"
  code=0; wait "$pid" || code=$?
  echo "$code"
}
for signal in TERM KILL; do
  : >waits # which a shell in the background may do late
  "$SUTURE_WINE" "$early" wait >waits 2>/dev/null </dev/null &
  pid=$!; pids="$pids $pid"
  plain=$(ended_by $signal)
  : >waits # which a shell in the background may do late
  suture run package-early.exe package-early.dll --allow-unsigned -- "$early" wait >waits 2>/dev/null </dev/null &
  pid=$!; pids="$pids $pid"
  wait_for 30 grep -q 'wait 1' waits || fail "the program does not start"
  grep -q 'TracerPid:.*[^0-9]0$' "/proc/$pid/status" || fail "it is traced"
  [ -z "$(cat "/proc/$pid/task/$pid/children")" ] || fail "it has a child that it did not start"
  expect 0 suture status --pid "$pid"
  says 'early.exe'
  says 'early.dll'
  [ "$(ended_by $signal)" = "$plain" ] || fail "$signal does not end it as it ends the program itself"
done

# Later operations find what this one did.
: >waits # which a shell in the background may do late
suture run package-early.exe package-early.dll --allow-unsigned -- "$early" wait >waits 2>/dev/null </dev/null &
pid=$!; pids="$pids $pid"
wait_for 30 grep -q 'wait 1' waits || fail "the program does not start"
expect 0 suture rollback --pid "$pid" --module early.dll
expect 0 suture remove --pid "$pid" --module early.dll
expect 0 suture remove --pid "$pid" --module early.exe
