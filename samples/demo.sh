#!/usr/bin/env bash
# The main job on a real process: a service that leaks memory is hotpatched while a client stays connected.
#
#   samples/demo.sh             on a fresh Debian 12 machine it installs what it needs, builds, and tells the story
#   samples/demo.sh --arm64     the same in an Arm64 machine, which it builds too (tests/arm64-vm/machine.sh)
#   samples/demo.sh --in BUILD  with what lies built in that folder
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else bold='' dim='' red='' green='' plain=''; fi
step=0
say() { step=$((step + 1)); printf '\n%s%d. %s%s\n' "$bold" "$step" "$*" "$plain"; }
run() { printf '%s$ %s%s\n' "$dim" "${*//$PWD\//}" "$plain"; "$@"; }
die() { printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2; exit 1; }

programs=(patchgen suture heartbeat-client)
case "${1:-}" in
'')
  cmake/setup-debian.sh
  cmake --preset default >/dev/null
  cmake --build --preset default --target "${programs[@]}" samples -- --quiet
  build=$PWD/build
  ;;
--arm64)
  cmake/setup-debian.sh --arm64
  cmake --preset linux-arm64 >/dev/null
  cmake --build --preset linux-arm64 --target "${programs[@]}" samples -- --quiet
  job=$(mktemp -d)
  trap 'rm -rf "$job"' EXIT
  mkdir -p "$job/bin" "$job/story/samples"
  for program in "${programs[@]}"; do llvm-strip-19 -o "$job/bin/$program" "build-arm64/bin/$program"; done
  cp -r build-arm64/samples "$job"
  cp samples/demo.sh "$job/story/samples"
  printf '%s\n' '#!/bin/sh' "export NO_COLOR=${NO_COLOR-}" 'ln -s /root/wine-prefix wine-prefix' \
    'exec story/samples/demo.sh --in "$PWD"' >"$job/run"
  chmod +x "$job/run"
  tests/arm64-vm/machine.sh run "$job"
  exit
  ;;
--in) build=${2:?} ;;
*) sed -n '4,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

PATH=$build/bin:$PATH
variant=$build/samples/heartbeat/clang
wine=$(command -v /usr/lib/wine/wine64 || command -v wine64 || command -v wine) || die "Wine is not installed"
unset DISPLAY || :
export WINEPREFIX=$build/wine-prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=d'
work=$(mktemp -d)
service='' client=''
cleanup() {
  { # quietly: the shell would tell of each that was killed
    for pid in $client $service; do kill -9 "$pid" && wait "$pid"; done
  } 2>/dev/null || :
  rm -rf "$work"
}
trap cleanup EXIT
if [ ! -f "$WINEPREFIX/made-for-tests" ]; then
  mkdir -p "$WINEPREFIX"
  "$wine" wineboot -i >"$work/wineboot.log" 2>&1 </dev/null || die "Wine cannot make a prefix: $(cat "$work/wineboot.log")"
  : >"$WINEPREFIX/made-for-tests"
fi

say "A Windows service runs. It was built from samples/heartbeat, the baseline."
(cd "$work" && exec "$wine" "$variant/baseline/heartbeat.exe" --port-file port >service.log 2>&1 </dev/null) &
service=$!
for _ in $(seq 600); do [ -s "$work/port" ] && break; sleep 0.1; done
[ -s "$work/port" ] || die "the service did not start: $(cat "$work/service.log")"
port=$(tr -d '\r\n' <"$work/port")
echo "Linux PID $service, port $port"

# One connection, open from here to the end.
mkfifo "$work/in"
heartbeat-client --port "$port" session <"$work/in" >"$work/out" &
client=$!
exec 3>"$work/in"
replies=0
ask() { # sends one line over that connection and shows the reply
  printf '%s> %s%s\n' "$dim" "$1" "$plain"
  echo "$1" >&3
  replies=$((replies + 1))
  for _ in $(seq 200); do [ "$(wc -l <"$work/out")" -ge "$replies" ] && break; sleep 0.05; done
  reply=$(sed -n "${replies}p" "$work/out")
  [ -n "$reply" ] || die "the connection was lost"
}
leaks() { ask 'leak 128'; [[ $reply == *secret-token* ]] || die "expected a leak: $reply"; echo "$red$reply$plain"; }
refuses() { ask 'leak 128'; [[ $reply == *error* ]] || die "expected an error reply: $reply"; echo "$green$reply$plain"; }

say "A client asks for more bytes than it sent, and gets bytes that it must not see."
ask 'echo hello'; echo "$reply"
leaks

say "patchgen compares the baseline with the update and writes a hotpatch."
package=$work/heartbeat_hotpatch.dll
run patchgen create "$variant/baseline/heartbeat.dll" "$variant/updated/heartbeat.dll" -o "$package"

say "suture applies it to the running process."
run suture apply "$package" --pid "$service" --allow-unsigned

say "Same process, same connection, same session counter: the hole is closed."
refuses
ask 'status'; echo "$reply"

say "What runs now?"
run suture status --pid "$service"

say "Rolled back, the hole is open again."
run suture rollback --pid "$service" --module heartbeat.dll
leaks

say "Applied again, it is closed."
run suture apply "$package" --pid "$service" --allow-unsigned
refuses

say "Removed: every byte of the module equals the baseline, which suture has checked; nothing is left in the process."
run suture remove --pid "$service" --module heartbeat.dll
leaks
run suture status --pid "$service"
kill -0 "$service" || die "the service died"

printf '\n%sDone: one process, one connection, %d replies.%s\n' "$bold" "$replies" "$plain"
