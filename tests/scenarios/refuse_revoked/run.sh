#!/bin/sh
# Signers whom their authority revoked, and lists that do not say whether it did.
# codes: certificate-revoked revocation-list-invalid revocation-list-outdated revocation-list-unreadable revocation-unknown
. "$(dirname "$0")/../scenario.sh"
support=$scenarios/../support
. "$support/signing.sh"

make_package heartbeat heartbeat.dll
new_key authority rsa:2048
new_key other ec:P-256
new_key signer rsa:2048
new_certificate authority authority authority authority 20200101000000Z 20991231000000Z
new_certificate other other other authority 20200101000000Z 20991231000000Z
new_certificate signer publisher authority code 20200101000000Z 20991231000000Z
sign_file signer "$package" signed.dll

new_list empty authority 20260101000000Z 20991231000000Z
new_list revoking authority 20260101000000Z 20991231000000Z signer 20260101000000Z keyCompromise
new_list old authority 20250101000000Z 20250201000000Z
new_list coming authority 20980101000000Z 20991231000000Z
new_list others other 20260101000000Z 20991231000000Z
# In the authority's name, by another.
cp authority.pem forger.pem
cp signer.key forger.key
new_list forged forger 20260101000000Z 20991231000000Z 2>>log || :
if [ ! -s forged.crl ]; then # openssl does not sign with a key that is not the certificate's
  new_certificate forger authority forger authority 20200101000000Z 20991231000000Z
  new_list forged forger 20260101000000Z 20991231000000Z
fi

expect 0 suture verify signed.dll --trust authority.pem
expect 0 suture verify signed.dll --trust authority.pem --crl empty.crl --crl others.crl
refused certificate-revoked suture verify signed.dll --trust authority.pem --crl revoking.crl
refused certificate-revoked suture verify signed.dll --trust authority.pem --crl empty.crl --crl revoking.crl
refused revocation-list-invalid suture verify signed.dll --trust authority.pem --crl forged.crl
refused revocation-list-outdated suture verify signed.dll --trust authority.pem --crl old.crl
refused revocation-list-outdated suture verify signed.dll --trust authority.pem --crl coming.crl
refused revocation-unknown suture verify signed.dll --trust authority.pem --crl others.crl
refused revocation-list-unreadable suture verify signed.dll --trust authority.pem --crl signer.pem

# Nothing of it comes near a process.
start_service
refuses certificate-revoked signed.dll --pid "$pid" --trust authority.pem --crl revoking.crl
