#!/bin/sh
# A module that is unloaded at any moment of an apply: it is patched or refused with the reason, and the program goes on.
# codes: module-not-loaded
. "$(dirname "$0")/../scenario.sh"

make_prefix
make_package heartbeat heartbeat.dll
cp "$(image heartbeat baseline heartbeat.dll)" .
runs() {
  lines=$(wc -l <churns.txt)
  wait_for 20 sh -c "[ \$(wc -l <churns.txt) -gt $((lines + 2)) ]" || fail "the program does not go on after: $(cat out)"
}
for process in 1 2 3; do
  rm -f churns.txt
  "$SUTURE_WINE" "$SUTURE_SCENARIO_PROGRAMS/churns_baseline.exe" heartbeat.dll >program.log 2>&1 </dev/null &
  pid=$!; pids="$pids $pid"
  wait_for 60 test -s churns.txt || fail "the program does not start: $(cat program.log)"
  code=4
  for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    [ "$code" = 4 ] || break
    code=0; suture apply "$package" --pid "$pid" --allow-unsigned --timeout 1 --json=- >out 2>&1 || code=$?
    cat out >>log
    case $code in
    0 | 4) ;;
    # One came into force in the moment before the module was unloaded.
    8) expect 0 suture recover --pid "$pid"; code=4 ;;
    *) fail "exit code $code: $(cat out)" ;;
    esac
    runs
    ! grep -q '"code": "module-not-loaded"' out || echo module-not-loaded >>seen
  done
  # It is gone, or there again without a site, by now.
  if [ "$code" = 0 ]; then
    expect 8 suture status --pid "$pid"
    says 'free its pages: the module was unloaded'
    expect 0 suture recover --pid "$pid"
    expect 0 suture status --pid "$pid"
    says 'nothing is patched'
    runs
  fi
done
# Whether an apply met a moment without the module is chance. This program never loads it.
"$SUTURE_WINE" "$SUTURE_SCENARIO_PROGRAMS/stuck_baseline.exe" >stuck.txt 2>&1 </dev/null &
pid=$!; pids="$pids $pid"
wait_for 60 test -s stuck.txt || fail "the program does not start"
refuses module-not-loaded "$package" --pid "$pid" --allow-unsigned
