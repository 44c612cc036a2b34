#!/bin/sh
# A process that runs no PE image is refused.
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
sleep 600 &
pid=$!
pids="$pids $pid"
refuses 4 target-not-pe "$package" --pid "$pid" --allow-unsigned
