#!/bin/sh
# Injectors that are ended at each of their steps, against a busy service: kills.sh [ROUNDS] also at that many moments
# within each operation. The service goes on, old or new as a whole, and recover brings it into a final state.
. "$SCENARIO_SH"

rounds=${1:-4}
start_service
heartbeat-client --port "$port" load --seconds 600 >load.txt 2>&1 &
load=$!
pids="$pids $load"
make_package heartbeat heartbeat.dll
windows_pid=$(target-tool windows-pid "$pid")
digest >baseline

kill_at() { # OPERATION NUMBER WHEN; its exit code
  code=0
  "$WINE_RUN" "$KILL_AT" "$1" "$windows_pid" "$package" "$2" "$3" >>log 2>&1 || code=$?
}
# The process is sound: it serves, and a later suture brings it into a final state.
check() { # what was done
  code=0; leaks || code=$?
  case $code in 0 | 3) ;; *) fail "$1: the service does not answer: $(cat leak.txt)" ;; esac
  code=0; suture recover --pid "$pid" >out 2>&1 || code=$?
  cat out >>log
  case $code in 0 | 3) ;; *) fail "$1: recover ends with $code" ;; esac
  code=0; suture status --pid "$pid" >out 2>&1 || code=$?
  [ "$code" = 0 ] || { cat out >>log; fail "$1: status ends with $code after recover"; }
  code=0; leaks || code=$?
  case $code in 0 | 3) ;; *) fail "$1: the service does not answer after recover: $(cat leak.txt)" ;; esac
}
baseline() {
  suture remove --pid "$pid" --module heartbeat.dll >>log 2>&1 || :
  digest >now
  cmp -s baseline now || { diff baseline now >>log || :; fail "$1: the process is not as it was"; }
}
prepare() { # OPERATION: the state in which it has something to do
  case $1 in
  apply) baseline "before apply" ;;
  rollback | remove) suture apply "$package" --pid "$pid" --allow-unsigned >>log 2>&1 || : ;;
  recover)
    baseline "before recover"
    kill_at apply 3 after
    [ "$code" = 9 ] || fail "nothing to recover"
    ;;
  esac
}

kills=0
for operation in apply rollback remove recover; do
  for when in before after; do
    number=1
    while :; do
      prepare $operation
      kill_at $operation $number $when
      [ "$code" != 0 ] || break
      [ "$code" = 9 ] || fail "$operation $number $when: exit code $code"
      kills=$((kills + 1))
      check "$operation $number $when"
      number=$((number + 1))
    done
    [ "$number" -gt 3 ] || fail "$operation has only $number steps"
  done
  round=0
  while [ $round -lt "$rounds" ]; do
    prepare $operation
    kill_at $operation $((2000 + round * 104729 % 60000)) running
    case $code in 9) kills=$((kills + 1)) ;; 0) ;; *) fail "$operation: exit code $code" ;; esac
    check "$operation in between"
    round=$((round + 1))
  done
done
baseline "at the end"
kill -0 "$load" || fail "the load ended: $(cat load.txt)"
echo "$kills injectors ended, the service went on"
