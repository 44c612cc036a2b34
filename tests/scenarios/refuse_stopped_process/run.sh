#!/bin/sh
# A process that is stopped (SIGSTOP): no thread of it can be borrowed, and nothing is done.
# codes: target-map-failed
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
kill -STOP "$pid"
refuses target-map-failed "$package" --pid "$pid" --allow-unsigned
# It goes on as before when it is let go.
kill -CONT "$pid"
expect_leak
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
expect_no_leak
