#!/usr/bin/env bash
# The same images give the same packages and reports, to the byte, whatever machine patchgen runs on: each pair of the
# samples, for x64 and for Arm64, by the host's patchgen and by the one for Arm64 under qemu-user.
set -euo pipefail
cd "$(dirname "$0")/../.."
host=build/bin/patchgen
other=(qemu-aarch64 -L "$(cmake/arm64-root.sh build)" build-arm64/bin/patchgen)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count=0
for baseline in build/samples/*/*/baseline/*.{dll,exe} build-arm64/samples/*/*/baseline/*.{dll,exe} \
    build-arm64/tests/scenarios/{counts_0,worker_baseline,stuck_baseline}.exe; do
  case $baseline in
  */heartbeat.exe) continue ;; # the program around the library is the same in both versions
  */counts_0.exe) updated=${baseline/_0/_2} ;;
  */worker_baseline.exe) updated=${baseline/baseline/good} ;;
  */stuck_baseline.exe) updated=${baseline/baseline/updated} ;;
  *) updated=${baseline/\/baseline\//\/updated\/} ;;
  esac
  for symbols in '' --no-symbols; do
    # A pair that is refused has to be refused alike.
    for who in here there; do
      command=("$host")
      [ $who = here ] || command=("${other[@]}")
      code=0
      # shellcheck disable=SC2086 # no word at all
      "${command[@]}" create "$baseline" "$updated" -o "$work/$who.package" --json "$work/$who.json" $symbols \
        >"$work/$who.text" 2>&1 || code=$?
      echo "$code" >"$work/$who.code"
      sed -i "s|$work/$who||g" "$work/$who.text"
      [ ! -f "$work/$who.json" ] || sed -i "s|$work/$who||g" "$work/$who.json"
    done
    for what in code text json package; do
      [ -e "$work/here.$what" ] || [ -e "$work/there.$what" ] || continue
      cmp "$work/here.$what" "$work/there.$what" || { echo "FAILED: $baseline $symbols" >&2; exit 1; }
    done
    [ ! -e "$work/here.package" ] || count=$((count + 1))
    rm -f "$work"/*
  done
done
[ "$count" -ge 8 ] || { echo "FAILED: only $count packages" >&2; exit 1; }
echo "$count packages are the same, made on x64 and on Arm64"
