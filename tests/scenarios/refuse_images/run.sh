#!/bin/sh
# Files that are no images, images that are not understood, and pairs that are none.
# codes: file-unreadable file-unwritable image-unsupported pe-bad-directory pe-bad-header pe-machine-unsupported pe-truncated unrelated-images
. "$(dirname "$0")/../scenario.sh"

old=$(image heartbeat baseline heartbeat.dll)
new=$(image heartbeat updated heartbeat.dll)
of_both() { # CODE FILE: by both programs
  refused "$1" patchgen create "$2" "$new" -o package.dll
  refused "$1" suture verify "$2" --allow-unsigned
}
# Puts bytes, written as printf has them, over those of a copy of the baseline.
changed() { # FILE OFFSET BYTES
  cp "$old" "$1"
  # shellcheck disable=SC2059 # escapes are meant
  printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>>log
}
headers=$(od -An -tu4 -j60 -N4 "$old" | tr -d ' ')
optional=$((headers + 24))
directories=$((optional + 112))

of_both file-unreadable absent.dll
refused file-unwritable patchgen create "$old" "$new" -o absent/package.dll
expect 1 patchgen create "$old" "$new" -o page.dll --html absent/page.html
says file-unwritable
expect 1 suture verify absent.dll --allow-unsigned --json=absent/answer.json
says file-unwritable

head -c 700 "$old" >short.dll
of_both pe-truncated short.dll
changed magic.dll "$optional" '\001\001'
of_both pe-bad-header magic.dll
changed machine.dll $((headers + 4)) '\114\001' # i386
of_both pe-machine-unsupported machine.dll
changed exceptions.dll $((directories + 8 * 3)) '\377\377\377\177\014\000\000\000'
refused pe-bad-directory patchgen create exceptions.dll "$new" -o package.dll

# The CLR header's directory, as managed images have it.
changed managed.dll $((directories + 8 * 14)) '\000\020\000\000\110\000\000\000'
refused image-unsupported patchgen create managed.dll "$new" -o other.dll
refused image-unsupported patchgen create "$SUTURE_SCENARIO_PAIRS/image-unsupported/0.dll" \
  "$SUTURE_SCENARIO_PAIRS/image-unsupported/1.dll" -o other.dll

refused unrelated-images patchgen create "$old" "$(image tally updated tally.exe)" -o other.dll
refused unrelated-images patchgen create "$(image heartbeat baseline heartbeat.exe)" "$(image tally updated tally.exe)" \
  -o other.dll --no-symbols
[ ! -e other.dll ] || fail "a package was written"
