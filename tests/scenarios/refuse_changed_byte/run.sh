#!/bin/sh
# One different byte in a function that is not replaced is found and named.
# codes: identity-section-differs
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool spoil "$pid" heartbeat.dll "$package" >spoilt
refuses identity-section-differs "$package" --pid "$pid" --allow-unsigned
says "$(cat spoilt)"
