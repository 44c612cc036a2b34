#!/bin/sh
# The signed packages, certificates and revocation lists of the signature matrix: make_signed.sh PACKAGE FOLDER.
set -eu
support=$(cd "$(dirname "$0")/../../../support" && pwd)
package=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
rm -rf "$2"
mkdir -p "$2"
cd "$2"
finish() {
  code=$?
  [ "$code" = 0 ] || tail -n 30 log >&2
}
trap finish EXIT
trap 'exit 1' INT TERM
. "$support/signing.sh"

ages='20100101000000Z 20991231000000Z'
always='20200101000000Z 20991231000000Z'
in_2020='20200101000000Z 20210101000000Z'
for name in self root house; do new_key $name rsa:2048; done
new_key weak rsa:1024
new_key p256 ec:P-256
new_key p384 ec:P-384
new_key p521 ec:P-521
# Whose key it is matters to none of these.
for name in middle member direct expired later web under_web web_authority stranger lifetime brief employee forged; do
  cp self.key $name.key
done
for name in stamper all_round old_stamper revoked_stamper; do cp house.key $name.key; done

# shellcheck disable=SC2086 # words
{
  new_certificate self publisher self code $always
  new_certificate weak publisher weak code $always
  new_certificate root root root authority $ages
  new_certificate middle middle root authority $always
  new_certificate member publisher middle code $always
  new_certificate direct publisher root code $always
  new_certificate p256 publisher p256 code $always
  new_certificate p384 publisher root code $always
  new_certificate p521 publisher root code $always
  new_certificate expired publisher root code $in_2020
  new_certificate later publisher root code 20980101000000Z 20991231000000Z
  new_certificate web publisher root web $always
  new_certificate web_authority middle root web_authority $always
  new_certificate under_web publisher web_authority code $always
  new_certificate employee employee root code $always
  new_certificate forged publisher employee code $always
  new_certificate lifetime publisher root lifetime $in_2020
  new_certificate stamper stamps stamper stamps $ages
  new_certificate house stamps root stamps $ages
  new_certificate all_round stamps root stamps_and_code $always
  new_certificate old_stamper stamps root stamps 20150101000000Z 20160101000000Z
  new_certificate revoked_stamper stamps root stamps $always
  new_certificate brief publisher root code "$(date -u -d -1day +%Y%m%d%H%M%SZ)" "$(date -u -d +1day +%Y%m%d%H%M%SZ)"
}
new_key stranger rsa:2048
# shellcheck disable=SC2086
new_certificate stranger publisher stranger code $always

for name in self weak direct expired later web stranger; do sign_file $name "$package" $name.dll; done
for digest in sha1 sha384 sha512; do sign_file self "$package" $digest.dll -h $digest; done
sign_file p256 "$package" p256.dll
sign_file p384 "$package" p384.dll -h sha384
sign_file p521 "$package" p521.dll -h sha512
sign_file self self.dll nested.dll -nest
sign_file member "$package" no_chain.dll
with=middle.pem sign_file member "$package" member.dll
with=web_authority.pem sign_file under_web "$package" under_web.dll
with=employee.pem sign_file forged "$package" forged.dll

june_2019=1559347200
june_2020=1590969600
june_2021=1622505600
for name in stamper house old_stamper revoked_stamper; do
  stamp_file expired "$package" expired_$name.dll token/$name/$june_2020
done
stamp_file expired "$package" early.dll token/house/$june_2019
stamp_file expired "$package" late.dll token/house/$june_2021
stamp_file lifetime "$package" lifetime.dll token/house/$june_2020
stamp_file direct "$package" direct_stamped.dll token/house/$june_2020
stamp_file direct "$package" direct_untrusted_stamp.dll token/stamper/$june_2020

stamp_file brief "$package" countersigned.dll old/house -t
stamp_file brief "$package" countersigned_by_all_round.dll old/all_round -t
stamp_file brief "$package" countersigned_by_self.dll old/self -t
stamp_file brief "$package" weakly_countersigned.dll weak/house -t
stamp_file brief "$package" token.dll token/house
stamp_file brief "$package" other_token.dll other/house
sign_file brief "$package" brief.dll

present='20291201000000Z 20300201000000Z'
# shellcheck disable=SC2086
{
  new_list nothing_revoked root $present
  new_list of_middle middle $present
  new_list direct_revoked root $present direct 20220101000000Z superseded
  new_list direct_revoked_early root $present direct 20200201000000Z keyCompromise
  new_list middle_revoked root $present middle 20220101000000Z cACompromise
  new_list stamper_revoked root $present revoked_stamper 20250101000000Z keyCompromise
  new_list old_list root 20250101000000Z 20250201000000Z
  new_list coming_list root 20310101000000Z 20310201000000Z
  new_list of_others p256 $present
  cp stranger.key false_root.key
  new_certificate false_root root false_root authority $always
  new_list forged_list false_root $present
}
