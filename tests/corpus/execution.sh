#!/bin/sh
# Packages for one changed instruction at a time in Arm64 DLLs that others built, run in an emulator and compared with
# the changed image. Needs the network: it is run by hand, never by ctest.
#
#   tests/corpus/execution.sh [FOLDER] [N]    packages are kept in FOLDER (default: corpus/ in the build folder);
#                                             N packages for each DLL (default: 70)
# Environment: SUTURE_BIN, the folder of patchgen-run-mutants (default: build/bin).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${SUTURE_BIN:-$root/build/bin}
folder=${1:-$(dirname "$bin")/corpus}
[ -x "$bin/patchgen-run-mutants" ] || { echo "no patchgen-run-mutants in $bin: build it, or set SUTURE_BIN" >&2; exit 1; }
for tool in npm tar; do
  command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

. "$here/npm.sh"
grep arm64 "$here/packages.txt" | grep -v '^#' | while read -r name old _; do
  fetch "$name" "$old" || exit 1
done
find "$folder" -path '*arm64*' \( -name '*.node' -o -name '*.dll' \) -size -2M -print0 | LC_ALL=C sort -z |
  xargs -0 "$bin/patchgen-run-mutants" --packages "${2:-70}" --at-least 1 --differing 0
