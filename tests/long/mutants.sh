#!/usr/bin/env bash
# One thing changed at a time in copies of Wine's x64 DLLs: patchgen must report every change, and nothing else.
#
#   tests/long/mutants.sh [SEED]
# Environment: SUTURE_BIN.
set -euo pipefail

folder=
for candidate in /usr/lib/x86_64-linux-gnu/wine/x86_64-windows /usr/lib/wine/x86_64-windows; do
  [ ! -d "$candidate" ] || folder=$candidate
done
[ -n "$folder" ] || { echo "no Wine DLLs found" >&2; exit 1; }
seed=${1:-77}
# Of all sizes: each ninth, from the largest down.
images=$(find "$folder" -maxdepth 1 -name '*.dll' -printf '%s %p\n' | LC_ALL=C sort -k1,1rn -k2 |
  awk 'NR % 9 == 5 && ++count <= 60 { print $2 }')
failed=0
for symbols in '' --no-symbols; do
  # shellcheck disable=SC2086
  "$SUTURE_BIN/patchgen-mutants" --count 45 --at-least 2600 --seed "$seed" $symbols $images || failed=1
done
exit "$failed"
