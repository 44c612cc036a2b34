#!/bin/sh
# Installs Suture into an empty folder, and builds and runs a project that finds it there.
# Arguments: the build folder, cmake.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; cat "$work/log" >&2; exit 1; }
"$2" --install "$1" --prefix "$work/prefix" >"$work/log" 2>&1 || fail "install"
images=
if [ -d "$1/samples/heartbeat/clang" ]; then
  cp -r "$1/samples/heartbeat/clang" "$work/images"
  images=-DIMAGES=$work/images
fi
build=$work/build
"$2" -S "$(dirname "$0")" -B "$build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" $images >"$work/log" 2>&1 ||
  fail "configure"
"$2" --build "$build" >"$work/log" 2>&1 || fail "build"
"$build/consumer"
[ -n "$images" ] || exit 0

grep -q 'No hotpatch: the images do the same' "$work/log" || fail "nothing said of images that do the same"
grep -q 'unrelated-images' "$work/log" || fail "nothing said of the refusal that is tolerated"
for file in heartbeat_hotpatch.dll report.html report.json refused.html; do
  [ -s "$build/$file" ] || fail "no $file"
done
for file in same.dll tolerated.dll; do [ ! -e "$build/$file" ] || fail "$file was written"; done
"$work/prefix/bin/patchgen" inspect "$build/heartbeat_hotpatch.dll" >"$work/inspect"
grep -q 'a service; 1' "$work/inspect" && grep -q 'sequence *7' "$work/inspect" || fail "options are lost"

"$2" --build "$build" >"$work/log" 2>&1 && grep -q 'no work to do' "$work/log" || fail "made anew for nothing"
for image in baseline updated; do
  sleep 0.1 # times of files are coarse: this one must be later than what was made
  touch "$work/images/$image/heartbeat.dll"
  "$2" --build "$build" >"$work/log" 2>&1 && grep -q 'hotpatch of service' "$work/log" || fail "not made anew for $image"
done
if "$2" --build "$build" --target refused_hotpatch >"$work/log" 2>&1; then fail "a refusal passed"; fi
grep -q 'unrelated-images' "$work/log" || fail "a refusal without its reason"
[ ! -e "$build/refused.dll" ] || fail "refused.dll was written"

# Signed as part of the build; where that fails, there is no package.
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/images/signer.key" -out "$work/images/signer.pem" -days 2 \
  -subj /CN=publisher -addext extendedKeyUsage=codeSigning >"$work/log" 2>&1 || fail "openssl"
"$2" --build "$build" --target signed_hotpatch marked_hotpatch >"$work/log" 2>&1 || fail "signing"
"$work/prefix/bin/suture" verify "$build/signed.dll" --trust "$work/images/signer.pem" >"$work/log" 2>&1 ||
  fail "the signature of the build"
grep -q signed "$build/marked.dll.mark" || fail "SIGN_COMMAND was not run for the package"
if "$2" --build "$build" --target unsigned_hotpatch >"$work/log" 2>&1; then fail "a failed signature passed"; fi
grep -q 'cannot be signed' "$work/log" || fail "a failed signature without its reason"
[ ! -e "$build/unsigned.dll" ] || fail "a package is left that was not signed"
