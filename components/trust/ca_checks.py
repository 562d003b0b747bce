"""Why istiod, or a peer, would refuse a cluster CA. Pure functions.

istiod tells such a reason in its log only and does not start; a peer tells it in the log of its
Envoy, per connection. Here it is told before anything is changed. What istiod looks at is in its
`security/pkg/pki/util/keycertbundle.go` (`Verify`); peers are Go's x509 and Envoy's BoringSSL.

No fault quotes a file's contents or an exception's text: either can hold a private key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from components.model import CA_CERT, CA_CRL, CA_KEY, CERT_CHAIN, ROOT_CERT, CaCerts
from components.trust import cert_chains

SKEW = timedelta(minutes=5)
"""What is issued just now begins later than the clock here says, if the issuer's clock is ahead.

An istiod whose clock is behind as well restarts until then.
"""

RSA_BITS = 2048
CURVES = ("secp256r1", "secp384r1", "secp521r1")
HASHES = ("SHA256", "SHA384", "SHA512")
"""What Go and BoringSSL both take."""

_KEY_BLOCKS = ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
_BLOCK = re.compile(r"^-----BEGIN ([A-Z0-9 ]+)-----", re.MULTILINE)
_ENCRYPTED = re.compile(r"BEGIN ENCRYPTED PRIVATE KEY|^Proc-Type: 4,ENCRYPTED", re.MULTILINE)

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class Fault(NamedTuple):
    """One reason to refuse a cluster CA; as text it is one sentence."""

    file: str
    """The file of Istio's Secret `cacerts` that has it."""
    what: str
    """What is wrong, with the value; continues a sentence that begins with the file."""
    fix: str

    def __str__(self) -> str:
        return f"{self.file} {self.what}; {self.fix}"


@dataclass(frozen=True)
class _Ca:
    """A cluster CA, as far as it can be read."""

    ca: x509.Certificate
    chain: Sequence[x509.Certificate]
    roots: Sequence[x509.Certificate]

    def placed(self) -> dict[x509.Certificate, tuple[str, str]]:
        """Return each certificate, once, with its file and how a sentence about it begins."""
        files = {CERT_CHAIN: self.chain, ROOT_CERT: self.roots}
        places = {c: (file, f"holds {_title(c)}, which ") for file in files for c in files[file]}
        return {self.ca: (CA_CERT, "")} | {c: places[c] for c in places if c != self.ca}


def problems(cacerts: CaCerts[str], now: datetime, *, path_length: bool) -> list[str]:
    """Return every reason why istiod or a peer would refuse a cluster CA, one sentence each.

    Args:
        cacerts: the cluster CA.
        now: the time of validity, with a time zone.
        path_length: insist on path length 0, which keeps the cluster CA from making further CAs;
            cert-manager cannot set it (cert-manager/cert-manager#5743).
    """
    return [str(fault) for fault in faults(cacerts, now, path_length=path_length)]


def faults(cacerts: CaCerts[str], now: datetime, *, path_length: bool) -> list[Fault]:
    """Return what `problems` does, in parts."""
    texts = {
        CA_CERT: cacerts.ca_cert,
        CERT_CHAIN: cacerts.cert_chain,
        ROOT_CERT: cacerts.root_cert,
    }
    reasons = [fault for file, text in texts.items() for fault in _of_public_file(file, text)]
    loaded = {file: _load(text) for file, text in texts.items()}
    key, crl = cacerts.ca_key, cacerts.ca_crl or ""
    if not all(loaded.values()):
        return [*reasons, *_of_key(key, None), *_of_crl_file(crl)]
    ca = _Ca(loaded[CA_CERT][0], loaded[CERT_CHAIN], loaded[ROOT_CERT])
    for certificate, (file, who) in ca.placed().items():
        reasons += [
            Fault(file, who + what, fix)
            for what, fix in _of_certificate(certificate, now, bool(crl.strip()))
        ]
    reasons += _of_key(key, ca.ca)
    reasons += _of_chain(ca, path_length)
    reasons += [*_of_crl_file(crl), *_of_crls(_crls(crl), ca, now)]
    return reasons


def _of_public_file(file: str, text: str) -> Iterator[Fault]:
    if "PRIVATE KEY" in text:
        yield Fault(file, "holds a private key", f"keep that in {CA_KEY} alone, others are public")
    if not cert_chains.pem_certificates(text):
        yield Fault(file, "holds no certificate", "put a PEM certificate there")
    elif not _load(text):
        yield Fault(file, "holds a certificate that cannot be read", "put it there anew, as PEM")


def _load(text: str) -> list[x509.Certificate]:
    try:
        return cert_chains.load(text)
    except ValueError:
        return []


def _of_certificate(
    certificate: x509.Certificate, now: datetime, crl: bool
) -> Iterator[tuple[str, str]]:
    """Say what is wrong with a CA's certificate, whichever it is."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        yield f"expired on {_date(end)}", "issue it again"
    if now < begin - SKEW:
        yield f"is not valid before {_date(begin)}", "wait, or set this machine's clock"
    basic = _extension(certificate, x509.BasicConstraints)
    if not basic or not basic.ca:
        yield "is no CA (CA:false)", "issue it with basicConstraints CA:true"
    yield from _of_usage(certificate, crl)
    if weak := _weak_key(certificate):
        fix = f"use RSA with {RSA_BITS} bits or more, or ECDSA on P-256, P-384 or P-521"
        yield f"has {weak}", fix
    if (signature := _hash(certificate)) not in HASHES:
        yield f"is signed with {signature}", "sign it with RSA or ECDSA and SHA-256 or longer"


def _of_usage(certificate: x509.Certificate, crl: bool) -> Iterator[tuple[str, str]]:
    usage = _extension(certificate, x509.KeyUsage)
    if usage and not usage.key_cert_sign:
        lacks = "may not sign certificates (its key usage lacks keyCertSign)"
        yield lacks, "issue it with keyCertSign and cRLSign"
    if usage and crl and not usage.crl_sign:
        lacks = "may not sign revocation lists (its key usage lacks cRLSign)"
        yield lacks, "issue it with keyCertSign and cRLSign"
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    # On a CA it limits what is below. Workloads are servers and clients at once.
    wanted = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    unlimited = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
    if extended and unlimited not in extended and not wanted <= set(extended):
        lacks = "is not for TLS (its extended key usage lacks serverAuth or clientAuth)"
        yield lacks, "issue it without extended key usage"


def _weak_key(certificate: x509.Certificate) -> str:
    """Name a key that Istio or Envoy does not take, or that is too weak; empty: it is good."""
    key = _public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        return "" if key.key_size >= RSA_BITS else f"an RSA key with {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if key.curve.name in CURVES else f"an ECDSA key on {key.curve.name}"
    kind = type(key).__name__.removesuffix("PublicKey") if key else "unknown"
    return f"a key of a kind that Istio does not take ({kind})"


def _hash(signed: x509.Certificate | x509.CertificateRevocationList) -> str:
    """Name the hash of a signature; if it has none that is known, the whole algorithm."""
    try:
        algorithm = signed.signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    if algorithm is None:
        return f"the algorithm {signed.signature_algorithm_oid.dotted_string}"
    return algorithm.name.upper()


def _of_key(text: str, ca: x509.Certificate | None) -> Iterator[Fault]:
    """Say what is wrong with the private key; `ca` is what it has to fit, None when unreadable."""
    first = next(iter(_BLOCK.findall(text)), "")
    fix = f"put the private key of {CA_CERT} there, PEM"
    if _ENCRYPTED.search(text):
        yield Fault(CA_KEY, "is encrypted", "istiod knows no passphrase: put it there decrypted")
        return
    if first == "EC PARAMETERS":
        yield Fault(CA_KEY, "begins with EC PARAMETERS", "remove that block: istiod reads only one")
        return
    if first not in _KEY_BLOCKS:
        yield Fault(CA_KEY, "holds no private key", fix)
        return
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
        fits = not ca or key.public_key() == _public_key(ca)
    except (TypeError, *cert_chains.MALFORMED):
        yield Fault(CA_KEY, "cannot be read", fix)
        return
    if not fits:
        yield Fault(CA_KEY, f"does not belong to {CA_CERT}", fix)


def _of_chain(ca: _Ca, path_length: bool) -> Iterator[Fault]:
    if ca.chain[0] != ca.ca:
        fix = "put that first, then those between it and the root"
        yield Fault(CERT_CHAIN, f"does not begin with the certificate of {CA_CERT}", fix)
    own = _length(ca.ca)
    if path_length and own != 0:
        what = "has no path length" if own is None else f"has the path length {own}"
        yield Fault(CA_CERT, what, "issue it with pathlen:0, as it signs workloads' only")
    way = cert_chains.way_to_root(ca.ca, ca.chain, ca.roots)
    # A signature that is refused anyway cannot be verified either; once told is enough.
    if way[-1] not in ca.roots and _hash(way[-1]) in HASHES:
        yield _dead_end(way[-1], ca)
    placed = ca.placed()
    for below, certificate in enumerate(way):
        length = _length(certificate)
        if length is not None and length < below:
            file, who = placed[certificate]
            cas = "1 CA" if below == 1 else f"{below} CAs"
            what = f"{who}has the path length {length}, with {cas} below it"
            yield Fault(file, what, f"issue it with pathlen:{below} or more, or without")


def _dead_end(last: x509.Certificate, ca: _Ca) -> Fault:
    """Say at which certificate the way to a root ends, and why."""
    issuer = cert_chains.name(last.issuer)
    what = f"does not lead to {ROOT_CERT}: "
    for file, certificates in ((ROOT_CERT, ca.roots), (CERT_CHAIN, ca.chain)):
        if any(c.subject == last.issuer and c != last for c in certificates):
            what += f"the {issuer} in {file} did not sign {_title(last)}"
            return Fault(CERT_CHAIN, what, "put the one there that did")
    if last.issuer == last.subject:
        return Fault(
            CERT_CHAIN, f"{what}it ends at {_title(last)}", f"put its root into {ROOT_CERT}"
        )
    what += f"{_title(last)} is signed by {issuer}, which is in neither"
    return Fault(CERT_CHAIN, what, f"add it, or put it into {ROOT_CERT} if it is the root")


def _of_crl_file(text: str) -> Iterator[Fault]:
    blocks = cert_chains.pem_crls(text)
    if "PRIVATE KEY" in text:
        yield Fault(CA_CRL, "holds a private key", f"keep that in {CA_KEY} alone")
    if text.strip() and not blocks:
        yield Fault(CA_CRL, "holds no revocation list", "put PEM lists there, or leave it out")
    elif len(_crls(text)) < len(blocks):
        what = "holds a revocation list that cannot be read"
        yield Fault(CA_CRL, what, "put it there anew, as PEM")


def _crls(text: str) -> list[x509.CertificateRevocationList]:
    """Return the revocation lists that can be read."""
    crls = []
    for pem in cert_chains.pem_crls(text):
        with suppress(ValueError):
            crls.append(cert_chains.load_crl(pem))
    return crls


def _of_crls(
    crls: Sequence[x509.CertificateRevocationList], ca: _Ca, now: datetime
) -> Iterator[Fault]:
    for crl in crls:
        yield from _of_crl(crl, now)
    if not crls:
        return
    way = cert_chains.way_to_root(ca.ca, ca.chain, ca.roots)
    # istiod wants a list of each certificate in cert-chain.pem, Envoy of the root, too.
    for certificate in dict.fromkeys((*way, *ca.chain)):
        if not any(_signs(certificate, crl) for crl in crls):
            what = f"holds no list signed by {_title(certificate)}"
            fix = "add one: with a list of one CA, peers refuse each other CA that has none"
            yield Fault(CA_CRL, what, fix)


def _of_crl(crl: x509.CertificateRevocationList, now: datetime) -> Iterator[Fault]:
    who = f"holds the list of {cert_chains.name(crl.issuer)}, which "
    begin, end = crl.last_update_utc, crl.next_update_utc
    if end and now > end:
        yield Fault(CA_CRL, f"{who}ended on {_date(end)}", "issue a new list")
    if now < begin - SKEW:
        what = f"{who}is not valid before {_date(begin)}"
        yield Fault(CA_CRL, what, "wait, or set this machine's clock")
    if (signature := _hash(crl)) not in HASHES:
        fix = "sign it with RSA or ECDSA and SHA-256 or longer"
        yield Fault(CA_CRL, f"{who}is signed with {signature}", fix)


def _signs(ca: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    key = _public_key(ca)
    if crl.issuer != ca.subject or not isinstance(
        key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    ):
        return False
    try:
        return crl.is_signature_valid(key)
    except (TypeError, *cert_chains.MALFORMED):
        return False


def _public_key(certificate: x509.Certificate) -> PublicKeyTypes | None:
    try:
        return certificate.public_key()
    except cert_chains.MALFORMED:
        return None


def _length(certificate: x509.Certificate) -> int | None:
    basic = _extension(certificate, x509.BasicConstraints)
    return basic.path_length if basic else None


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _title(certificate: x509.Certificate) -> str:
    return f"{cert_chains.name(certificate.subject)} (serial {certificate.serial_number:x})"


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
