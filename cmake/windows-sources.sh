#!/usr/bin/env bash
# Unpacks Debian's source package of Zydis, once, and prints where that is: for Windows there is no library of it, and
# it is built with the rest.
#
# The folder lies below $SUTURE_CACHE, by default ~/.cache/suture.
set -euo pipefail

# Where this machine's own packages come from: the same version, and the same mirror.
sources=$(apt-get indextargets --format '$(ORIGIN) deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' \
  'Created-By: Packages' | sed -n 's/^Debian //p')
[ -n "$sources" ] || { echo "windows-sources: apt knows no package source of Debian" >&2; exit 1; }

cache=${SUTURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/suture}
root=$cache/windows-sources
version=$(dpkg-query -W -f='${source:Version}' libzydis-dev)
mkdir -p "$cache"
exec 9>"$root.lock"
flock 9
if [ "$(cat "$root/version" 2>/dev/null)" != "$version" ]; then
  echo "windows-sources: unpacking the source of zydis $version into $root" >&2
  work=$root.new
  rm -rf "$root" "$work"
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/source"
  echo "$sources" >"$work/apt/sources.list"
  apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/apt/sources.list" -o Dir::Etc::SourceParts=-
    -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt" -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2
  (cd "$work/apt" && "${apt[@]}" source --download-only "zydis=$version" >&2)
  tar -xzf "$work"/apt/zydis_*.orig.tar.gz -C "$work/source" --strip-components=1
  rm -rf "$work/apt"
  echo "$version" >"$work/version"
  mv "$work" "$root"
fi
echo "$root/source"
