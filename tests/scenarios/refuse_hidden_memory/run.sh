#!/bin/sh
# A process of which suture cannot read what it must, or that tells of itself what cannot be.
# codes: identity-header-differs module-unreadable pe-bad-header target-read-failed
. "$(dirname "$0")/../scenario.sh"

start_hiding() { # ARGUMENT...
  rm -f out.txt
  "$SUTURE_WINE" "$SUTURE_SCENARIO_PROGRAMS/hides_itself.exe" "$@" >out.txt 2>&1 </dev/null &
  pid=$!
  pids="$pids $pid"
  wait_for 60 grep -q running out.txt || fail "the program does not start: $(cat out.txt)"
}
make_prefix
make_package heartbeat heartbeat.dll
cp "$(image heartbeat baseline heartbeat.dll)" .
start_hiding pages heartbeat.dll
refuses module-unreadable "$package" --pid "$pid" --allow-unsigned
start_hiding headers heartbeat.dll
refuses pe-bad-header "$package" --pid "$pid" --allow-unsigned
start_hiding sizes heartbeat.dll
refuses pe-bad-header "$package" --pid "$pid" --allow-unsigned
start_hiding claim heartbeat.dll
refuses identity-header-differs "$package" --pid "$pid" --allow-unsigned
for what in list loop endless; do
  start_hiding $what heartbeat.dll
  refuses target-read-failed "$package" --pid "$pid" --allow-unsigned
done

# One that ends meanwhile, sooner or later.
for delay in 0 0.005 0.01 0.02 0.03 0.05; do
  start_service
  (sleep "$delay"; kill -9 "$pid") &
  code=0; suture apply "$package" --pid "$pid" --allow-unsigned >out 2>&1 || code=$?
  cat out >>log
  case $code in
  0 | 7) ;;
  *) fail "exit code $code of an apply whose process ended after $delay s: $(cat out)" ;;
  esac
done
