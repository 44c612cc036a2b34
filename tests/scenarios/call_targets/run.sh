#!/bin/sh
# A package for an image that control-flow guard guards says which functions of it, and which more of the baseline, calls
# by address lead to; where no guard is to be told, the log has the reason.
. "$(dirname "$0")/../scenario.sh"

old=$SUTURE_SCENARIO_PROGRAMS/guarded_baseline.exe
package=$PWD/package.exe
expect 0 patchgen create "$old" "$SUTURE_SCENARIO_PROGRAMS/guarded_updated.exe" -o "$package"
expect 0 patchgen inspect "$package"
says 'control-flow guard lets calls lead to 1 function of the package and 1 more of the baseline'

# After waiting, since a round may have begun before.
answers() { # FIRST SECOND
  case $(fresh_line) in "first=$1 second=$2 direct="*" end"*) ;; *) fail "wanted $1 $2: $(tail -n 1 out.txt)" ;; esac
}
start_program "$old"
answers 200 200
digest >before
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60 -v
says 'control-flow guard: call targets are not set, '
answers 501 300
expect 0 suture rollback --pid "$pid" --module guarded_baseline.exe --timeout 60
answers 200 200
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60
answers 501 300
expect 0 suture remove --pid "$pid" --module guarded_baseline.exe --timeout 60
answers 200 200
expect_digest before
