#!/bin/sh
# A process that is gone is refused.
# codes: target-gone
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
kill -9 "$pid"
wait "$pid" 2>/dev/null || :
refused target-gone suture apply "$package" --pid "$pid" --allow-unsigned
refused target-gone suture status --pid "$pid"
