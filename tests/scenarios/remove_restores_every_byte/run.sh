#!/bin/sh
# After remove the process is as it was found, its maps included.
# codes: not-patched
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll
before=$(digest)
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
[ "$(digest)" != "$before" ] || fail "apply changed nothing"
expect 0 suture remove --pid "$pid" --module heartbeat.dll
[ "$(digest)" = "$before" ] || fail "the process is not as it was"
expect_leak
refused not-patched suture remove --pid "$pid" --module heartbeat.dll
