#!/bin/sh
# Exceptions of C++ and of Windows, longjmp() and walks of the stack begin in, pass through and end in replaced
# functions, on several threads all the time, while packages come and go.
. "$(dirname "$0")/../scenario.sh"

# What came back wrong, of everything since the start, is counted by the program.
shows() { # VERSION KNOWN
  wanted=
  for cell in $cells; do wanted="$wanted$cell=$1 "; done
  line=$(fresh_line)
  [ "${line% rounds=*}" = "${wanted}known=$2 wrong=0" ] || fail "$compiler: $line, wanted ${wanted}known=$2 wrong=0"
}
works_on() {
  first=$(fresh_line) second=$(fresh_line)
  [ "${second##*rounds=}" -gt "${first##*rounds=}" ] || fail "$compiler: the threads stand still"
}

for compiler in clang gcc; do
  cells='cxx-in cxx-again cxx-cleanup'
  if [ "$compiler" = clang ]; then cells="$cells seh-in seh-finally"; fi
  cells="$cells cxx-through cxx-out seh-through seh-out jump-in jump-through jump-out walk"
  baseline=$SUTURE_SCENARIO_PROGRAMS/throws_${compiler}_baseline.exe
  module=$(basename "$baseline")
  package=$PWD/$compiler.dll
  expect 0 patchgen create "$baseline" "$SUTURE_SCENARIO_PROGRAMS/throws_${compiler}_updated.exe" -o "$package"
  rm -f out.txt
  start_program "$baseline"
  shows 0 0
  digest >before
  expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60
  shows 1 1
  expect 0 suture rollback --pid "$pid" --module "$module" --timeout 60
  shows 0 1
  expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60
  shows 1 1
  expect 0 suture status --pid "$pid"
  expect 0 suture remove --pid "$pid" --module "$module" --timeout 60
  shows 0 0
  expect_digest before "$compiler"
  expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60
  shows 1 1
  works_on
  kill "$pid"
done
