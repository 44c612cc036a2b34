# Packages of npm; sourced.

# fetch NAME VERSION: unpacks the package into $folder/<name>-<version>, once.
fetch() {
  to=$folder/$(echo "$1" | tr -d @ | tr / -)-$2
  [ ! -d "$to/package" ] || return 0
  archive=$(cd "$folder" && npm pack --silent "$1@$2" 2>/dev/null | tail -n 1) ||
    { echo "cannot fetch $1 $2" >&2; return 1; }
  mkdir -p "$to"
  tar -xzf "$folder/$archive" -C "$to"
  rm -f "$folder/$archive"
}
