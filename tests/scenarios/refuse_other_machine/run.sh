#!/bin/sh
# A package for another machine is refused.
# codes: machine-differs
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool craft arm64 "$package" arm64.dll
refuses machine-differs arm64.dll --pid "$pid" --allow-unsigned
