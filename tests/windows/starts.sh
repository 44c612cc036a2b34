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

# One whose threads begin at once.
make_package heartbeat heartbeat.dll
suture run "$package" --allow-unsigned -- "$(image heartbeat baseline heartbeat.exe)" --port-file "$work/port" --threads 4 \
  >service.log 2>&1 </dev/null &
pids="$pids $!"
wait_for 60 test -s port || fail "the service does not start: $(cat service.log)"
pids="$pids $(pgrep -f "port-file $work/port" | tr '\n' ' ')"
port=$(tr -d '\r\n' <port)
expect_no_leak

# Ones whose new functions handle exceptions: their unwind data is known before the program begins.
for compiler in clang gcc; do
  program=$SUTURE_SCENARIO_PROGRAMS/throws_${compiler}_baseline.exe
  expect 0 patchgen create "$program" "$SUTURE_SCENARIO_PROGRAMS/throws_${compiler}_updated.exe" -o "$compiler.exe"
  rm -f out.txt
  suture run "$compiler.exe" --allow-unsigned -- "$program" --out "$work/out.txt" --seconds 600 \
    >program.log 2>&1 </dev/null &
  pids="$pids $!"
  wait_for 60 test -s out.txt || fail "the program does not start: $(cat program.log)"
  pids="$pids $(pgrep -f "out $work/out.txt" | tr '\n' ' ')"
  line=$(fresh_line)
  case $line in
  cxx-in=1*" walk=1 known=1 wrong=0 rounds="*) ;;
  *) fail "$compiler: $line" ;;
  esac
  case ${line% wrong=*} in *=0*) fail "$compiler: $line" ;; esac
done
