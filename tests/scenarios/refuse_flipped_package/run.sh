#!/bin/sh
# A package with any single byte changed is refused.
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
# A sample of bytes through the command; every byte of a package is flipped by the package reader's own tests.
size=$(wc -c <"$package")
for part in 0 1 2 3 4 5 6 7; do
  target-tool flip "$package" $((size * part / 8 + part)) damaged.dll
  before=$(digest)
  expect 1 suture apply damaged.dll --pid "$pid" --allow-unsigned
  [ "$(digest)" = "$before" ] || fail "the target was changed by a refused apply"
done
expect 0 target-tool flip-all "$package"
