#!/bin/sh
# A lower sequence than the one in force is refused.
# codes: sequence-lower
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll --sequence 5
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
make_package heartbeat heartbeat.dll --sequence 4
refuses sequence-lower "$package" --pid "$pid" --allow-unsigned
