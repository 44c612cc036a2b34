#!/usr/bin/env bash
# Installs what Suture needs to build, test and run its samples on Debian 12; with --arm64 also what it needs to do so
# for Arm64 on another machine, with --windows what suture.exe needs.
# Idempotent: silent when nothing is missing. Needs root (or sudo) only to install.
set -euo pipefail

packages=(
  # build
  g++ cmake ninja-build git pkg-config
  libzydis-dev libzycore-dev liblief-dev libmbedtls-dev libxxhash-dev libspdlog-dev libfmt-dev libcli11-dev
  nlohmann-json3-dev libssl-dev llvm-19-dev zlib1g-dev libzstd-dev libjemalloc-dev
  # tests and benchmarks; chromium looks at the pages of reports
  libgtest-dev libgmock-dev libbenchmark-dev libunicorn-dev osslsigncode libclang-rt-19-dev chromium bsdiff xdelta3 zstd
  # samples: real PE programs, built by two compilers and run by Wine
  clang-19 lld-19 llvm-19 gcc-mingw-w64-x86-64 g++-mingw-w64-x86-64 wine64 libwine python3 openssl util-linux
  strace # kills injectors at chosen system calls
)
# The libraries for Arm64 are unpacked into a folder of their own, by cmake/arm64-root.sh.
for option in "$@"; do
  case $option in
  --arm64) packages+=(
    binutils qemu-user qemu-system-arm mmdebstrap debian-archive-keyring e2fsprogs cpio
  ) ;;
  # The source of Zydis is unpacked by cmake/windows-sources.sh, with dpkg-dev.
  --windows) packages+=(g++-mingw-w64-x86-64-posix googletest dpkg-dev) ;;
  *) echo "setup: no such option: $option" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "setup: installing ${#missing[@]} packages: ${missing[*]}" >&2
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { "${as_root[@]}" apt-get -qq -y --no-install-recommends install "${missing[@]}" >"$log" 2>&1; }
"${as_root[@]}" apt-get -qq update >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
install || { cat "$log" >&2; echo "setup: apt-get could not install the packages above" >&2; exit 1; }
