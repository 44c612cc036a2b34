#!/bin/sh
# A process that runs no PE image is refused.
# codes: target-not-pe
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
sleep 600 &
pid=$!
pids="$pids $pid"
refuses target-not-pe "$package" --pid "$pid" --allow-unsigned
