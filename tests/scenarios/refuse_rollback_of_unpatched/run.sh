#!/bin/sh
# There is nothing to roll back in a process that is not patched.
# codes: not-patched
. "$(dirname "$0")/../scenario.sh"

start_service
before=$(digest)
refused not-patched suture rollback --pid "$pid" --module heartbeat.dll
expect 0 suture status --pid "$pid"
[ "$(digest)" = "$before" ] || fail "the target was changed"
