#!/bin/sh
# Another package of the sequence in force is refused.
# codes: sequence-taken
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll --sequence 5 --id one
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
make_package heartbeat heartbeat.dll --sequence 5 --id other
refuses sequence-taken "$package" --pid "$pid" --allow-unsigned
