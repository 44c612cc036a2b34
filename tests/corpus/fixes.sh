#!/bin/sh
# patchgen on security fixes as pairs of DLLs whose truth is known, and what the packages do in a running process.
# Run by hand, never by ctest.
#
#   tests/corpus/fixes.sh FOLDER [NAME...]   FOLDER holds a folder for each fix; NAME: only these of them
#
# In FOLDER/<library>-<CVE>/ lie baseline.<target>.dll and fixed.<target>.dll (with PDBs, or COFF symbols inside) for the
# targets x64, x64gcc and arm64, and truth.json with the functions that differ between the object files, as
# truth.<target>.f_changed = ["file.c:function", ...]. A line for each pair, with symbols and without: result, reasons,
# functions of the truth that are not reported, bytes of the package and compressed, seconds; then totals. Where there is
# reordered.<target>.dll, the fixed one linked in another order, the two must be the same to patchgen. Then every
# pair for which triggers/<library>-<CVE>.c exists: a program under Wine loads the baseline and pulls the trigger again
# and again, `suture apply` patches it, and what the trigger shows must become what it shows with the fixed DLL.
# The exit code says whether all held.
# Environment: SUTURE_BIN, the folder of patchgen and suture (default: build/bin).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${SUTURE_BIN:-$here/../../build/bin}
[ $# -ge 1 ] && [ -d "$1" ] || { echo "usage: $0 FOLDER [NAME...]" >&2; exit 2; }
for tool in "$bin/patchgen" "$bin/suture" python3 zstd llvm-pdbutil-19 llvm-nm-19 llvm-readobj-19 clang-19; do
  command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
exec python3 "$here/fixes.py" "$bin" "$@"
