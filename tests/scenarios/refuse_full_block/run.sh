#!/bin/sh
# The room that was reserved for later versions comes to an end; the last version goes on.
# codes: block-full
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
sequence=2
target-tool craft long-id "$package" later.dll $sequence
while suture apply later.dll --pid "$pid" --allow-unsigned >>log 2>&1; do
  sequence=$((sequence + 1))
  [ $sequence -lt 60 ] || fail "there is no end of versions"
  target-tool craft long-id "$package" later.dll $sequence
done
[ $sequence -gt 8 ] || fail "there is no room for sequence $sequence"
refuses block-full later.dll --pid "$pid" --allow-unsigned
expect 0 suture remove --pid "$pid" --module heartbeat.dll
