#!/bin/sh
# There is no address space left near the module, or none at all.
# codes: no-room-near-module target-map-failed
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool crowd "$pid" heartbeat.dll
refuses no-room-near-module "$package" --pid "$pid" --allow-unsigned
expect_leak

start_service
size=$(awk '/^VmSize:/ { print $2 * 1024 }' "/proc/$pid/status")
prlimit --pid "$pid" --as="$size:"
refuses target-map-failed "$package" --pid "$pid" --allow-unsigned
expect_leak
