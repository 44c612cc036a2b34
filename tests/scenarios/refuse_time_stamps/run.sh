#!/bin/sh
# A time stamp keeps an expired certificate good, if it is one.
# codes: certificate-expired certificate-revoked timestamp-invalid timestamp-not-trusted
. "$(dirname "$0")/../scenario.sh"
support=$scenarios/../support
. "$support/signing.sh"

make_package heartbeat heartbeat.dll
new_key signer rsa:2048
new_key stamper ec:P-256
new_certificate signer publisher signer code 20200101000000Z 20210101000000Z
new_certificate stamper stamps stamper stamps 20200101000000Z 20991231000000Z
new_key authority ec:P-384
new_key member rsa:2048
june_2020=1590969600
june_2021=1622505600

sign_file signer "$package" signed.dll
refused certificate-expired suture verify signed.dll --trust signer.pem
stamp_file signer "$package" stamped.dll token/stamper/$june_2020
expect 0 suture verify stamped.dll --trust signer.pem --trust-timestamps stamper.pem
says "time-stamped 2020-06-01 00:00:00 UTC"
refused timestamp-not-trusted suture verify stamped.dll --trust signer.pem
refused timestamp-not-trusted suture verify stamped.dll --trust signer.pem --trust-timestamps signer.pem
stamp_file signer "$package" late.dll token/stamper/$june_2021
refused certificate-expired suture verify late.dll --trust signer.pem --trust-timestamps stamper.pem

# A byte of the stamp's own signature, which is the last thing in the file.
target-tool flip stamped.dll $(($(wc -c <stamped.dll) - 16)) changed.dll
refused timestamp-invalid suture verify changed.dll --trust signer.pem --trust-timestamps stamper.pem

# Revoked after the stamp, and before.
new_certificate authority authority authority authority 20100101000000Z 20991231000000Z
new_certificate member publisher authority code 20200101000000Z 20991231000000Z
stamp_file member "$package" stamped.dll token/stamper/$june_2020
new_list after authority 20260101000000Z 20991231000000Z member 20200901000000Z superseded
new_list before authority 20260101000000Z 20991231000000Z member 20200301000000Z keyCompromise
expect 0 suture verify stamped.dll --trust authority.pem --trust-timestamps stamper.pem --crl after.crl
refused certificate-revoked suture verify stamped.dll --trust authority.pem --trust-timestamps stamper.pem --crl before.crl
refused certificate-revoked suture verify stamped.dll --trust authority.pem --crl after.crl
