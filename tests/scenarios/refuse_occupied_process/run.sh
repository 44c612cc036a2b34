#!/bin/sh
# Somebody else is at work on the process: another suture, or a tracer of one of its threads.
# codes: operation-in-progress target-inaccessible
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool lock "$pid" >locked &
locker=$!
pids="$pids $locker"
wait_for 10 test -s locked || fail "nobody has locked the process"
refuses operation-in-progress "$package" --pid "$pid" --allow-unsigned
kill -9 "$locker"
wait "$locker" 2>/dev/null || :
for thread in "/proc/$pid/task"/*; do thread=${thread##*/}; done
[ "$thread" != "$pid" ] || fail "the service has one thread"
target-tool hold "$thread" >held &
pids="$pids $!"
wait_for 10 test -s held || fail "nobody holds the thread"
refuses target-inaccessible "$package" --pid "$pid" --allow-unsigned
expect_leak
