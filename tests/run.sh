#!/usr/bin/env bash
# Sets up, builds and runs the tests; those of suture.exe with --windows [--quick] (tests/windows/run.sh).
#
#   tests/run.sh          unit tests, also under ASan and UBSan, scenarios, whole images, the long runs
#   tests/run.sh --quick  the everyday tests: unit tests and one pass over the scenarios
#   tests/run.sh --arm64-vm  builds for Arm64 as well: unit tests of the engine under qemu-user, packages made there and
#                         here, and the scenarios in an Arm64 machine with Wine (tests/arm64-vm)
#   tests/run.sh --everything  both, the machine beside the builds
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" != --windows ] || exec tests/windows/run.sh "${2:-}"

parts=all
case "${1:-}" in
  '') ;;
  --quick) parts=quick ;;
  --arm64-vm) parts=arm64 ;;
  --everything) parts=everything ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

say() { printf '\n== %s\n' "$*"; }
jobs=$(nproc)
started=$SECONDS
preset=default
[ -z "${CI:-}" ] || preset=ci

# beside NAME COMMAND...: begins what finish NAME waits for. What it writes comes out then, in one piece; its exit code
# is that of finish. What still runs when this script ends is ended, with all that it started.
declare -A beside=()
logs=$(mktemp -d)
end_all() {
  for name in "${!beside[@]}"; do kill -- "-${beside[$name]}" 2>/dev/null || :; done
  wait
  rm -rf "$logs"
}
trap end_all EXIT
trap 'exit 130' INT TERM
beside() {
  local name=$1
  shift
  setsid "$@" >"$logs/$name" 2>&1 </dev/null &
  beside[$name]=$!
}
finish() {
  local code=0
  wait "${beside[$1]}" || code=$?
  unset "beside[$1]"
  cat "$logs/$1"
  return "$code"
}

configure() { # PRESET [OPTION...]
  cmake --preset "$@" >"$logs/configure" 2>&1 || { cat "$logs/configure"; exit 1; }
  sed -n '/-- Suture/,/-- Configuring/p' "$logs/configure" | grep -v Configuring || :
}
tests() { ctest --preset "$preset" "$@" --output-on-failure; }

unit=(engine_core_test engine_isa_test engine_package_test engine_patch_test)
emulated() {
  say "unit tests for Arm64, under qemu-user"
  for test in "${unit[@]}"; do
    $gently qemu-aarch64 -L "$(cmake/arm64-root.sh build)" "build-arm64/bin/$test" --gtest_brief=1
  done
  say "packages made on both machines"
  $gently tests/arm64-vm/same_bytes.sh
  say "instructions of a call, operations of a commit"
  build/bin/emulated_bench
}

arm64= gently=
case $parts in
  arm64 | everything) arm64=--arm64 gently='nice -n 10' ;;
esac
cmake/setup-debian.sh $arm64

if [ -n "$arm64" ]; then
  # The first time, the machine's image takes minutes, most of them on one processor or on the network.
  beside image tests/arm64-vm/machine.sh prepare
  say "build for Arm64"
  tests/arm64-vm/build.sh "${unit[@]}"
  finish image
  # The machine has one processor, and needs it for minutes. What is built meanwhile leaves it that; what measures how
  # long things take comes after it.
  beside machine tests/arm64-vm/run.sh
fi

say "build"
case $parts in
  all | everything) configure "$preset" ${CI:+-DSUTURE_UNITY=tests} ;;
  *) configure "$preset" ;;
esac
if [ $parts = arm64 ]; then
  $gently cmake --build --preset "$preset" --target patchgen samples emulated_bench -- --quiet
else
  $gently cmake --build --preset "$preset" -- --quiet
fi
[ -z "$arm64" ] || emulated

whole=
case $parts in
  all | everything) whole=yes ;;
esac
if [ -n "$whole" ]; then
  say "unit tests under ASan and UBSan"
  configure asan ${CI:+-DSUTURE_WERROR=ON}
  $gently cmake --build --preset asan --target unit-tests -- --quiet
  $gently ctest --preset asan -j "$jobs" -L unit --output-on-failure
fi
if [ -n "$arm64" ]; then
  say "scenarios in an Arm64 machine"
  finish machine
fi
if [ $parts != arm64 ]; then
  say "tests"
  # Scenarios start services, and the machine may be small: a test for each processor.
  tests -j "$jobs" -LE long
fi
if [ -n "$whole" ]; then
  say "long runs"
  tests -L long -V
fi
say "all tests passed in $((SECONDS - started)) s"
