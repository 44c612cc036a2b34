#!/bin/sh
# A process that a debugger holds is refused, and the debugger is named.
# codes: target-inaccessible
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool hold "$pid" >held &
pids="$pids $!"
wait_for 10 test -s held || fail "nobody holds the service"
refused target-inaccessible suture apply "$package" --pid "$pid" --allow-unsigned
