# What every scenario stands on; sourced by tests/scenarios/<name>/run.sh. POSIX sh, so that it runs in small machines.
#
# Given by the environment:
#   SUTURE_BIN        folder with suture, patchgen, heartbeat-client and target-tool
#   SUTURE_SAMPLES    folder with the sample images
#   SUTURE_VARIANT    which build of the samples: clang, clang-hotpatch or gcc
#   SUTURE_WINE, SUTURE_WINESERVER, SUTURE_WINE_PREFIX
#
# A scenario ends with exit code 0 if everything was as it says, else 1 with the first thing that was not.
#
# The line "# codes: A B" of a scenario names the reasons of docs/refusals.md that it provokes: each must come, by
# refused() or refuses(), and no other one. A test holds the lines of all scenarios to the table of codes.
set -eu

scenarios=$(cd "$(dirname "$0")/.." && pwd)
codes=$(sed -n 's/^# codes: //p' "$0")

unset DISPLAY || :
export WINEPREFIX="$SUTURE_WINE_PREFIX" WINESERVER="$SUTURE_WINESERVER" WINEDEBUG=-all
export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=d'
PATH="$SUTURE_BIN:$PATH"

work=$(mktemp -d)
pids=
finish() {
  code=$?
  if [ "$code" = 0 ]; then (check_codes) || code=1; fi
  for pid in $pids; do kill -9 "$pid" 2>/dev/null || :; done
  if [ "$code" != 0 ] && [ -f "$work/log" ]; then echo "--- log"; cat "$work/log"; fi
  rm -rf "$work"
  exit "$code"
}
# At the end of a scenario: every code that it declares has come.
check_codes() {
  for one in $codes; do
    grep -qxF -e "$one" seen || fail "$one is declared, and did not come"
  done
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work"
: >log
: >seen

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

# The exit codes that docs/refusals.md promises for a reason, given by patchgen or suture; one as a rule.
promised() { # CODE TOOL
  awk -F'|' -v code=" \`$1\` " -v from_end="$([ "$2" = patchgen ] && echo 2 || echo 1)" \
    '$2 == code { gsub(/[ ,]+/, " ", $(NF - from_end)); print $(NF - from_end) }' "$scenarios/../../docs/refusals.md"
}
# A command that must refuse for this reason: in its JSON, and with the exit code that is promised.
refused() { # CODE COMMAND [ARGUMENT...]
  reason=$1; shift
  case " $codes " in *" $reason "*) ;; *) fail "$reason is not declared" ;; esac
  tool=suture
  json=--json=-
  for word in "$@"; do
    case $word in
    patchgen | */patchgen) tool=patchgen ;;
    --) json= ;; # what comes last is another program's: the caller asks for JSON itself
    esac
  done
  wanted=$(promised "$reason" "$tool")
  [ -n "$wanted" ] || fail "docs/refusals.md says nothing of $reason from $tool"
  echo "\$ $*" >>log
  code=0; "$@" ${json:+"$json"} >out 2>&1 </dev/null || code=$?
  cat out >>log
  case " $wanted " in *" $code "*) ;; *) fail "exit code $code, promised is $wanted, from: $*" ;; esac
  grep -qF -e "\"code\": \"$reason\"" out || fail "no $reason from: $*"
  echo "$reason" >>seen
}

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
# The process is as it was when `digest >FILE` was taken.
expect_digest() { # FILE [WHAT]
  digest >now
  cmp -s "$1" now || { diff "$1" now >>log || :; fail "${2:+$2: }the process is not as it was"; }
}

# A refusal: `suture apply` with these arguments gives the reason, and changes nothing.
refuses() { # REASON [ARGUMENT...]
  reason=$1; shift
  before=$(digest)
  refused "$reason" suture apply "$@"
  [ "$(digest)" = "$before" ] || fail "the target was changed by a refused apply"
}

# Pairs of small images (tests/scenarios/pairs): each declared code from the pair of its name, and no package.
refuse_pairs() {
  for one in $codes; do
    pair=$SUTURE_SCENARIO_PAIRS/$one
    # shellcheck disable=SC2046 # words
    refused "$one" patchgen create "$pair/0.dll" "$pair/1.dll" -o package.dll $(cat "$pair/options")
    [ ! -e package.dll ] || fail "a package was written in spite of $one"
  done
}
