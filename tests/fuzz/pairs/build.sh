#!/bin/sh
# Makes the pairs anew: build.sh <patchgen>. The packages of corpus/prove belong to these very files.
set -e
cd "$(dirname "$0")"
for machine in x64 arm64; do
  case $machine in x64) target=x86_64 ;; arm64) target=aarch64 ;; esac
  for updated in 0 1; do
    version=baseline; [ $updated = 0 ] || version=updated
    clang-19 --target=$target-pc-windows-msvc -O2 -ffreestanding -fno-builtin -fasynchronous-unwind-tables -Wall -DUPDATED=$updated -c pair.c -o pair.obj
    lld-link-19 /dll /noentry /machine:$machine /Brepro /out:${machine}_$version.dll pair.obj
  done
  rm -f pair.obj ${machine}_*.lib
  "$1" create ${machine}_baseline.dll ${machine}_updated.dll -o $machine.hotpatch --no-symbols
done
