#!/bin/sh
# A process that is gone is refused.
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
kill -9 "$pid"
wait "$pid" 2>/dev/null || :
expect 7 suture apply "$package" --pid "$pid" --allow-unsigned
says target-gone
expect 7 suture status --pid "$pid"
