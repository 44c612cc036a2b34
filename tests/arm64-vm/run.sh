#!/usr/bin/env bash
# Builds Suture for Arm64 and runs its scenarios, and the tests that need a real process, in the machine (machine.sh).
#
#   tests/arm64-vm/run.sh              all scenarios but those in left-out.txt, and the loader's tests
#   tests/arm64-vm/run.sh SCENARIO...  those scenarios
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

"$here/build.sh"
build=build-arm64
job=$build/machine-job
"$here/stage.sh" "$job"

left_out() { sed -n 's/^\([a-z_0-9]*\): .*/\1/p' "$here/left-out.txt"; }
all=$(cd tests/scenarios && ls -d ./*/ | sed -n 's|^\./\(.*\)/$|\1|p' | while read -r name; do
  [ ! -x "$name/run.sh" ] || echo "$name"
done)
if [ $# -gt 0 ]; then
  printf 'scenario %s\n' "$@" >"$job/list"
else
  # Nothing is left out that nobody has a reason for, and no reason is kept for what is gone.
  for name in $(left_out); do
    grep -qxF "$name" <<<"$all" || { echo "arm64-vm: left-out.txt tells of $name, which is no scenario" >&2; exit 1; }
  done
  {
    echo 'test loader_linux_test bin/loader_linux_test --gtest_filter=-StackWalkOfAProcess.*'
    comm -23 <(sort <<<"$all") <(left_out | sort) | sed 's/^/scenario /'
  } >"$job/list"
  echo "left out: $(left_out | wc -l) scenarios (tests/arm64-vm/left-out.txt)"
fi
cp "$here/job" "$job/run"
echo "$PWD/$build" >"$job/build-folder"
TIMEOUT=${TIMEOUT:-1800} exec "$here/machine.sh" run "$job"
