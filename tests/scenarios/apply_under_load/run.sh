#!/bin/sh
# Clients see only right replies while the service is patched, rolled back, patched again and restored.
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll
before=$(digest)
heartbeat-client --port "$port" load --connections 16 --until-file done --mode any >load.json 2>&1 &
load=$!
pids="$pids $load"
sleep 1
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 30
sleep 0.5
expect 0 suture rollback --pid "$pid" --module heartbeat.dll --timeout 30
sleep 0.5
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 30
sleep 0.5
expect 0 suture remove --pid "$pid" --module heartbeat.dll --timeout 30
sleep 0.5
: >done
wait "$load" || fail "a client saw a wrong reply or lost its connection: $(cat load.json)"
cat load.json >>log
for kind in old_replies new_replies; do
  grep -q "\"$kind\": *[1-9]" load.json || fail "no $kind: $(cat load.json)"
done
[ "$(digest)" = "$before" ] || fail "the process is not as it was"
