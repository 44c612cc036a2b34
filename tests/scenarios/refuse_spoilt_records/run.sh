#!/bin/sh
# What an operation left behind that was cut off, and what somebody else spoilt.
# codes: ledger-damaged needs-recover verification-failed
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll --sequence 1
first=$PWD/first.dll; mv "$package" "$first"
make_package heartbeat heartbeat.dll --sequence 2
expect 0 suture apply "$first" --pid "$pid" --allow-unsigned
target-tool poke "$pid" heartbeat.dll "$(target-tool first-site "$pid" heartbeat.dll)" 9090
refused verification-failed suture status --pid "$pid"
refused verification-failed suture remove --pid "$pid" --module heartbeat.dll
refused verification-failed suture rollback --pid "$pid" --module heartbeat.dll

start_service
expect 0 suture apply "$first" --pid "$pid" --allow-unsigned
target-tool cut-off "$pid" heartbeat.dll
refused needs-recover suture status --pid "$pid"
refuses needs-recover "$package" --pid "$pid" --allow-unsigned
refused needs-recover suture remove --pid "$pid" --module heartbeat.dll

start_service
expect 0 suture apply "$first" --pid "$pid" --allow-unsigned
target-tool spoil-ledger "$pid" heartbeat.dll
refuses ledger-damaged "$package" --pid "$pid" --allow-unsigned
