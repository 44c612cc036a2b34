#!/bin/sh
# A package that lacks its end is refused.
# codes: pe-truncated
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
size=$(wc -c <"$package")
for keep in 0 1 100 $((size / 2)) $((size - 1)); do
  head -c "$keep" "$package" >damaged.dll
  refuses pe-truncated damaged.dll --pid "$pid" --allow-unsigned
done
