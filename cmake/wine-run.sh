#!/bin/sh
# Runs a Windows program under Wine, with a prefix in the build folder that the program lies in.
set -eu
build=$(cd "$(dirname "$1")" && pwd)
while [ ! -f "$build/CMakeCache.txt" ] && [ "$build" != / ]; do build=$(dirname "$build"); done
[ "$build" != / ] || { echo "wine-run: $1 lies in no build folder" >&2; exit 1; }
wine=$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)
unset DISPLAY || :
export WINEPREFIX="${SUTURE_WINE_PREFIX:-$build/wine-prefix}" WINEDEBUG="${WINEDEBUG:--all}"
export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=d'
mkdir -p "$WINEPREFIX"
(
  flock 9
  [ -f "$WINEPREFIX/made-for-tests" ] || {
    "$wine" wineboot -i >"$WINEPREFIX.log" 2>&1 </dev/null
    : >"$WINEPREFIX/made-for-tests"
  }
) 9>"$WINEPREFIX.lock"
# A program that comes just when the server of the one before gives up finds its socket closed ("Connection reset by
# peer"): so it stays for a while. Where one runs already this does nothing.
server=$(command -v wineserver64 || command -v wineserver || echo /usr/lib/wine/wineserver64)
"$server" -p20 >/dev/null 2>&1 || :
exec "$wine" "$@"
