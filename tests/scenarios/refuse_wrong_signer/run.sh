#!/bin/sh
# A package that somebody else signed is refused.
# codes: signer-not-trusted
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
start_service
for who in publisher stranger; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout $who.key -out $who.pem -days 2 -subj /CN=$who \
    -addext extendedKeyUsage=codeSigning >>log 2>&1
done
osslsigncode sign -h sha256 -certs stranger.pem -key stranger.key -in "$package" -out signed.dll >>log 2>&1
refuses signer-not-trusted signed.dll --pid "$pid" --trust publisher.pem
