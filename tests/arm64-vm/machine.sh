#!/usr/bin/env bash
# An Arm64 computer in a process: Debian's kernel and Wine for Arm64 in qemu-system-aarch64.
#
#   tests/arm64-vm/machine.sh prepare         makes the image, once, and prints the folder that it lies in
#   tests/arm64-vm/machine.sh run JOB [OUT]   runs JOB/run in the machine, with a copy of the folder JOB as its working
#                                             folder; what it writes comes out here, and the files that it leaves in
#                                             $OUT, a variable, go to the folder OUT
#
# `run` ends with the exit code of JOB/run; 124: it took longer than $TIMEOUT seconds (600); 125: the machine gave none.
# The image lies below $SUTURE_CACHE, by default ~/.cache/suture; each machine starts with a fresh copy of it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# What the disks and the ports need, where it is not built into the kernel.
modules=(virtio_pci virtio_blk virtio_console ext4)

die() { echo "machine: $*" >&2; exit 125; }

prepare() {
  local root folder wanted
  root=$("$here/../../cmake/arm64-root.sh" machine)
  folder=${root%/*}/arm64-image
  exec 8>"$folder.lock"
  flock 8
  wanted=$(cat "$root/packages" "$here"/{machine.sh,init,machine-init,make-prefix} | sha256sum)
  if [ "$(cat "$folder/made-of" 2>/dev/null)" != "$wanted" ]; then
    echo "machine: making the image in $folder" >&2
    local work=$folder.new
    rm -rf "$folder" "$work"
    mkdir -p "$work"
    # shellcheck disable=SC2064 # as it is now
    trap "rm -rf '$work'" EXIT
    make_kernel "$root" "$work"
    make_root "$root" "$work/root"
    make_image "$work/root" "$work/image"
    # The machine itself makes Wine's prefix: nothing for Arm64 runs on this one.
    mkdir "$work/job"
    cp "$here/make-prefix" "$work/job/run"
    OUT_SIZE=256 run_in "$work" "$work/job" "$work/out" >&2
    tar -xf "$work/out/prefix.tar" -C "$work/root/root"
    make_image "$work/root" "$work/image"
    rm -rf "$work/root" "$work/job" "$work/out"
    echo "$wanted" >"$work/made-of"
    mv "$work" "$folder"
  fi
  exec 8>&-
  echo "$folder"
}

make_kernel() { # ROOT FOLDER: kernel and initrd
  local first=$2/first module
  cp "$1"/boot/vmlinuz-* "$2/kernel"
  mkdir -p "$first"/{bin,proc,sys,dev,mnt,modules}
  cp "$1/bin/busybox" "$first/bin"
  ln -s busybox "$first/bin/sh"
  for module in "${modules[@]}"; do add_module "$1" "$first/modules" "$module"; done
  install -m 755 "$here/init" "$first/init"
  (cd "$first" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0 | gzip -9n) >"$2/initrd"
  rm -rf "$first"
}
add_module() { # ROOT FOLDER MODULE: after those that it needs, numbered in their order
  local file other count
  file=$(find "$1/lib/modules" -name "$3.ko" -print -quit)
  [ -n "$file" ] && [ -z "$(find "$2" -name "*-$3.ko")" ] || return 0
  for other in $(strings -a "$file" | sed -n 's/^depends=//p' | tr , ' '); do add_module "$1" "$2" "$other"; done
  count=$(find "$2" -name '*.ko' | wc -l)
  cp "$file" "$2/$((count + 10))-$3.ko"
}

make_root() { # ROOT FOLDER: what scripts of the packages would have made, were they run
  cp -al "$1" "$2"
  rm -rf "$2"/boot "$2"/lib/modules "$2"/usr/lib/linux-image-*
  mkdir -p "$2"/{proc,sys,dev,tmp,job,out,root}
  ln -sf dash "$2/bin/sh"
  ln -sf gawk "$2/usr/bin/awk"
  [ -e "$2/etc/passwd" ] || printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/:/bin/sh >"$2/etc/passwd"
  [ -e "$2/etc/group" ] || printf '%s\n' root:x:0: nogroup:x:65534: >"$2/etc/group"
  install -m 755 "$here/machine-init" "$2/machine-init"
}

make_image() { # FOLDER FILE
  local size
  size=$(du -sk --apparent-size "$1" | cut -f1)
  rm -f "$2"
  # Room for jobs: the file has holes.
  mke2fs -q -t ext4 -O ^has_journal -m 0 -E lazy_itable_init=1,root_owner=0:0 -N 100000 -d "$1" "$2" \
    $((size * 115 / 100 + 1048576))k >&2
}

run_in() ( # IMAGE JOB OUT
  code=0 machine=
  work=$(mktemp -d)
  # A machine does not outlive whoever wanted it.
  trap '[ -z "$machine" ] || kill "$machine" 2>/dev/null || :; rm -rf "$work"' EXIT
  trap 'exit 143' HUP INT TERM
  tar -cf "$work/job.tar" --owner=0 --group=0 -C "$2" .
  truncate -s "${OUT_SIZE:-64}M" "$work/out.tar"
  : >"$work/output"
  # One processor: where several are emulated, they wait for each other more than they work.
  timeout -k 5 "${TIMEOUT:-600}" qemu-system-aarch64 -M virt -cpu cortex-a72 -accel tcg,thread=single -smp 1 \
    -m "${MEMORY:-1536}" -nographic -nodefaults -no-user-config -no-reboot -nic none \
    -kernel "$1/kernel" -initrd "$1/initrd" -append "console=ttyAMA0 panic=-1 quiet" -serial "file:$work/console" \
    -drive "if=none,id=image,file=$1/image,format=raw,snapshot=on" -device virtio-blk-pci,drive=image \
    -drive "if=none,id=job,file=$work/job.tar,format=raw,readonly=on" -device virtio-blk-pci,drive=job \
    -drive "if=none,id=out,file=$work/out.tar,format=raw" -device virtio-blk-pci,drive=out \
    -device virtio-serial-pci \
    -chardev "file,id=output,path=$work/output" -device virtserialport,chardev=output,name=output \
    -chardev "file,id=code,path=$work/code" -device virtserialport,chardev=code,name=code \
    </dev/null >"$work/qemu" 2>&1 &
  machine=$!
  # What the job writes comes out as it is written.
  tail -q -n +1 -f --pid="$machine" -s 0.2 "$work/output" 2>/dev/null || :
  wait "$machine" || code=$?
  machine=
  if [ -n "$3" ]; then
    mkdir -p "$3"
    tar -xf "$work/out.tar" -C "$3" 2>/dev/null || :
  fi
  if [ -s "$work/code" ]; then
    code=$(cat "$work/code")
  else
    [ "$code" = 124 ] || code=125
    { echo "machine: no exit code; the last lines of the console:"; tail -n 20 "$work/console" "$work/qemu"; } >&2
  fi
  exit "$code"
)

case "${1:-}" in
prepare) prepare ;;
run)
  [ -x "${2:-}/run" ] || die "there is no program $2/run"
  image=$(prepare)
  run_in "$image" "$2" "${3:-}"
  ;;
*) sed -n '4,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
