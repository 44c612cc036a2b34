#!/usr/bin/env bash
# Puts what the machine needs into the folder of a job: stage.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build-arm64
rm -rf "$1"
mkdir -p "$1"/{bin,docs,tests,programs}
for program in "$build"/bin/{suture,patchgen,heartbeat-client} "$build"/tests/scenarios/target-tool \
    "$build"/tests/loader/linux/loader_linux_test; do
  [ -e "$program" ] || program=$build/bin/${program##*/}
  aarch64-linux-gnu-strip -o "$1/bin/${program##*/}" "$program"
done
cp -r "$build/samples" "$1"
cp -r tests/scenarios "$1/tests"
cp docs/refusals.md "$1/docs"
cp -r "$build"/tests/scenarios/{early,*.exe} "$1/programs"
cp -r "$build/tests/scenarios/pairs" "$1"
cp -r "$build/test-programs" "$1"
