#!/bin/sh
# What is verified is what is used: a package is read once. As soon as its file is open, and before a byte of it comes,
# another package lies in its place, which nobody signed.
# codes: unsigned-package
. "$(dirname "$0")/../scenario.sh"
support=$scenarios/../support
. "$support/signing.sh"

start_service
make_package heartbeat heartbeat.dll --id "the other"
mv "$package" other.dll
make_package heartbeat heartbeat.dll --id "the signed one"
new_key signer rsa:2048
new_certificate signer publisher signer code 20200101000000Z 20991231000000Z
sign_file signer "$package" signed.dll
replaced_while_open() {
  rm -f package.dll
  mkfifo package.dll
  { cp other.dll other.new; mv other.new package.dll; cat signed.dll; } >package.dll &
  pids="$pids $!"
}

replaced_while_open
expect 0 timeout 60 suture verify package.dll --trust signer.pem --json=-
says '"id": "the signed one"'
cmp -s package.dll other.dll || fail "the file was not replaced"
refused unsigned-package suture verify package.dll --trust signer.pem

replaced_while_open
expect 0 timeout 60 suture apply package.dll --pid "$pid" --trust signer.pem
cmp -s package.dll other.dll || fail "the file was not replaced"
expect_no_leak
expect 0 suture status --pid "$pid" --json=-
says '"id": "the signed one"'
