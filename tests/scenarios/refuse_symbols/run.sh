#!/bin/sh
# Symbols that are of another build, and files that are no symbols.
# codes: symbols-mismatch symbols-unreadable
. "$(dirname "$0")/../scenario.sh"

old=$(image heartbeat baseline heartbeat.dll)
new=$(image heartbeat updated heartbeat.dll)
refused symbols-mismatch patchgen create "$old" "$new" -o package.dll --baseline-symbols "${new%.dll}.pdb"
refused symbols-mismatch patchgen check "$old" --symbols "${new%.dll}.pdb"
echo "no symbols" >symbols.pdb
refused symbols-unreadable patchgen create "$old" "$new" -o package.dll --updated-symbols symbols.pdb
head -c 5000 "${new%.dll}.pdb" >cut_off.pdb
refused symbols-unreadable patchgen create "$old" "$new" -o package.dll --updated-symbols cut_off.pdb
[ ! -e package.dll ] || fail "a package was written"
expect 0 patchgen create "$old" "$new" -o package.dll --no-symbols
