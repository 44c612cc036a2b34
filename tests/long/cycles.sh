#!/usr/bin/env bash
# Cycles of apply and rollback on the busy heartbeat service, with clients connected: no wrong reply, no lost connection.
#
#   tests/long/cycles.sh [CYCLES [CONNECTIONS]]
# Environment: as for the scenarios.
. "$(dirname "$0")/../scenarios/scenario.sh"

cycles=${1:-1000}
connections=${2:-16}
start_service
make_package heartbeat heartbeat.dll
before=$(digest)
heartbeat-client --port "$port" load --connections "$connections" --until-file done --mode any >load.json 2>&1 &
load=$!
pids="$pids $load"
sleep 1
started=$(date +%s)
cycle=0
while [ "$cycle" -lt "$cycles" ]; do
  expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60 --quiet
  expect 0 suture rollback --pid "$pid" --module heartbeat.dll --timeout 60 --quiet
  cycle=$((cycle + 1))
  kill -0 "$load" 2>/dev/null || fail "the clients ended in cycle $cycle: $(cat load.json)"
done
seconds=$(($(date +%s) - started))
expect 0 suture remove --pid "$pid" --module heartbeat.dll --timeout 60
[ "$(digest)" = "$before" ] || fail "the process is not as it was"
: >done
wait "$load" || fail "a client saw a wrong reply or lost its connection: $(cat load.json)"
for kind in old_replies new_replies; do
  grep -q "\"$kind\": *[1-9]" load.json || fail "no $kind: $(cat load.json)"
done
echo "cycles: $cycles of apply and rollback, 8 threads, $connections connections, $seconds s; clients: $(cat load.json)"
