#!/bin/sh
# A package for another machine is refused.
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool for-arm64 "$package" arm64.dll
refuses 4 machine-differs arm64.dll --pid "$pid" --allow-unsigned
