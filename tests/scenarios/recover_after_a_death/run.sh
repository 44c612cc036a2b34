#!/bin/sh
# What an injector that was killed left behind is undone or finished; the service answers all the while.
# codes: needs-recover nothing-to-recover
. "$(dirname "$0")/../scenario.sh"

# A command that is killed when it makes this system call for the nth time.
killed_at() { # CALL N COMMAND...
  call=$1 n=$2; shift 2
  strace -f -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=SIGKILL:when=$n" "$@" >>log 2>&1 && return 1
  return 0
}
# The last call of its kind that a command makes: what it has written by then is nearly all.
last_of() { # CALL COMMAND...
  call=$1; shift
  strace -f -qq -o trace -e "trace=$call" "$@" >>log 2>&1 || fail "exit code $? from: $*"
  wc -l <trace
}

start_service
make_package heartbeat heartbeat.dll --sequence 1
first=$PWD/first.dll; mv "$package" "$first"
make_package heartbeat heartbeat.dll --sequence 2
digest >before
refused nothing-to-recover suture recover --pid "$pid"

# A first package: it is taken out.
count=$(last_of ptrace suture apply "$first" --pid "$pid" --allow-unsigned)
expect 0 suture remove --pid "$pid" --module heartbeat.dll
left=
for n in $(seq $((count * 5 / 10)) $((count * 8 / 10))); do
  killed_at ptrace "$n" suture apply "$first" --pid "$pid" --allow-unsigned || :
  code=0; suture status --pid "$pid" >out 2>&1 || code=$?
  cat out >>log
  if [ "$code" = 8 ]; then left=yes; break; fi
  expect 0 suture remove --pid "$pid" --module heartbeat.dll
done
[ "$left" ] || fail "no death leaves anything to recover"
says 'suture recover'
expect_leak
refused needs-recover suture status --pid "$pid"
expect 0 suture recover --pid "$pid"
expect_digest before
expect 0 suture status --pid "$pid"

# A ledger alone says how far it had come.
expect 0 suture apply "$first" --pid "$pid" --allow-unsigned
target-tool cut-off "$pid" heartbeat.dll
refuses needs-recover "$package" --pid "$pid" --allow-unsigned
refused needs-recover suture remove --pid "$pid" --module heartbeat.dll
expect 8 suture status --pid "$pid"
says 'take sequence 1 out, every byte as before'
expect 0 suture recover --pid "$pid"
says 'nothing of a hotpatch is left'
expect_digest before
refused nothing-to-recover suture recover --pid "$pid"
expect_leak

# Where the kernel makes no sealed pages: pages are filled before they are in place, so a death leaves nothing half filled.
unsealed() { # COMMAND...
  strace -f -qq -o /dev/null -e trace=memfd_create,pwrite64 -e inject=memfd_create:error=ENOSYS "$@"
}
start_service # one that has none
digest >before
expect 0 unsealed suture apply "$first" --pid "$pid" --allow-unsigned
! grep -q memfd:suture "/proc/$pid/maps" || fail "there are sealed pages"
expect_no_leak
expect 0 suture status --pid "$pid"
expect 0 unsealed suture rollback --pid "$pid" --module heartbeat.dll
expect 0 unsealed suture remove --pid "$pid" --module heartbeat.dll
expect_digest before
for n in 1 2 3 4 5 6 7 8 9; do
  { unsealed -e "inject=pwrite64:signal=SIGKILL:when=$n" \
    suture apply "$first" --pid "$pid" --allow-unsigned || :; } >>log 2>&1
  code=0; suture recover --pid "$pid" >>log 2>&1 || code=$?
  case $code in 0 | 3) ;; *) fail "recover ends with $code after death $n" ;; esac
  code=0; suture remove --pid "$pid" --module heartbeat.dll >>log 2>&1 || code=$?
  case $code in 0 | 3) ;; *) fail "remove ends with $code after death $n" ;; esac
  expect_digest before "death $n"
done
expect_leak
