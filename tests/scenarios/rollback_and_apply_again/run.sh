#!/bin/sh
# Rolling back brings the old behaviour back; applying again is a commit of what is there.
# codes: already-applied
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
expect_no_leak
expect 0 suture rollback --pid "$pid" --module heartbeat.dll
expect_leak
mapped=$(wc -l <"/proc/$pid/maps")
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
expect_no_leak
[ "$(wc -l <"/proc/$pid/maps")" = "$mapped" ] || fail "applying again mapped something anew"
refused already-applied suture apply "$package" --pid "$pid" --allow-unsigned
