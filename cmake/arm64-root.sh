#!/usr/bin/env bash
# Unpacks Debian's packages for Arm64 into a folder of their own, once, and prints where that is. Nothing of them is
# run, and the packages of this machine stay as they are.
#
#   cmake/arm64-root.sh build    libraries to build Suture with (preset linux-arm64)
#   cmake/arm64-root.sh machine  what tests/arm64-vm/machine.sh makes its image of: a kernel, Wine, a shell
#
# The folders lie below $SUTURE_CACHE, by default ~/.cache/suture.
set -euo pipefail

case "${1:-}" in
build)
  packages=(libc6-dev libgcc-12-dev libstdc++-12-dev libzydis-dev libzycore-dev liblief-dev libmbedtls-dev
    libxxhash-dev libspdlog-dev libfmt-dev libcli11-dev nlohmann-json3-dev libssl-dev llvm-19-dev zlib1g-dev
    libzstd-dev libgtest-dev libgmock-dev libunicorn-dev) ;;
machine)
  packages=(linux-image-cloud-arm64 base-files bash busybox-static coreutils dash diffutils findutils gawk grep
    libc-bin openssl osslsigncode procps sed strace util-linux wine64 libwine
    libfmt9 liblief0 libspdlog1.10 libssl3 libstdc++6 libunicorn2 libxxhash0 libzycore1.4 libzydis4.0) ;;
*) sed -n '5,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

# Where this machine's own packages come from: the same versions, and the same mirror.
sources=$(apt-get indextargets --format '$(ORIGIN) deb [arch=arm64] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
  'Created-By: Packages' | sed -n 's/^Debian //p')
[ -n "$sources" ] || { echo "arm64-root: apt knows no package source of Debian" >&2; exit 1; }

cache=${SUTURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/suture}
root=$cache/arm64-$1
wanted=$(printf '%s\n' "$sources" "${packages[@]}")
mkdir -p "$cache"
exec 9>"$root.lock"
flock 9
if [ "$(cat "$root/packages" 2>/dev/null)" != "$wanted" ]; then
  echo "arm64-root: unpacking ${#packages[@]} packages and what they need into $root" >&2
  work=$root.new
  rm -rf "$root" "$work"
  trap 'rm -rf "$work"' EXIT
  include=$(IFS=,; echo "${packages[*]}")
  mmdebstrap --quiet --variant=extract --architectures=arm64 --include="$include" \
    bookworm "$work" - <<<"$sources" >&2
  # Neither documentation nor programs that nobody runs: a third of the room.
  rm -rf "$work"/usr/share/{doc,man,info,locale,lintian} "$work"/var/{cache,lib/apt} "$work"/usr/lib/llvm-19/bin
  echo "$wanted" >"$work/packages"
  mv "$work" "$root"
fi
echo "$root"
