#!/bin/sh
# A process that runs no PE image is refused.
# codes: target-not-pe
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
# Once it has answered it has started, and only waits.
mkfifo input
cat <>input >answer &
pid=$!
pids="$pids $pid"
echo ready >input
wait_for 60 test -s answer || fail "the program does not start"
refuses target-not-pe "$package" --pid "$pid" --allow-unsigned
