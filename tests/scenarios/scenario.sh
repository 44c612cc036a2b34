# What every scenario stands on; sourced by tests/scenarios/<name>/run.sh. POSIX sh, so that it runs in small machines.
#
# Given by the environment:
#   SUTURE_BIN        folder with suture, patchgen, heartbeat-client and target-tool
#   SUTURE_SAMPLES    folder with the sample images
#   SUTURE_VARIANT    which build of the samples: clang, clang-hotpatch or gcc
#   SUTURE_WINE, SUTURE_WINESERVER, SUTURE_WINE_PREFIX
#
# A scenario ends with exit code 0 if everything was as it says, else 1 with the first thing that was not.
set -eu

unset DISPLAY || :
export WINEPREFIX="$SUTURE_WINE_PREFIX" WINESERVER="$SUTURE_WINESERVER" WINEDEBUG=-all
export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=d'
PATH="$SUTURE_BIN:$PATH"

work=$(mktemp -d)
pids=
finish() {
  code=$?
  for pid in $pids; do kill -9 "$pid" 2>/dev/null || :; done
  if [ "$code" != 0 ] && [ -f "$work/log" ]; then echo "--- log"; cat "$work/log"; fi
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work"
: >log

fail() { echo "FAILED: $*" >&2; exit 1; }

# Runs a command, its output goes to `out` and the log; fails unless it exits with the code given first.
expect() {
  wanted=$1; shift
  echo "\$ $*" >>log
  code=0; "$@" >out 2>&1 || code=$?
  cat out >>log
  [ "$code" = "$wanted" ] || fail "exit code $code, not $wanted, from: $*"
}
# `out` of the last command holds this text.
says() { grep -qF -e "$1" out || fail "no \"$1\" in the output of the last command"; }

wait_for() { # SECONDS, then a command that must hold within that time
  tries=$(($1 * 20)); shift
  while ! "$@"; do
    tries=$((tries - 1)); [ "$tries" -gt 0 ] || return 1
    sleep 0.05
  done
}

# Image of a sample: image heartbeat baseline heartbeat.dll
image() { echo "$SUTURE_SAMPLES/$1/$SUTURE_VARIANT/$2/$3"; }

make_prefix() {
  (
    flock 9
    if [ ! -f "$WINEPREFIX/made-for-tests" ]; then
      mkdir -p "$WINEPREFIX"
      "$SUTURE_WINE" wineboot -i >"$WINEPREFIX.log" 2>&1 </dev/null
      : >"$WINEPREFIX/made-for-tests"
    fi
  ) 9>"$WINEPREFIX.lock"
}

# Starts the heartbeat service of a sample folder (baseline unless told); sets pid and port.
start_service() {
  make_prefix
  rm -f port
  "$SUTURE_WINE" "${1:-$(image heartbeat baseline heartbeat.exe)}" --port-file port --threads "${2:-8}" \
    >service.log 2>&1 </dev/null &
  pid=$!
  pids="$pids $pid"
  wait_for 60 test -s port || fail "the service does not start: $(cat service.log)"
  port=$(tr -d '\r\n' <port)
}

# Starts an EXE of a sample, which writes a line of results to out.txt ten times a second; sets pid.
start_program() {
  make_prefix
  "$SUTURE_WINE" "$1" --out out.txt --seconds 600 >program.log 2>&1 </dev/null &
  pid=$!
  pids="$pids $pid"
  wait_for 60 test -s out.txt || fail "the program does not start: $(cat program.log)"
}
# The last whole line that the program wrote, after waiting for fresh ones.
fresh_line() {
  lines=$(wc -l <out.txt)
  wait_for 20 sh -c "[ \$(wc -l <out.txt) -ge $((lines + 3)) ]" || fail "the program writes no more"
  tail -n 1 out.txt
}

leaks() { heartbeat-client --port "$port" leak >leak.txt 2>&1; }
expect_leak() { leaks || fail "the service does not leak: $(cat leak.txt)"; }
expect_no_leak() { code=0; leaks || code=$?; [ "$code" = 3 ] || fail "the service does not refuse (exit code $code): $(cat leak.txt)"; }

# Builds package.dll from baseline to updated; further arguments go to patchgen.
make_package() { # SAMPLE FILE [OPTION...]
  sample=$1; file=$2; shift 2
  expect 0 patchgen create "$(image "$sample" baseline "$file")" "$(image "$sample" updated "$file")" \
    -o "package-$file" "$@"
  package=$PWD/package-$file
}

# All that a process may execute or read but not write, to the byte, and where it is mapped.
digest() { target-tool digest "$pid"; }

# A refusal: `suture apply` with these arguments exits with the code, names the reason, and changes nothing.
refuses() { # EXIT-CODE REASON [ARGUMENT...]
  wanted=$1; reason=$2; shift 2
  before=$(digest)
  expect "$wanted" suture apply "$@"
  says "$reason"
  [ "$(digest)" = "$before" ] || fail "the target was changed by a refused apply"
}
