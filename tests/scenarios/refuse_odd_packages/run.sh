#!/bin/sh
# Packages that are sound, and that do not suit the process or each other.
# codes: branch-out-of-reach import-unavailable module-twice sequence-too-old
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
for kind in far-apart import upon-another; do target-tool craft $kind "$package" $kind.dll; done
refuses branch-out-of-reach far-apart.dll --pid "$pid" --allow-unsigned
refuses import-unavailable import.dll --pid "$pid" --allow-unsigned
says absent.dll
refuses sequence-too-old upon-another.dll --pid "$pid" --allow-unsigned
refuses module-twice "$package" "$package" --pid "$pid" --allow-unsigned
