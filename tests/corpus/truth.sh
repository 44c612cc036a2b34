#!/bin/sh
# Matching without symbols, judged by symbols, on images that others built. Run by hand, never by ctest.
#
#   tests/corpus/truth.sh FOLDER          FOLDER holds fixes as fixes.sh reads them: each baseline is paired with the
#                                         fixed DLL and with the one that was linked in another order
#   tests/corpus/truth.sh FOLDER OTHER    DLLs of the same names in two folders, Wine's of two releases say
#
# A line for each pair: functions whose counterparts symbols tell, those of them that were found, false pairs, functions
# that nothing but symbols leads to. The exit code says whether no pair is false.
# Environment: SUTURE_BIN, the folder of symbol-truth (default: build/bin).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${SUTURE_BIN:-$here/../../build/bin}
[ $# -ge 1 ] && [ $# -le 2 ] && [ -d "$1" ] || { echo "usage: $0 FOLDER [OTHER]" >&2; exit 2; }
for tool in "$bin/symbol-truth" python3; do
  command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
exec python3 "$here/truth.py" "$bin/symbol-truth" "$@"
