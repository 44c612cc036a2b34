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
exec "$wine" "$@"
