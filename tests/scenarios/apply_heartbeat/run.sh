#!/bin/sh
# A running service stops leaking: same process, same connection, same session counter.
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll
expect_leak

mkfifo commands
heartbeat-client --port "$port" session <commands >replies.txt 2>&1 &
pids="$pids $!"
exec 3>commands
echo 'leak 128' >&3
wait_for 10 grep -q 'sequence=1 ' replies.txt || fail "no first reply: $(cat replies.txt)"
grep -q 'secret-token' replies.txt || fail "the open connection does not leak: $(cat replies.txt)"

expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
expect_no_leak
! grep -E '^[^ ]* r--p .*memfd:suture' "/proc/$pid/maps" || fail "what was put into the process can be changed there"
echo 'leak 128' >&3
wait_for 10 grep -q 'sequence=2 ' replies.txt || fail "the connection did not survive: $(cat replies.txt)"
tail -n 1 replies.txt | grep -q 'error' || fail "the open connection still leaks: $(cat replies.txt)"
echo 'echo still here' >&3
wait_for 10 grep -q 'sequence=3 ' replies.txt || fail "the connection did not survive: $(cat replies.txt)"
exec 3>&-

expect 0 suture status --pid "$pid"
says heartbeat.dll
