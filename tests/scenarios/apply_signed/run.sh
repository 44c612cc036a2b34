#!/bin/sh
# A signed package is applied against its trust anchor.
. "$(dirname "$0")/../scenario.sh"

start_service
make_package heartbeat heartbeat.dll
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=publisher \
  -addext extendedKeyUsage=codeSigning -addext keyUsage=digitalSignature >>log 2>&1
osslsigncode sign -h sha256 -certs cert.pem -key key.pem -in "$package" -out signed.dll >>log 2>&1
expect 0 suture verify signed.dll --trust cert.pem
expect 0 suture apply signed.dll --pid "$pid" --trust cert.pem
expect_no_leak
