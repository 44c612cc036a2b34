#!/bin/sh
# Two packages of which the second needs the bytes that the first has its site in.
# codes: site-taken
. "$(dirname "$0")/../scenario.sh"

baseline=$SUTURE_SCENARIO_PROGRAMS/neighbours_baseline.exe
expect 0 patchgen create "$baseline" "$SUTURE_SCENARIO_PROGRAMS/neighbours_updated.exe" -o first.exe
expect 0 patchgen create "$baseline" "$SUTURE_SCENARIO_PROGRAMS/neighbours_second.exe" -o second.exe --sequence 2
start_program "$baseline"
expect 0 suture apply first.exe --pid "$pid" --allow-unsigned
refuses site-taken second.exe --pid "$pid" --allow-unsigned
case $(fresh_line) in "first=1001 second=2"*) ;; *) fail "the first package is not in force: $(fresh_line)" ;; esac
expect 0 suture remove --pid "$pid" --module neighbours_baseline.exe
expect 0 suture apply second.exe --pid "$pid" --allow-unsigned
case $(fresh_line) in "first=1 second=1002"*) ;; *) fail "the second package is not in force: $(fresh_line)" ;; esac
