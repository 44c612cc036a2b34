#!/usr/bin/env bash
# Builds suture.exe and its tests, and what they take of this machine's build (packages, samples, tools), and runs them
# under Wine; the long ones are left out with --quick. CI set: warnings are errors there too.
set -euo pipefail
cd "$(dirname "$0")/../.."
preset=default
[ -z "${CI:-}" ] || preset=ci
cmake/setup-debian.sh --windows
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -- --quiet \
  patchgen samples target-tool heartbeat-client suture_scenario_programs suture_scenario_pairs
cmake --preset windows-mingw >/dev/null
cmake --build --preset windows-mingw -- --quiet
ctest --preset windows-mingw -j "$(nproc)" -LE long --output-on-failure
[ "${1:-}" = --quick ] || ctest --preset windows-mingw -L long -V
