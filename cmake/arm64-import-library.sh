#!/bin/sh
# Makes an import library for Arm64 from MinGW-w64's one for x64, which lists the same names:
# arm64-import-library.sh NM DLLTOOL X64_DLLTOOL LIBRARY OUTPUT
set -eu
{
  echo "LIBRARY $("$3" --identify "$4")"
  echo EXPORTS
  "$1" --defined-only --just-symbol-name "$4" 2>/dev/null | sed -n 's/^__imp_//p' | LC_ALL=C sort -u
} >"$5.def"
"$2" -m arm64 -d "$5.def" -l "$5"
