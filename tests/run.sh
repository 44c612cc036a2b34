#!/usr/bin/env bash
# Sets up, builds and runs the tests.
#
#   tests/run.sh          everything: unit tests, also under ASan and UBSan, scenarios, whole images, the long runs
#   tests/run.sh --quick  the everyday tests: unit tests and one pass over the scenarios
set -euo pipefail
cd "$(dirname "$0")/.."

quick=
case "${1:-}" in
  '') ;;
  --quick) quick=yes ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

say() { printf '\n== %s\n' "$*"; }
jobs=$(nproc)
started=$SECONDS

cmake/setup-debian.sh

say "build"
preset=default
[ -z "${CI:-}" ] || preset=ci
cmake --preset "$preset" >build.log 2>&1 || { cat build.log; exit 1; }
sed -n '/-- Suture/,/-- Configuring/p' build.log | grep -v Configuring || :
rm -f build.log
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
