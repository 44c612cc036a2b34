#!/bin/sh
# After a commit the program is watched; what it does not stand is rolled back.
# codes: observation-failed probe-failed target-gone
. "$(dirname "$0")/../scenario.sh"

make_prefix
for kind in good wrong faults ends hangs; do
  expect 0 patchgen create "$SUTURE_SCENARIO_PROGRAMS/worker_baseline.exe" \
    "$SUTURE_SCENARIO_PROGRAMS/worker_$kind.exe" -o "$kind.exe"
done
start_worker() {
  rm -f worker.txt
  "$SUTURE_WINE" "$SUTURE_SCENARIO_PROGRAMS/worker_baseline.exe" >worker.log 2>&1 </dev/null &
  pid=$!; pids="$pids $pid"
  wait_for 60 test -s worker.txt || fail "the program does not start: $(cat worker.log)"
}
# New answers come, and the last one is right.
cat >probe <<'END'
#!/bin/sh
size=$(wc -c <worker.txt)
sleep 0.3
[ "$(wc -c <worker.txt)" -gt "$size" ] && tail -n 1 worker.txt | grep -q right
END
chmod +x probe
answers() { # The newest answer is this one.
  wait_for 20 sh -c "tail -n 1 worker.txt | grep -qx '$1'" || fail "the answer is $(tail -n 1 worker.txt), not $1"
}

start_worker
refuses probe-failed good.exe --pid "$pid" --allow-unsigned --observe 1 --probe false
refuses probe-failed good.exe --pid "$pid" --allow-unsigned --observe 1 --probe 'sleep 60' --probe-timeout 0.2
says 'did not end within 0.2 s'
expect 2 suture apply good.exe --pid "$pid" --allow-unsigned --probe true

# A good one stays.
expect 0 suture apply good.exe --pid "$pid" --allow-unsigned --observe 1.5 --probe ./probe --json=-
grep -q '"outcome": "passed"' out || fail "it did not pass"
answers 'right and new'
expect 0 suture rollback --pid "$pid" --module worker_baseline.exe
expect 0 suture remove --pid "$pid" --module worker_baseline.exe

# One that answers wrongly does not, and neither does one that never answers, whose calls go on in it.
refused observation-failed suture apply wrong.exe --pid "$pid" --allow-unsigned --observe 60 --probe ./probe
says '"outcome": "rolled-back"'
says '"state": "baseline"'
says 'the probe fails: exit code 1'
answers right
expect 0 suture remove --pid "$pid" --module worker_baseline.exe
refused observation-failed suture apply hangs.exe --pid "$pid" --allow-unsigned --observe 60 --probe ./probe --timeout 1
says '"mixed": true'
answers right

# What is not watched to the end is not kept.
start_worker
suture apply good.exe --pid "$pid" --allow-unsigned --observe 60 --json=interrupted.json >/dev/null 2>&1 &
watcher=$!; pids="$pids $watcher"
answers 'right and new'
kill -INT "$watcher" 2>/dev/null || :
kill -TERM "$watcher"
code=0; wait "$watcher" || code=$?
[ "$code" = 4 ] || fail "exit code $code of an observation that was interrupted"
grep -q interrupted interrupted.json || fail "the JSON does not tell why"
answers right

start_worker
refused target-gone suture apply ends.exe --pid "$pid" --allow-unsigned --observe 60
# It may end before it is watched, on a slow machine.
! grep -q '"observation"' out || says '"outcome": "gone"'

# A fault that nobody handles: Wine's debugger comes, and ends the process in the end.
start_worker
code=0
suture apply faults.exe --pid "$pid" --allow-unsigned --observe 60 --timeout 1 --json=fault.json >/dev/null 2>&1 || code=$?
[ "$code" = 4 ] || [ "$code" = 7 ] || fail "exit code $code after a fault: $(cat fault.json)"
grep -qE '"outcome": "(rolled-back|gone|failed)"' fault.json || fail "the fault was not seen"
