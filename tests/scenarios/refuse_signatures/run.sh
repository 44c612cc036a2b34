#!/bin/sh
# Signatures that do not hold, of signers that must not sign, at times when they must not.
# codes: certificate-expired certificate-not-yet-valid signature-digest-differs signature-invalid signature-malformed signer-not-for-code signer-not-trusted trust-anchor-unreadable trust-not-stated unsigned-package
. "$(dirname "$0")/../scenario.sh"

make_package heartbeat heartbeat.dll
cat >ca.cnf <<'END'
[ca]
default_ca = own
[own]
database = index
rand_serial = yes
new_certs_dir = .
policy = names
default_md = sha256
unique_subject = no
[names]
commonName = supplied
[code]
extendedKeyUsage = codeSigning
[web]
extendedKeyUsage = serverAuth
END
: >index
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=publisher >>log 2>&1
certificate() { # NAME EXTENSIONS FROM TO
  openssl ca -batch -config ca.cnf -selfsign -keyfile key.pem -in request.pem -out "$1.pem" -notext \
    -extensions "$2" -startdate "$3" -enddate "$4" >>log 2>&1
}
signed_by() { # NAME [DIGEST]
  osslsigncode sign -h "${2:-sha256}" -certs "$1.pem" -key key.pem -in "$package" -out "signed_by_$1.dll" >>log 2>&1
}
certificate publisher code 20200101000000Z 20991231000000Z
certificate expired code 20200101000000Z 20200102000000Z
certificate later code 20980101000000Z 20991231000000Z
certificate website web 20200101000000Z 20991231000000Z
for name in publisher expired later website; do signed_by $name; done
expect 0 suture verify signed_by_publisher.dll --trust publisher.pem

refused certificate-expired suture verify signed_by_expired.dll --trust expired.pem
refused certificate-not-yet-valid suture verify signed_by_later.dll --trust later.pem
refused signer-not-for-code suture verify signed_by_website.dll --trust website.pem
refused signer-not-trusted suture verify signed_by_publisher.dll --trust website.pem
refused unsigned-package suture verify "$package" --trust publisher.pem
refused trust-not-stated suture verify "$package"
refused trust-anchor-unreadable suture verify signed_by_publisher.dll --trust request.pem

# A byte of the package; the last one of the signature itself; and a digest that is not relied upon.
target-tool flip signed_by_publisher.dll $(($(wc -c <"$package") - 9)) changed.dll
refused signature-digest-differs suture verify changed.dll --trust publisher.pem
size=$(wc -c <signed_by_publisher.dll)
for behind in 16 24 32; do # the value lies before the alignment of the table
  target-tool flip signed_by_publisher.dll $((size - behind)) changed.dll
  refused signature-invalid suture verify changed.dll --trust publisher.pem
done
rm signed_by_publisher.dll
signed_by publisher sha1
refused signature-malformed suture verify signed_by_publisher.dll --trust publisher.pem
