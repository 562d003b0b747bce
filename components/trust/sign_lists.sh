# shellcheck shell=sh
# The Job `revocation-list` runs this on the root cluster, with the Secret of each CA at /ca/NAME.
# It prints the revocation list of each CA behind a line `== NAME`.
#
# SIGNERS  NAME=BEGIN-END of each CA: its list is valid as long as the CA, for lists are pushed, not
#          fetched: one that runs out would only cut off everybody
# REVOKED  serial numbers of revoked cluster CAs, hex, in whole bytes
# NOW      when they are revoked
#
# Each CA signs a list of its own: Envoy wants one from every CA of a chain, or trusts none of it.
# Only a root's has entries: what is revoked is cluster CAs.
# What openssl says goes into a file: a log mixes it into the lists, in whatever order.
set -eu
cd /work
cat > openssl.cnf <<EOF
[ca]
default_ca = list
[list]
database = index.txt
crlnumber = number
default_md = sha256
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
EOF
for signer in $SIGNERS; do
  name=${signer%%=*} times=${signer#*=} ca=/ca/${signer%%=*}
  : > index.txt
  echo 01 > number
  subject=$(openssl x509 -in "$ca/tls.crt" -noout -subject_hash)
  if [ "$subject" = "$(openssl x509 -in "$ca/tls.crt" -noout -issuer_hash)" ]; then
    for serial in $REVOKED; do
      printf 'R\t491231235959Z\t%s\t%s\tunknown\t/CN=revoked\n' "$NOW" "$serial" >> index.txt
    done
  fi
  openssl ca -gencrl -config openssl.cnf -cert "$ca/tls.crt" -keyfile "$ca/tls.key" -out list.pem \
    -crl_lastupdate "${times%%-*}" -crl_nextupdate "${times#*-}" 2> said || { cat said; exit 1; }
  echo "== $name"
  cat list.pem
done
