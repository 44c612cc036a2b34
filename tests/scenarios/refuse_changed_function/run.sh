#!/bin/sh
# One different byte in a function that is to be replaced is found and named.
# codes: identity-function-differs
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool spoil-replaced "$pid" heartbeat.dll "$package"
refuses identity-function-differs "$package" --pid "$pid" --allow-unsigned
says answer_heartbeat
