#!/bin/sh
# A package that is in force already is not applied again.
# codes: already-applied
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned
refuses already-applied "$package" --pid "$pid" --allow-unsigned
