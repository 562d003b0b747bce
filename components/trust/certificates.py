"""The certificates of a cluster CA, as Istio wants them. Pure functions."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.model import CaCerts
from components.trust import cert_chains
from components.trust.ca_checks import Fault, faults, problems
from components.trust.cert_chains import pem_certificates

__all__ = [
    "Facts",
    "Fault",
    "cacerts_of_tls_secret",
    "crl_ends",
    "facts",
    "faults",
    "fingerprint",
    "fingerprints",
    "key_fingerprint",
    "pem_certificates",
    "problems",
    "revoked",
    "root_of",
    "roots_bundle",
    "signed_list",
]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is worth telling of a certificate."""

    fingerprint: str
    """As `fingerprint` returns it."""
    serial: str
    """Serial number: lower-case hex, no colons, no leading zeros."""
    subject: str
    """Distinguished name (RFC 4514)."""
    not_before: datetime
    not_after: datetime


def cacerts_of_tls_secret(data: Mapping[str, str]) -> CaCerts[str]:
    """Turn the data of cert-manager's Secret (base64) into a cluster CA without a CRL."""
    chain, key, root = (
        base64.b64decode(data[name]).decode("ascii") for name in ("tls.crt", "tls.key", "ca.crt")
    )
    return CaCerts(ca_cert=pem_certificates(chain)[0], ca_key=key, cert_chain=chain, root_cert=root)


def facts(pem: str) -> list[Facts]:
    """Return the facts of each certificate of a PEM file, in order.

    Raises:
        ValueError: one of them cannot be read.
    """
    return [_facts(certificate) for certificate in cert_chains.load(pem)]


def _facts(certificate: x509.Certificate) -> Facts:
    return Facts(
        fingerprint=_fingerprint(certificate.public_bytes(Encoding.DER)),
        serial=f"{certificate.serial_number:x}",
        subject=cert_chains.name(certificate.subject),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def root_of(chain_pem: str, roots_pem: str) -> str:
    """Return the fingerprint of the root that a chain ends in, empty when it ends in none.

    Args:
        chain_pem: a CA's certificate, followed by those between it and the root.
        roots_pem: the roots to choose from.

    Raises:
        ValueError: one of the certificates cannot be read.
    """
    chain, roots = cert_chains.load(chain_pem), cert_chains.load(roots_pem)
    way = cert_chains.way_to_root(chain[0], chain[1:], roots) if chain else []
    return _facts(way[-1]).fingerprint if way and way[-1] in roots else ""


def revoked(pem: str) -> list[str]:
    """Return the serial numbers in the revocation lists of a PEM file, hex, each once, sorted.

    Raises:
        ValueError: a list cannot be read.
    """
    lists = (cert_chains.load_crl(one) for one in cert_chains.pem_crls(pem))
    return sorted({f"{entry.serial_number:x}" for crl in lists for entry in crl})


def signed_list(crl_pem: str, ca_pem: str) -> bool:
    """Tell whether a revocation list is signed by a CA."""
    authority = cert_chains.load(ca_pem)[0]
    return any(
        cert_chains.load_crl(one).is_signature_valid(authority.public_key())  # type: ignore[arg-type]
        for one in cert_chains.pem_crls(crl_pem)
    )


def crl_ends(pem: str) -> datetime:
    """Return when the first revocation list of a PEM file ends (`nextUpdate`).

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    for one in cert_chains.pem_crls(pem)[:1]:
        return cert_chains.load_crl(one).next_update_utc or datetime.max.replace(tzinfo=UTC)
    raise ValueError("there is no revocation list")


def roots_bundle(roots: Iterable[str]) -> str:
    """Return the certificates of several PEM files as one, each once.

    They are sorted by fingerprint and written anew: an equal set gives equal bytes, so that
    neither order nor layout of the roots can restart an istiod.
    """
    ders = {_der(pem) for root in roots for pem in pem_certificates(root)}
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in sorted(ders, key=_fingerprint))


def fingerprint(pem: str) -> str:
    """Return the SHA-256 of the first certificate of a PEM file, as openssl prints it."""
    return _fingerprint(_der(pem_certificates(pem)[0]))


def fingerprints(pem: str) -> list[str]:
    """Return the fingerprints of all certificates of a PEM file, each once, sorted."""
    return sorted({_fingerprint(_der(one)) for one in pem_certificates(pem)})


def key_fingerprint(pem: str) -> str:
    """Return the SHA-256 of the public key of the first certificate of a PEM file.

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    for certificate in cert_chains.load(pem)[:1]:
        try:
            key = certificate.public_key()
        except cert_chains.MALFORMED:
            break
        return _fingerprint(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    raise ValueError("there is no certificate with a key that can be read")


def _der(pem: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.strip())


def _fingerprint(der: bytes) -> str:
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
