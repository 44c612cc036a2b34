#!/usr/bin/env bash
# The injector is killed at its n-th system call of a kind, for every kind that touches the target or what it is given,
# and every n, in apply (with and without a look at what threads run), later apply, rollback, remove and recover, on the
# busy heartbeat service with clients connected.
# After each: no wrong or lost reply, `suture status` tells the truth, `suture recover` succeeds, and once everything is
# removed the process is what it was, to the byte.
# So are apply and remove on a program in which exceptions fly through what is replaced all the time: a thread of it
# makes unwind data known and forgotten, and each line of its output is right.
# So is an apply for two modules, on a process of its own: after `suture recover` both are patched, or none is. And the
# helper of `suture run` is killed while it holds the program: it ends, or it was let go with everything in force.
#
#   tests/long/kills.sh [COUNT|all [OPERATION...]]    COUNT of them, evenly spread (default 150); all: every one
# Environment: as for the scenarios.
. "$(dirname "$0")/../scenarios/scenario.sh"
set -o pipefail

share=${1:-150}
[ $# -eq 0 ] || shift
operations=${*:-apply unchecked later rollback remove recover}
throws=throws
[ -e "$SUTURE_SCENARIO_PROGRAMS/throws_clang_baseline.exe" ] || throws= # not on every machine
extra=${*:-several $throws run}
# What only reads is left out: to die before it is to die before what follows.
calls=ptrace,process_vm_writev,pwrite64,waitid,memfd_create,write,fcntl,bind,clone,clone3,kill,tgkill
options="--timeout 60 --quiet"

start_service
make_package heartbeat heartbeat.dll --sequence 1
first=$PWD/first.dll; mv "$package" "$first"
make_package heartbeat heartbeat.dll --sequence 2
digest >before
heartbeat-client --port "$port" load --connections 16 --until-file done --mode any >load.json 2>&1 &
load=$!
pids="$pids $load"
sleep 1

quietly() { "$@" >>log 2>&1 || fail "exit code $? from: $*"; }
# Brings the service to where the operation starts.
arrange() { # OPERATION
  case $1 in
    apply | unchecked) ;;
    later | rollback | remove) quietly suture apply "$first" --pid "$pid" --allow-unsigned $options ;;
    recover)
      # An apply that dies late enough to leave something.
      state=0; tries=0
      while [ "$state" != 8 ]; do
        tries=$((tries + 1)); [ "$tries" -lt 50 ] || fail "no death leaves anything to recover"
        remove_all
        killed_at "ptrace:when=$((deadly + tries % 7))" suture apply "$first" --pid "$pid" --allow-unsigned $options || :
        state=0; suture status --pid "$pid" --quiet >>log 2>&1 || state=$?
      done
      ;;
  esac
}
command_of() {
  case $1 in
    apply) echo "suture apply $first --pid $pid --allow-unsigned $options" ;;
    unchecked) echo "suture apply $first --pid $pid --allow-unsigned --consistency none $options" ;;
    later) echo "suture apply $package --pid $pid --allow-unsigned $options" ;;
    rollback | remove) echo "suture $1 --pid $pid --module heartbeat.dll $options" ;;
    recover) echo "suture recover --pid $pid $options" ;;
  esac
}
# Runs a command that is killed there, if it gets so far; 0 if it was killed. A thread that it had borrowed then makes
# its calls to the end, for which it gets a moment.
killed_at() { # CALL:when=N COMMAND...
  at=$1; shift
  code=0
  {
    strace -f -qq -o /dev/null -e "trace=${at%%:*}" -e "inject=${at%%:*}:signal=SIGKILL:${at#*:}" "$@" || code=$?
  } >>log 2>&1
  sleep 0.05
  [ "$code" = 137 ]
}
remove_all() {
  code=0; suture remove --pid "$pid" --module heartbeat.dll $options >>log 2>&1 || code=$?
  [ "$code" = 0 ] || [ "$code" = 3 ] || fail "remove: exit code $code"
}
# The sequence in force by what status says; `none` where nothing is patched.
in_force() { sed -n 's/.*"active": \([0-9]*\).*/\1/p' status.json | grep . || echo none; }
# What runs, by what the service does.
expect_truth() {
  case $(in_force) in
    none | 0) expect_leak ;;
    *) expect_no_leak ;;
  esac
}
check_after() { # what was done, for messages
  kill -0 "$load" 2>/dev/null || fail "$1: the clients ended: $(cat load.json)"
  state=0; suture status --pid "$pid" --json status.json --quiet >>log 2>&1 || state=$?
  [ "$state" = 0 ] || [ "$state" = 8 ] || fail "$1: status ends with $state"
  expect_truth
  code=0; suture recover --pid "$pid" $options >>log 2>&1 || code=$?
  case $state/$code in
    0/3) intact=$((intact + 1)) ;;
    8/0) recovered=$((recovered + 1)) ;;
    *) fail "$1: status ended with $state, recover with $code" ;;
  esac
  quietly suture status --pid "$pid" --json status.json --quiet
  expect_truth
  remove_all
  expect_digest before "$1"
  kill -0 "$load" 2>/dev/null || fail "$1: the clients ended: $(cat load.json)"
}
# "CALL N" for each call of the operation, from a run that is not killed.
places() {
  # shellcheck disable=SC2046
  strace -f -qq -o trace -e trace=$calls $(command_of "$1") >>log 2>&1 || fail "$1 fails"
  sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' trace | awk '{ print $1, ++count[$1] }'
}

# Takes both modules out again.
remove_both() {
  for module in early.exe early.dll; do
    code=0; suture remove --pid "$pid" --module "$module" $options >>log 2>&1 || code=$?
    [ "$code" = 0 ] || [ "$code" = 3 ] || fail "remove $module: exit code $code"
  done
}
make_early() {
  early=$SUTURE_SCENARIO_PROGRAMS/early
  for file in early.exe early.dll; do
    expect 0 patchgen create "$early/baseline/$file" "$early/updated/$file" -o "package-$file"
  done
}
kill_several() {
  of_this=0
  : >waits
  "$SUTURE_WINE" "$early/baseline/early.exe" wait >waits 2>/dev/null </dev/null &
  pid=$!; pids="$pids $pid"
  wait_for 60 grep -q 'wait 1' waits || fail "the program does not start"
  quietly suture apply package-early.exe package-early.dll --pid "$pid" --allow-unsigned $options
  remove_both
  digest >before-early
  both="suture apply package-early.exe package-early.dll --pid $pid --allow-unsigned $options"
  # shellcheck disable=SC2086
  strace -f -qq -o trace -e trace=$calls $both >>log 2>&1 || fail "an apply for two modules fails"
  remove_both
  sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' trace | awk '{ print $1, ++count[$1] }' >places.several
  many=$(wc -l <places.several)
  step=1
  [ "$share" = all ] || step=$(((many * 6 + share - 1) / share))
  turn=0
  while read -r call n; do
    turn=$((turn + 1))
    [ $((turn % step)) = 0 ] || continue
    # shellcheck disable=SC2086
    if killed_at "$call:when=$n" $both; then kills=$((kills + 1)) of_this=$((of_this + 1)); fi
    kill -0 "$pid" 2>/dev/null || fail "$call $n: the program ended"
    state=0; suture status --pid "$pid" --quiet >>log 2>&1 || state=$?
    code=0; suture recover --pid "$pid" $options >>log 2>&1 || code=$?
    case $state/$code in 0/3 | 8/0) ;; *) fail "$call $n: status ended with $state, recover with $code" ;; esac
    quietly suture status --pid "$pid" --json both.json --quiet
    case $(sed -n 's/.*"active": \([0-9]*\).*/\1/p' both.json | tr -d '\n') in
      '' | 0 | 00 | 11) ;;
      *) fail "$call $n: not both or none: $(cat both.json)" ;;
    esac
    remove_both
    expect_digest before-early "several, $call $n"
  done <places.several
  echo "several: killed $of_this times of $many calls"
}
# What the program of exceptions says of itself: nothing came back wrong, and whose code it sees.
expect_right() { # what was done
  line=$(fresh_line)
  case $line in *' wrong=0 '*) ;; *) fail "$1: $line" ;; esac
  case $(in_force)/$line in
    none/*' cxx-out=0 '*' known=0 '* | 0/*' cxx-out=0 '* | 1/*' cxx-out=1 '*' known=1 '*) ;;
    *) fail "$1: sequence $(in_force) is in force, and the program sees: $line" ;;
  esac
}
kill_throws() {
  of_this=0 many=0
  thrower=$SUTURE_SCENARIO_PROGRAMS/throws_clang
  expect 0 patchgen create "${thrower}_baseline.exe" "${thrower}_updated.exe" -o throws.dll
  start_program "${thrower}_baseline.exe"
  digest >before-throws
  in_it="--pid $pid --timeout 60 --quiet"
  apply="suture apply throws.dll --allow-unsigned $in_it" remove="suture remove --module throws_clang_baseline.exe $in_it"
  for operation in apply remove; do
    [ $operation = apply ] || quietly $apply
    # shellcheck disable=SC2086
    strace -f -qq -o trace -e trace=$calls ${!operation} >>log 2>&1 || fail "$operation fails while exceptions fly"
    [ $operation = remove ] || quietly $remove
    sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' trace | awk -v of=$operation '{ print of, $1, ++count[$1] }'
  done >places.throws
  many=$(wc -l <places.throws)
  step=1
  [ "$share" = all ] || step=$(((many * 6 + share - 1) / share))
  turn=0
  while read -r operation call n; do
    turn=$((turn + 1))
    [ $((turn % step)) = 0 ] || continue
    [ $operation = apply ] || quietly $apply
    # shellcheck disable=SC2086
    if killed_at "$call:when=$n" ${!operation}; then kills=$((kills + 1)) of_this=$((of_this + 1)); fi
    kill -0 "$pid" 2>/dev/null || fail "$operation killed at $call $n: the program ended"
    state=0; suture status --pid "$pid" --json status.json --quiet >>log 2>&1 || state=$?
    [ $state != 0 ] || expect_right "$operation killed at $call $n"
    code=0; suture recover $in_it >>log 2>&1 || code=$?
    case $state/$code in
      0/3) intact=$((intact + 1)) ;;
      8/0) recovered=$((recovered + 1)) ;;
      *) fail "$operation killed at $call $n: status ended with $state, recover with $code" ;;
    esac
    quietly suture status --pid "$pid" --json status.json --quiet
    expect_right "$operation killed at $call $n, recovered"
    code=0; $remove >>log 2>&1 || code=$?
    case $code in 0 | 3) ;; *) fail "$operation killed at $call $n: remove ends with $code" ;; esac
    expect_digest before-throws "$operation killed at $call $n"
  done <places.throws
  echo "throws: killed $of_this times of $many calls"
}
tracer_of() { sed -n 's/^TracerPid:[^0-9]*//p' "/proc/$1/status" 2>/dev/null || :; }
is_held() { case $(tracer_of "$1") in '' | 0) return 1 ;; esac; }
has_ended() { case $(sed -n 's/^State:[^A-Z]*\([A-Z]\).*/\1/p' "/proc/$1/status" 2>/dev/null) in Z | '') ;; *) return 1 ;; esac; }
has_settled() { has_ended "$1" || grep -q 'wait 1' waits; }
kill_run() {
  of_this=0 let_go=0
  PATH="$PATH:$(dirname "$SUTURE_WINE")"
  rounds=60
  [ "$share" = all ] || rounds=$((share / 15))
  round=0
  while [ "$round" -lt "$rounds" ]; do
    : >waits
    suture run package-early.exe package-early.dll --allow-unsigned -- "$early/baseline/early.exe" wait \
      >waits 2>/dev/null </dev/null &
    pid=$!; pids="$pids $pid"
    wait_for 60 is_held "$pid" || fail "nobody holds the program"
    # Over all of the time for which it is held, a second or so.
    sleep "$(awk -v i="$round" -v n="$rounds" 'BEGIN { print i / n }')"
    # Asked once: 0, of one that has just been let go, would be everybody in this group.
    tracer=$(tracer_of "$pid")
    case $tracer in '' | 0) ;; *) kill -9 "$tracer" 2>/dev/null || : ;; esac
    wait_for 60 has_settled "$pid" || fail "the program neither ends nor starts"
    if has_ended "$pid"; then
      [ ! -s waits ] || fail "the program ran: $(cat waits)"
      kills=$((kills + 1)) of_this=$((of_this + 1))
    else
      ! grep -qxE 'dll 3|callback 1|main 1' waits || fail "it ran old code: $(cat waits)"
      quietly suture status --pid "$pid" --quiet
      kill -9 "$pid"
      let_go=$((let_go + 1))
    fi
    round=$((round + 1))
  done
  echo "run: killed $of_this times while it held the program, $let_go times it had let go"
}

started=$(date +%s)
kills=0 intact=0 recovered=0 unkilled=0
# A first look at how many calls there are; the last third of an apply leaves something behind.
deadly=$(($(places apply | grep -c '^ptrace ') * 6 / 10))
remove_all
for operation in $operations; do
  case $operation in several | throws | run) continue ;; esac
  arrange "$operation"
  places "$operation" >"places.$operation"
  remove_all
done
: >places.none
total=$(cat places.* | wc -l)
step=1
[ "$share" = all ] || step=$(((total + share - 1) / share))
turn=0
for operation in $operations; do
  case $operation in several | throws | run) continue ;; esac
  of_this=0
  while read -r call n; do
    turn=$((turn + 1))
    [ $((turn % step)) = 0 ] || continue
    arrange "$operation"
    # shellcheck disable=SC2046
    if killed_at "$call:when=$n" $(command_of "$operation"); then
      kills=$((kills + 1)) of_this=$((of_this + 1))
    else
      unkilled=$((unkilled + 1)) # it took fewer calls this time
    fi
    check_after "$operation killed at $call $n"
  done <"places.$operation"
  echo "$operation: killed $of_this times of $(wc -l <"places.$operation") calls"
done
: >done
wait "$load" || fail "a client saw a wrong reply or lost its connection: $(cat load.json)"
for kind in old_replies new_replies; do
  grep -q "\"$kind\": *[1-9]" load.json || fail "no $kind: $(cat load.json)"
done
make_early
for operation in $extra; do
  case $operation in several | throws | run) "kill_$operation" ;; esac
done
echo "kills: $kills ($recovered left something to recover, $intact nothing), $unkilled came to their end," \
  "$(($(date +%s) - started)) s; clients: $(cat load.json)"
