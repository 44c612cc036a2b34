#!/bin/sh
# Packages, anchors and results whose names no code page has all letters of.
. "$(dirname "$0")/../scenario.sh"
export LC_ALL=C.UTF-8

make_package heartbeat heartbeat.dll
name='правка für 修正'
mkdir "$name"
cp "$package" "$name/Ω.dll"
start_service
expect 0 suture apply "$name/Ω.dll" --pid "$pid" --allow-unsigned --json "$name/結果.json"
grep -qF "$name/Ω.dll" "$name/結果.json" || fail "the result does not name the package: $(cat "$name/結果.json")"
expect_no_leak
expect 1 suture verify "$name/absent-Ω.dll" --allow-unsigned
says "$name/absent-Ω.dll"
expect 2 suture verify "$name/Ω.dll" --allow-unsigned --json "$name/Ω.dll"
cmp "$package" "$name/Ω.dll" || fail "a package was written over"
