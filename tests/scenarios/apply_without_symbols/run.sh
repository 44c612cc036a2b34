#!/bin/sh
# A package made without symbols does the same as one made with them.
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll --no-symbols
expect_leak
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
expect_no_leak
expect 0 suture remove --pid "$pid" --module heartbeat.dll
expect_leak
