#!/bin/sh
# suture.exe needs no DLL but those that every Windows has; prints its size.
set -eu
unknown=$(x86_64-w64-mingw32-objdump -p "$1" | sed -n 's/.*DLL Name: //p' | tr 'A-Z' 'a-z' |
  grep -vxE 'kernel32.dll|ntdll.dll|psapi.dll|msvcrt.dll|advapi32.dll|bcrypt.dll|crypt32.dll|wintrust.dll|user32.dll' || :)
[ -z "$unknown" ] || { echo "suture.exe needs $unknown" >&2; exit 1; }
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
x86_64-w64-mingw32-strip -o "$stripped" "$1"
echo "suture.exe: $(stat -c %s "$stripped") bytes, $(stat -c %s "$1") with symbols"
