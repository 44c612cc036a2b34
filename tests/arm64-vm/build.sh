#!/usr/bin/env bash
# Builds for Arm64 what the machine needs, and what the tests under qemu-user are.
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake --preset linux-arm64 >build-arm64.log 2>&1 || { cat build-arm64.log; exit 1; }
rm -f build-arm64.log
cmake --build --preset linux-arm64 --target suture patchgen target-tool heartbeat-client samples \
  suture_scenario_programs suture_scenario_pairs loader_linux_test "$@" -- --quiet
