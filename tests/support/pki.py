"""Certificates as a user's own PKI would make them, good ones and others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

CURVES: dict[str, ec.EllipticCurve] = {
    "P-224": ec.SECP224R1(),
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
}
USAGES = ("digital_signature", "key_cert_sign", "crl_sign")
NO_USAGES = dict.fromkeys(
    (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
        *USAGES,
    ),
    False,
)


def key(name: str, kind: str = "P-256") -> Key:
    """Return a private key; the same name has the same key for the whole session.

    Args:
        name: tells it from others.
        kind: `P-224`, `P-256`, `P-384`, `Ed25519`, or the number of bits of an RSA key.
    """
    return _key(name, kind)


@cache
def _key(_: str, kind: str) -> Key:
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    return rsa.generate_private_key(65537, int(kind))


def key_pem(
    private: Key,
    passphrase: bytes = b"",
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> str:
    """Return a private key, PEM; with a passphrase, encrypted."""
    encryption = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    return private.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


@dataclass(frozen=True)
class Ca:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @cached_property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @cached_property
    def key_pem(self) -> str:
        return key_pem(self.key)


def make(
    name: str | x509.Name,
    by: Ca | None = None,
    *,
    key: Key | None = None,
    ca: bool = True,
    path_length: int | None = None,
    usages: Iterable[str] | None = USAGES,
    extended: Iterable[ObjectIdentifier] = (),
    names: Iterable[x509.GeneralName] = (),
    serial: int | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> Ca:
    """Issue a certificate; with an EC key, a serial number and dates it has the same bytes always.

    Args:
        name: its subject, or the common name of it; an empty text: a subject without a name.
        by: who signs it; None: it signs itself.
        key: its key; None: a new one on P-256.
        ca: basic constraints.
        path_length: of the basic constraints.
        usages: key usages; None: the extension is missing.
        extended: extended key usages; empty: the extension is missing.
        names: alternative names, a workload's SPIFFE ID for one; empty: the extension is missing.
        serial: its serial number, a random one by default.
        begin: start of its life, five minutes ago by default.
        end: end of its life, in two days by default.
        algorithm: hash of the signature, SHA-256 by default.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = name if isinstance(name, x509.Name) else _name(name)
    issuer = by.certificate.subject if by else subject
    signer = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin or now - timedelta(minutes=5))
        .not_valid_after(end or now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    )
    if usages is not None:
        usage = x509.KeyUsage(**NO_USAGES | dict.fromkeys(usages, True))
        builder = builder.add_extension(usage, critical=True)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    # Go gives every CA one; openssl needs it to sign a list.
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(own, critical=False)
    if by and not ca:
        issuer_key = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        signed_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key.value)
        builder = builder.add_extension(signed_by, critical=False)
    hashed = None if isinstance(signer, ed25519.Ed25519PrivateKey) else algorithm or hashes.SHA256()
    same = True if isinstance(signer, ec.EllipticCurvePrivateKey) else None
    certificate = builder.sign(signer, hashed, ecdsa_deterministic=same)  # type: ignore[arg-type]
    return Ca(certificate, key)


def crl(
    by: Ca,
    *,
    revoked: Iterable[int] = (),
    begin: datetime | None = None,
    end: datetime | None = None,
) -> str:
    """Return a revocation list, PEM.

    Args:
        by: the CA whose list it is.
        revoked: serial numbers.
        begin: when it was made, five minutes ago by default.
        end: when the next one is due, in two days by default.
    """
    now = datetime.now(UTC)
    begin = begin or now - timedelta(minutes=5)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(begin)
        .next_update(end or now + timedelta(days=2))
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begin)
        builder = builder.add_revoked_certificate(entry.build())
    assert not isinstance(by.key, ed25519.Ed25519PrivateKey)
    same = True if isinstance(by.key, ec.EllipticCurvePrivateKey) else None
    made = builder.sign(by.key, hashes.SHA256(), ecdsa_deterministic=same)
    return made.public_bytes(serialization.Encoding.PEM).decode()


RSA_WITH_SHA256 = bytes.fromhex("2a864886f70d01010b")
OLD_HASHES = {"SHA1": (5, hashes.SHA1()), "MD5": (4, hashes.MD5())}


def old_signature(ca: Ca, signer: Key, algorithm: str) -> Ca:
    """Sign a certificate anew with a hash that the library refuses to sign with.

    Args:
        ca: what `make` signed with an RSA key and SHA-256.
        signer: that RSA key.
        algorithm: `SHA1` or `MD5`.
    """
    named = _named(ca.certificate.public_bytes(serialization.Encoding.DER), algorithm)
    signed = x509.load_der_x509_certificate(named).tbs_certificate_bytes
    der = _signed(named, signed, signer, algorithm)
    return Ca(x509.load_der_x509_certificate(der), ca.key)


def old_crl(by: Ca, algorithm: str) -> str:
    """Return a revocation list of a CA with an RSA key, with such a signature, PEM."""
    der = x509.load_pem_x509_crl(crl(by).encode()).public_bytes(serialization.Encoding.DER)
    named = _named(der, algorithm)
    signed = x509.load_der_x509_crl(named).tbs_certlist_bytes
    made = x509.load_der_x509_crl(_signed(named, signed, by.key, algorithm))
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _named(der: bytes, algorithm: str) -> bytes:
    # The algorithm's name stands in two places, and differs from the other in its last byte only.
    return der.replace(RSA_WITH_SHA256, RSA_WITH_SHA256[:-1] + bytes([OLD_HASHES[algorithm][0]]))


def _signed(der: bytes, signed: bytes, signer: Key, algorithm: str) -> bytes:
    assert isinstance(signer, rsa.RSAPrivateKey)
    signature = signer.sign(signed, padding.PKCS1v15(), OLD_HASHES[algorithm][1])
    return der[: -len(signature)] + signature


def unknown_key(ca: Ca) -> Ca:
    """Return a certificate with a key on P-256 anew, as one on a curve that nobody knows."""
    der = ca.certificate.public_bytes(serialization.Encoding.DER)
    other = der.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030177"))
    return Ca(x509.load_der_x509_certificate(other), ca.key)


def write(directory: Path, clusters: Iterable[str], root: Ca | None = None) -> str:
    """Write the four files of `cacerts` for each cluster; return the root certificate, PEM."""
    root = root or make("root")
    for cluster in clusters:
        write_one(directory / cluster, make(cluster, root, path_length=0), root)
    return root.pem


def write_one(folder: Path, ca: Ca, root: Ca) -> None:
    """Write the four files of one cluster CA."""
    folder.mkdir(parents=True)
    (folder / "ca-cert.pem").write_text(ca.pem)
    (folder / "cert-chain.pem").write_text(ca.pem)
    (folder / "root-cert.pem").write_text(root.pem)
    (folder / "ca-key.pem").write_text(ca.key_pem)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
