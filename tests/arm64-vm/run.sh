#!/usr/bin/env bash
# Builds Suture for Arm64 and runs its scenarios, and the tests that need a real process, in the machine (machine.sh).
#
#   tests/arm64-vm/run.sh              all scenarios but those in left-out.txt, the loader's tests, and a sample of the
#                                      kills of tests/long/kills.sh
#   tests/arm64-vm/run.sh SCENARIO...  those scenarios
#   tests/arm64-vm/run.sh --kills [COUNT|all [OPERATION...]]  kills, as many as told
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

"$here/build.sh"
build=build-arm64
job=$build/machine-job
"$here/stage.sh" "$job"

# The look at how many calls there are takes most of the time, so there are few kills, of the operations on one module.
kills_everyday='6 apply unchecked later rollback remove recover'
left_out() { sed -n 's/^\([a-z_0-9]*\): .*/\1/p' "$here/left-out.txt"; }
all=$(cd tests/scenarios && ls -d ./*/ | sed -n 's|^\./\(.*\)/$|\1|p' | while read -r name; do
  [ ! -x "$name/run.sh" ] || echo "$name"
done)
if [ "${1:-}" = --kills ]; then
  shift
  echo "long kills kills.sh $*" >"$job/list"
elif [ $# -gt 0 ]; then
  printf 'scenario %s\n' "$@" >"$job/list"
else
  # Nothing is left out that nobody has a reason for, and no reason is kept for what is gone.
  for name in $(left_out); do
    grep -qxF "$name" <<<"$all" || { echo "arm64-vm: left-out.txt tells of $name, which is no scenario" >&2; exit 1; }
  done
  {
    echo 'test loader_linux_test bin/loader_linux_test --gtest_filter=-StackWalkOfAProcess.*'
    comm -23 <(sort <<<"$all") <(left_out | sort) | sed 's/^/scenario /'
    echo "long kills kills.sh $kills_everyday"
  } >"$job/list"
  echo "left out: $(left_out | wc -l) scenarios (tests/arm64-vm/left-out.txt)"
fi
cp "$here/job" "$job/run"
echo "$PWD/$build" >"$job/build-folder"
TIMEOUT=${TIMEOUT:-1800} exec "$here/machine.sh" run "$job"
