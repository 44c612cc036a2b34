#!/bin/sh
# A variable that the update starts with another value: refused, or allowed by its name, and then the process keeps the
# value it has while the new code runs.
# codes: data-initial-value-changed data-not-changed proof-failed
. "$(dirname "$0")/../scenario.sh"

old=$SUTURE_SCENARIO_PROGRAMS/keeps_baseline.exe
new=$SUTURE_SCENARIO_PROGRAMS/keeps_updated.exe
package=$PWD/package.exe
refused data-initial-value-changed patchgen create "$old" "$new" -o "$package"
says kept_value
refused data-not-changed patchgen create "$old" "$new" -o "$package" --allow-data-change kept_values
[ ! -e "$package" ] || fail "a package was written"
expect 0 patchgen create "$old" "$new" -o "$package" --allow-data-change kept_value
says allowed
expect 0 patchgen prove "$old" "$new" "$package" --allow-data-change kept_value
refused proof-failed patchgen prove "$old" "$new" "$package"

start_program "$old"
case $(fresh_line) in "value=10 sum=1010 end"*) ;; *) fail "before: $(fresh_line)" ;; esac
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60
case $(fresh_line) in "value=10 sum=2010 end"*) ;; *) fail "after: $(fresh_line)" ;; esac
