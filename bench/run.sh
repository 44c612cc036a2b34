#!/usr/bin/env bash
# Builds and runs every benchmark. Arguments go to each (e.g. --benchmark_filter=apply).
set -euo pipefail
cd "$(dirname "$0")/.."
cmake/setup-debian.sh
cmake --preset default >/dev/null
cmake --build --preset default --target benchmarks samples suture target-tool heartbeat-client -- --quiet
for benchmark in call_bench verify_bench patchgen_bench apply_bench; do
  printf '\n== %s\n' "$benchmark"
  "build/bin/$benchmark" "$@"
done
printf '\n== emulated_bench\n'
[ ! -x build/bin/emulated_bench ] || build/bin/emulated_bench
printf '\n== create_bench\n'
samples=build/samples
bench/create_bench.py \
  "$samples/heartbeat/clang/baseline/heartbeat.dll" "$samples/heartbeat/clang/updated/heartbeat.dll" \
  "$samples/cxx/clang/baseline/cxx.exe" "$samples/cxx/clang/updated/cxx.exe"
printf '\n== service_bench\n'
bench/service_bench.py
