#!/bin/sh
# patchgen on DLLs that others built and released: pairs of consecutive npm releases for x64 and Arm64 (MSVC, Rust,
# clang-cl). Needs the network: it is run by hand, never by ctest.
#
#   tests/corpus/run.sh [FOLDER]    packages are kept in FOLDER (default: corpus/ in the build folder)
#
# Every image is compared with itself, then each pair with and without symbols where there are any. One line for each;
# the exit code says whether all held.
# Environment: SUTURE_BIN, the folder of patchgen and symbol-truth (default: build/bin).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${SUTURE_BIN:-$root/build/bin}
folder=${1:-$(dirname "$bin")/corpus}
[ -x "$bin/patchgen" ] || { echo "no patchgen in $bin: build it, or set SUTURE_BIN" >&2; exit 1; }
for tool in npm python3 tar; do
  command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

. "$here/npm.sh"
grep -v '^#' "$here/packages.txt" | while read -r name old new; do
  [ -n "$name" ] || continue
  fetch "$name" "$old" && fetch "$name" "$new" || exit 1
done
exec python3 "$here/run.py" "$bin" "$folder" "$here/packages.txt"
