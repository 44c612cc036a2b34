#!/bin/sh
# Without a word about trust nothing is applied, and an unsigned package not against an anchor.
# codes: trust-not-stated unsigned-package
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=publisher \
  -addext extendedKeyUsage=codeSigning >>log 2>&1
before=$(digest)
refused trust-not-stated suture apply "$package" --pid "$pid"
refused unsigned-package suture apply "$package" --pid "$pid" --trust cert.pem
[ "$(digest)" = "$before" ] || fail "the target was changed"
