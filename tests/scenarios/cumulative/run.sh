#!/bin/sh
# A later hotpatch replaces an earlier one in one commit: what only the earlier one changed goes back to baseline, the
# globals of both keep their values, forward and back, and what is not kept is said before.
# codes: global-resized sequence-lower
. "$(dirname "$0")/../scenario.sh"

make_prefix
for number in 1 2 3; do
  expect 0 patchgen create "$SUTURE_SCENARIO_PROGRAMS/counts_0.exe" "$SUTURE_SCENARIO_PROGRAMS/counts_$number.exe" \
    -o "$number.exe" --sequence "$number"
done
"$SUTURE_WINE" "$SUTURE_SCENARIO_PROGRAMS/counts_0.exe" >counts.log 2>&1 </dev/null &
pid=$!; pids="$pids $pid"
wait_for 60 test -s counts.txt || fail "the program does not start: $(cat counts.log)"

# A fresh line of this form; sets count.
answers() { # SECOND THIRD
  lines=$(wc -l <counts.txt)
  wait_for 20 sh -c "[ \$(wc -l <counts.txt) -gt $((lines + 3)) ]" || fail "the program writes no more"
  line=$(tail -n 1 counts.txt)
  case $line in
  "first="*" second=$1 third=$2") ;;
  *) fail "the program answers \"$line\"" ;;
  esac
  count=${line#first=}; count=${count%% *}
}
# Every count since the line of this number is one more than the one before: none was lost or done twice.
counts_on_from() {
  tail -n +"$1" counts.txt | sed 's/first=\([0-9]*\).*/\1/' |
    awk 'NR > 1 && $1 != last + 1 { print "after " last " comes " $1; bad = 1 } { last = $1 } END { exit bad }' >counted ||
    fail "the count does not go on: $(cat counted)"
}

answers baseline baseline
expect 0 suture apply 1.exe --pid "$pid" --allow-unsigned
answers changed baseline
from=$(wc -l <counts.txt)

refuses global-resized 3.exe --pid "$pid" --allow-unsigned
says ticks_so_far

expect 0 suture apply 2.exe --pid "$pid" --allow-unsigned --json=second.json
says 'only_in_the_first'
answers baseline changed
grep -A3 '"name": "ticks_so_far"' second.json | grep -q '"what": "kept"' || fail "the JSON does not tell what is kept"
grep -A3 '"name": "only_in_the_first"' second.json | grep -q '"what": "left"' || fail "the JSON does not tell what is left"
grep -A3 '"name": "only_in_the_second"' second.json | grep -q '"what": "begins"' || fail "the JSON does not tell what begins"
refuses sequence-lower 1.exe --pid "$pid" --allow-unsigned

expect 0 suture rollback --pid "$pid" --module counts_0.exe
answers changed baseline
expect 0 suture rollback --pid "$pid" --module counts_0.exe --to 2 --consistency none
answers baseline changed
expect 0 suture rollback --pid "$pid" --module counts_0.exe --to 1
answers changed baseline
expect 0 suture apply 2.exe --pid "$pid" --allow-unsigned
answers baseline changed
counts_on_from "$from"
[ "$count" -gt 20 ] || fail "it has only counted to $count"

# By way of the baseline, where nobody counts.
expect 0 suture rollback --pid "$pid" --module counts_0.exe --to 0
answers baseline baseline
[ "$count" = 0 ] || fail "the baseline counts"
expect 0 suture apply 3.exe --pid "$pid" --allow-unsigned
answers baseline changed
expect 0 suture status --pid "$pid"
expect 0 suture remove --pid "$pid" --module counts_0.exe
answers baseline baseline
