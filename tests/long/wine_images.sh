#!/usr/bin/env bash
# Every x64 DLL of the installed Wine: `patchgen create X X` must say "no change", `patchgen check` must work; totals.
# Environment: SUTURE_BIN.
set -euo pipefail

folder=
for candidate in /usr/lib/x86_64-linux-gnu/wine/x86_64-windows /usr/lib/wine/x86_64-windows; do
  [ ! -d "$candidate" ] || folder=$candidate
done
[ -n "$folder" ] || { echo "no Wine DLLs found" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One image: a line "functions redirectable" on success.
one() {
  image=$1 work=$2
  out=$work/$(basename "$image")
  code=0
  "$SUTURE_BIN/patchgen" create "$image" "$image" -o "$out.package" --quiet >"$out.log" 2>&1 || code=$?
  [ "$code" = 3 ] || { echo "create $image: exit code $code: $(tail -n 3 "$out.log")" >&2; return 1; }
  [ ! -e "$out.package" ] || { echo "create $image: wrote a package for no change" >&2; return 1; }
  "$SUTURE_BIN/patchgen" check "$image" --quiet --json "$out.json" >"$out.log" 2>&1 || {
    echo "check $image: $(tail -n 3 "$out.log")" >&2; return 1; }
  python3 -c 'import json, sys; report = json.load(open(sys.argv[1])); print(report["functions"], report["redirectable"])' "$out.json"
}
export -f one
export SUTURE_BIN

started=$(date +%s)
failed=0
find "$folder" -maxdepth 1 -name '*.dll' | LC_ALL=C sort |
  xargs -P "$(nproc)" -I{} bash -c 'one "$1" "$2"' _ {} "$work" >"$work/lines" || failed=1
seconds=$(($(date +%s) - started))
awk -v seconds="$seconds" '
  { images++; functions += $1; redirectable += $2 }
  END {
    printf "wine images: %d images, %d functions, %d redirectable (%.3f %%), %d s\n",
      images, functions, redirectable, functions ? 100 * redirectable / functions : 0, seconds
    exit images < 100 }' "$work/lines"
exit "$failed"
