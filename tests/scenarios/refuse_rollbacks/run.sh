#!/bin/sh
# Versions that there are not, or that are in force already.
# codes: already-applied already-baseline sequence-unknown
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll --sequence 3
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
refused sequence-unknown suture rollback --pid "$pid" --module heartbeat.dll --to 2
refused already-applied suture rollback --pid "$pid" --module heartbeat.dll --to 3
expect_no_leak
expect 0 suture rollback --pid "$pid" --module heartbeat.dll
refused already-baseline suture rollback --pid "$pid" --module heartbeat.dll
expect_leak
