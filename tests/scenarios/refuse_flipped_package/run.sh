#!/bin/sh
# A package with any single byte changed is refused.
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
# A sample of bytes through the command; every byte of a package is flipped by the package reader's own tests.
size=$(wc -c <"$package")
for part in 0 1 2 3 4 5 6 7; do
  target-tool flip "$package" $((size * part / 8 + part)) damaged.dll
  refuses 1 p damaged.dll --pid "$pid" --allow-unsigned
done
expect 0 target-tool flip-all "$package"
