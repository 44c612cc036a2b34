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
  rm -f "$out.log"
}
export -f one
export SUTURE_BIN

started=$(date +%s)
failed=0
find "$folder" -maxdepth 1 -name '*.dll' | LC_ALL=C sort |
  xargs -P "$(nproc)" -I{} bash -c 'one "$1" "$2"' _ {} "$work" || failed=1
seconds=$(($(date +%s) - started))
python3 - "$work" "$seconds" <<'TOTALS'
import collections, glob, json, sys
reports = [json.load(open(path)) for path in glob.glob(sys.argv[1] + "/*.json")]
functions = sum(report["functions"] for report in reports)
redirectable = sum(report["redirectable"] for report in reports)
sites, refused = collections.Counter(), collections.Counter()
for report in reports:
    sites.update(report["sites"])
    refused.update(one["reason"] for one in report["refused"])
share = lambda count: f"{100 * count / max(functions, 1):.2f} %"
print(f"wine images: {len(reports)} images, {functions} functions, {redirectable} redirectable ({share(redirectable)}), "
      f"{sys.argv[2]} s")
print("  sites:", ", ".join(f"{name} {count} ({share(count)})" for name, count in sites.most_common()))
print("  refused:", ", ".join(f"{reason} {count}" for reason, count in refused.most_common()) or "none")
sys.exit(0 if len(reports) >= 100 and redirectable <= functions else 1)
TOTALS
exit "$failed"
