#!/bin/sh
# Without a word about trust nothing is applied, and an unsigned package not against an anchor.
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=publisher \
  -addext extendedKeyUsage=codeSigning >>log 2>&1
before=$(digest)
expect 6 suture apply "$package" --pid "$pid"
expect 6 suture apply "$package" --pid "$pid" --trust cert.pem
says unsigned
[ "$(digest)" = "$before" ] || fail "the target was changed"
