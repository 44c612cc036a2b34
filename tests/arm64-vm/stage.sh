#!/usr/bin/env bash
# Puts what the machine needs into the folder of a job: stage.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build-arm64
rm -rf "$1"
mkdir -p "$1"/{bin,docs,tests,programs}
for program in suture patchgen heartbeat-client target-tool loader_linux_test; do
  llvm-strip-19 -o "$1/bin/$program" "$build/bin/$program"
done
cp -r "$build/samples" "$1"
cp -r tests/scenarios tests/long "$1/tests"
mkdir -p "$1/tests/support"
cp tests/support/signing.sh "$1/tests/support"
cp docs/refusals.md "$1/docs"
mkdir -p "$1/tests/fuzz/corpus"
cp -r tests/fuzz/corpus/package_reader "$1/tests/fuzz/corpus"
cp -r "$build"/tests/scenarios/{early,*.exe,*.pdb} "$1/programs"
cp -r "$build/tests/scenarios/pairs" "$1"
cp -r "$build/test-programs" "$1"
