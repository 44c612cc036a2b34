#!/bin/sh
# Programs that suture.exe starts patched: nothing of them ever runs the old code.
. "$SCENARIO_SH"

make_prefix
early=$SUTURE_SCENARIO_PROGRAMS/early
for file in early.exe early.dll; do
  expect 0 patchgen create "$early/baseline/$file" "$early/updated/$file" -o "package-$file"
done
code=0
suture run package-early.exe package-early.dll --allow-unsigned --json=run.json -- "$early/baseline/early.exe" 'a b' 'c"d' '' \
  >patched 2>errors </dev/null || code=$?
[ "$code" = 42 ] || fail "exit code $code, not the program's: $(cat errors)"
printf '%s\n' 'dll 4' 'callback 2' 'main 2' 'dll-call 4' 'a b 1' 'c"d 2' ' 3' | cmp - patched || fail "$(cat patched)"
grep -q '"result": "done"' run.json || fail "the JSON does not tell of it"

# One whose new function has unwind data, which cannot be registered while the program is held.
make_package heartbeat heartbeat.dll
suture run "$package" --allow-unsigned -- "$(image heartbeat baseline heartbeat.exe)" --port-file "$work/port" --threads 4 \
  >service.log 2>&1 </dev/null &
pids="$pids $!"
wait_for 60 test -s port || fail "the service does not start: $(cat service.log)"
pids="$pids $(pgrep -f "port-file $work/port" | tr '\n' ' ')"
port=$(tr -d '\r\n' <port)
expect_no_leak
