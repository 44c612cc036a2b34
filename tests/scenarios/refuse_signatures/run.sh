#!/bin/sh
# Signatures that do not hold, of signers that must not sign, at times when they must not.
# codes: certificate-expired certificate-not-yet-valid data-after-signature several-signatures signature-digest-differs signature-invalid signature-malformed signature-stripped signature-unsupported signature-weak signer-not-for-code signer-not-trusted trust-anchor-unreadable trust-not-stated unsigned-package
. "$(dirname "$0")/../scenario.sh"
support=$scenarios/../support
. "$support/signing.sh"

make_package heartbeat heartbeat.dll
new_key publisher rsa:2048
certificate() { # NAME EXTENSIONS FROM TO
  [ "$1" = publisher ] || cp publisher.key "$1.key"
  new_certificate "$1" publisher "$1" "$2" "$3" "$4"
}
certificate publisher code 20200101000000Z 20991231000000Z
certificate expired code 20200101000000Z 20200102000000Z
certificate later code 20980101000000Z 20991231000000Z
certificate website web 20200101000000Z 20991231000000Z
for name in publisher expired later website; do sign_file $name "$package" signed_by_$name.dll; done
expect 0 suture verify signed_by_publisher.dll --trust publisher.pem
expect 0 suture verify signed_by_publisher.dll --trust website.pem --trust publisher.pem

refused certificate-expired suture verify signed_by_expired.dll --trust expired.pem
refused certificate-not-yet-valid suture verify signed_by_later.dll --trust later.pem
refused signer-not-for-code suture verify signed_by_website.dll --trust website.pem
refused signer-not-trusted suture verify signed_by_publisher.dll --trust website.pem
refused unsigned-package suture verify "$package" --trust publisher.pem
refused trust-not-stated suture verify "$package"
refused trust-anchor-unreadable suture verify signed_by_publisher.dll --trust publisher.request

# A byte of the package; the last one of the signature itself; and a digest that is not relied upon.
target-tool flip signed_by_publisher.dll $(($(wc -c <"$package") - 9)) changed.dll
refused signature-digest-differs suture verify changed.dll --trust publisher.pem
size=$(wc -c <signed_by_publisher.dll)
for behind in 16 24 32; do # the value lies before the alignment of the table
  target-tool flip signed_by_publisher.dll $((size - behind)) changed.dll
  refused signature-invalid suture verify changed.dll --trust publisher.pem
done
sign_file publisher "$package" weak.dll -h sha1
refused signature-weak suture verify weak.dll --trust publisher.pem
sign_file publisher signed_by_publisher.dll twice.dll -nest
refused several-signatures suture verify twice.dll --trust publisher.pem

# The kind of the certificate table, and the algorithm of the signature: the last identifier rsaEncryption.
target-tool flip signed_by_publisher.dll $(($(wc -c <"$package") + 6)) changed.dll
refused signature-malformed suture verify changed.dll --trust publisher.pem
at=$(LC_ALL=C grep -obUaP '\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01' signed_by_publisher.dll | tail -n 1 | cut -d: -f1)
target-tool flip signed_by_publisher.dll $((at + 8)) changed.dll
refused signature-unsupported suture verify changed.dll --trust publisher.pem

# Without what leads to the signature, and without the signature too; with something behind it.
headers=$(od -An -tu4 -j60 -N4 signed_by_publisher.dll)
cp signed_by_publisher.dll stripped.dll
printf '\0\0\0\0\0\0\0\0' | dd of=stripped.dll bs=1 seek=$((headers + 168)) conv=notrunc 2>>log
refused signature-stripped suture verify stripped.dll --trust publisher.pem
head -c "$(wc -c <"$package")" stripped.dll >clean.dll
refused unsigned-package suture verify clean.dll --trust publisher.pem
{ cat signed_by_publisher.dll; printf 'appended'; } >longer.dll
refused data-after-signature suture verify longer.dll --trust publisher.pem
