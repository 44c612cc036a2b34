#!/bin/sh
# Virtual functions, templates and strings change while exceptions fly in code that does not.
. "$(dirname "$0")/../scenario.sh"

start_program "$(image cxx baseline cxx.exe)"
line=$(fresh_line)
case $line in *virtual=12\ *) ;; *) fail "not the baseline: $line" ;; esac
make_package cxx cxx.exe
expect 0 suture apply "$package" --pid "$pid" --allow-unsigned --timeout 60
line=$(fresh_line)
for new in virtual=1012 template=4 'checked and found to be right' wrong=0; do
  case $line in *"$new"*) ;; *) fail "no $new after: $line" ;; esac
done
caught() { tail -n 1 out.txt | sed -n 's/.*caught=\([0-9]*\).*/\1/p'; }
first=$(caught)
fresh_line >/dev/null
[ "$(caught)" -gt "$first" ] || fail "exceptions are not caught any more"
expect 0 suture remove --pid "$pid" --module cxx.exe --timeout 60
line=$(fresh_line)
case $line in *virtual=12\ *wrong=0*) ;; *) fail "not the baseline after remove: $line" ;; esac
