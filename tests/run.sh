#!/usr/bin/env bash
# Sets up, builds and runs the tests; those of suture.exe with --windows [--quick] (tests/windows/run.sh).
#
#   tests/run.sh          everything: unit tests, also under ASan and UBSan, scenarios, whole images, the long runs
#   tests/run.sh --quick  the everyday tests: unit tests and one pass over the scenarios
#   tests/run.sh --arm64-vm  builds for Arm64 as well: unit tests of the engine under qemu-user, packages made there and
#                         here, and the scenarios in an Arm64 machine with Wine (tests/arm64-vm)
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" != --windows ] || exec tests/windows/run.sh "${2:-}"

quick= arm64=
case "${1:-}" in
  '') ;;
  --quick) quick=yes ;;
  --arm64-vm) arm64=yes ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

say() { printf '\n== %s\n' "$*"; }
jobs=$(nproc)
started=$SECONDS

cmake/setup-debian.sh ${arm64:+--arm64}

say "build"
preset=default
[ -z "${CI:-}" ] || preset=ci
cmake --preset "$preset" >build.log 2>&1 || { cat build.log; exit 1; }
sed -n '/-- Suture/,/-- Configuring/p' build.log | grep -v Configuring || :
rm -f build.log
if [ -n "$arm64" ]; then
  cmake --build --preset "$preset" --target patchgen samples emulated_bench -- --quiet
  unit=(engine_core_test engine_isa_test engine_package_test engine_patch_test)
  tests/arm64-vm/build.sh "${unit[@]}"
  say "unit tests for Arm64, under qemu-user"
  for test in "${unit[@]}"; do
    qemu-aarch64 -L "$(cmake/arm64-root.sh build)" "build-arm64/bin/$test" --gtest_brief=1
  done
  say "packages made on both machines"
  tests/arm64-vm/same_bytes.sh
  say "instructions of a call, operations of a commit"
  build/bin/emulated_bench
  say "scenarios in an Arm64 machine"
  tests/arm64-vm/run.sh
  say "all tests passed in $((SECONDS - started)) s"
  exit
fi
cmake --build --preset "$preset" -- --quiet

say "tests"
# Scenarios start services, and the machine may be small: a test for each processor.
if [ -n "$quick" ]; then
  ctest --preset "$preset" -j "$jobs" -LE long --output-on-failure
else
  ctest --preset "$preset" -j "$jobs" -LE long --output-on-failure
  say "long runs"
  ctest --preset "$preset" -L long -V

  say "unit tests under ASan and UBSan"
  cmake --preset asan ${CI:+-DSUTURE_WERROR=ON} >/dev/null
  cmake --build --preset asan --target unit-tests -- --quiet
  ctest --preset asan -j "$jobs" -L unit --output-on-failure
fi
say "all tests passed in $((SECONDS - started)) s"
