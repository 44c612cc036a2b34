#!/bin/sh
# A program takes over a new helper, table, string, global, import, jump table, constant and recursion.
. "$(dirname "$0")/../scenario.sh"

start_program "$(image tally baseline tally.exe)"
line=$(fresh_line)
for old in helper=300 table=12 global=none import=0 switch=38 case8=none recursion=89 identity=1; do
  case $line in *"$old"*) ;; *) fail "no $old before: $line" ;; esac
done
make_package tally tally.exe
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60
line=$(fresh_line)
for new in helper=225 table=26 text=tally-with-the-update global=new import=1 switch=89 case8=new double=10725000 \
    recursion=230 pointer=141 identity=2 same_pointer=yes calls_grow=yes wrong=0; do
  case $line in *"$new"*) ;; *) fail "no $new after: $line" ;; esac
done
expect 0 suture rollback --pid "$pid" --module tally.exe --timeout 60
line=$(fresh_line)
for old in helper=300 table=12 global=none import=0 switch=38 case8=none recursion=89 identity=1 wrong=0; do
  case $line in *"$old"*) ;; *) fail "no $old after the rollback: $line" ;; esac
done
