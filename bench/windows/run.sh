#!/usr/bin/env bash
# Builds and runs what is measured of suture.exe, under Wine: run.sh [ROUNDS].
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake/setup-debian.sh --windows
cmake --preset default >/dev/null
cmake --build --preset default --target patchgen samples -- --quiet
cmake --preset windows-mingw >/dev/null
cmake --build --preset windows-mingw --target pause_bench -- --quiet
sample=build/samples/heartbeat/clang
package=$(mktemp -d)/package.dll
trap 'rm -rf "$(dirname "$package")"' EXIT
build/bin/patchgen create "$sample/baseline/heartbeat.dll" "$sample/updated/heartbeat.dll" -o "$package" >/dev/null
cmake/wine-run.sh build-windows/bin/pause_bench.exe "$sample/baseline/heartbeat.exe" "$package" "$@"
