#!/bin/sh
# A later hotpatch replaces an earlier one in one commit, and can be rolled back to it.
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll --sequence 1 --id first
first=$PWD/first.dll; mv "$package" "$first"
make_package heartbeat heartbeat.dll --sequence 2 --id second
expect 0 suture apply "$first" --pid "$pid" --allow-unsigned
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
expect 0 suture status --pid "$pid"
says first
says second
expect_no_leak
expect 0 suture rollback --pid "$pid" --module heartbeat.dll
expect_no_leak
expect 0 suture rollback --pid "$pid" --module heartbeat.dll
expect_leak
expect 0 suture remove --pid "$pid" --module heartbeat.dll
