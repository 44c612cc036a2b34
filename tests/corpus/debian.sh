#!/bin/sh
# Makes pairs of DLLs that differ by one security fix, with the truth, from Debian's source packages: those that
# debian_fixes.txt lists. Needs the network: it is run by hand, never by ctest.
#
#   tests/corpus/debian.sh FOLDER [LIBRARY...]   FOLDER gets a folder for each fix, as fixes.sh reads them; LIBRARY:
#                                                only these of the list
#
# Each library is built with all patches before the fix and with the fix, with the same flags, for the targets x64 and
# arm64 (clang, lld, PDB) and x64gcc (GCC, MinGW-w64); the fixed one once more with its objects in the opposite order
# (reordered.<target>.dll). No configure script runs: the list says what to compile. Sources are fetched by apt-get with
# lists and caches of its own in FOLDER/.sources, from where this machine gets its packages.
# The exit code says whether all could be made.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "usage: $0 FOLDER [LIBRARY...]" >&2; exit 2; }
for tool in apt-get dpkg-source patch python3 clang-19 lld-link-19 llvm-dlltool-19 x86_64-w64-mingw32-g++-posix; do
  command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
exec python3 "$here/debian.py" "$here/debian_fixes.txt" "$folder" "$@"
