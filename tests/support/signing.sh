# Keys, certificates, revocation lists and signatures for tests; sourced, with `support` for the folder of this file.
# Everything is made in the current folder, by openssl and osslsigncode, whose words go to the file `log`. Times are
# written as 20260101000000Z.

cat >signing.cnf <<'END'
[ca]
default_ca = own
[own]
database = $ENV::DATABASE
rand_serial = yes
new_certs_dir = .
policy = names
default_md = sha256
unique_subject = no
crl_extensions = list
[names]
commonName = supplied
[list]
authorityKeyIdentifier = keyid:always
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[code]
extendedKeyUsage = codeSigning
keyUsage = digitalSignature
[lifetime]
extendedKeyUsage = codeSigning, 1.3.6.1.4.1.311.10.3.13
keyUsage = digitalSignature
[web_authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
extendedKeyUsage = serverAuth
[web]
extendedKeyUsage = serverAuth
[stamps]
extendedKeyUsage = critical, timeStamping
keyUsage = digitalSignature
[stamps_and_code]
extendedKeyUsage = timeStamping, codeSigning
keyUsage = digitalSignature
END

# NAME.key: rsa:BITS or ec:CURVE.
new_key() { # NAME KIND
  case $2 in
  rsa:*) openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa:}" -out "$1.key" >>log 2>&1 ;;
  ec:*) openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:${2#ec:}" -out "$1.key" >>log 2>&1 ;;
  esac
}
# NAME.pem for the key of NAME, with CN=SUBJECT; ISSUER: name of an authority, or the same name for itself.
new_certificate() { # NAME SUBJECT ISSUER EXTENSIONS FROM TO [OPTION...]
  name=$1; subject=$2; issuer=$3; extensions=$4; from=$5; to=$6; shift 6
  : >database
  openssl req -new -key "$name.key" -out "$name.request" -subj "/CN=$subject" >>log 2>&1
  by="-cert $issuer.pem"
  [ "$name" != "$issuer" ] || by=-selfsign
  # shellcheck disable=SC2086 # words
  DATABASE=database openssl ca -batch -config signing.cnf $by -keyfile "$issuer.key" -in "$name.request" \
    -out "$name.pem" -notext -extensions "$extensions" -startdate "$from" -enddate "$to" "$@" >>log 2>&1
}
# NAME.crl of ISSUER, which revokes CERTIFICATE since WHEN.
new_list() { # NAME ISSUER FROM TO [CERTIFICATE WHEN REASON]...
  name=$1; issuer=$2; from=$3; to=$4; shift 4
  : >database
  while [ $# != 0 ]; do
    serial=$(openssl x509 -in "$1.pem" -noout -serial | cut -d= -f2)
    printf 'R\t491231235959Z\t%s,%s\t%s\tunknown\t/CN=revoked\n' "${2#20}" "$3" "$serial" >>database
    shift 3
  done
  DATABASE=database openssl ca -gencrl -config signing.cnf -cert "$issuer.pem" -keyfile "$issuer.key" \
    -crl_lastupdate "$from" -crl_nextupdate "$to" -out "$name.crl" >>log 2>&1
}
# OUT: the file as that certificate signs it, with the certificates of `$with` in the signature.
with= serving=
sign_file() { # CERTIFICATE IN OUT [OPTION...]
  signer=$1; in=$2; out=$3; shift 3
  # shellcheck disable=SC2086 # names
  cat "$signer.pem" $with >chain.pem
  rm -f "$out"
  case " $* " in *" -h "*) ;; *) set -- -h sha256 "$@" ;; esac
  # shellcheck disable=SC2086 # words
  $serving osslsigncode sign -certs chain.pem -key "$signer.key" "$@" -in "$in" -out "$out" >>log 2>&1
}
# The same with a time stamp: STAMP as time_server.py has them; the option is -ts for those of RFC 3161, else -t.
stamp_file() { # CERTIFICATE IN OUT STAMP [OPTION]
  serving="python3 $support/time_server.py $PWD"
  sign_file "$1" "$2" "$3" "${5:--ts}" "URL/$4"
  serving=
}
