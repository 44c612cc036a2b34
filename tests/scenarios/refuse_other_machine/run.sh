#!/bin/sh
# A package for another machine is refused.
# codes: machine-differs
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
target-tool craft machine "$package" other.dll
refuses machine-differs other.dll --pid "$pid" --allow-unsigned
