#!/bin/sh
# There is nothing to roll back in a process that is not patched.
. "$(dirname "$0")/../scenario.sh"

start_service
before=$(digest)
expect 3 suture rollback --pid "$pid" --module heartbeat.dll
says not-patched
expect 0 suture status --pid "$pid"
[ "$(digest)" = "$before" ] || fail "the target was changed"
