"""Parsed certificates, and the way from one of them to its root. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm


def _block(label: str) -> re.Pattern[str]:
    """Return what finds PEM blocks where Go does: on lines of their own."""
    return re.compile(
        rf"^-----BEGIN {label}-----\s.+?^-----END {label}-----[ \t\r]*(?:\n|\Z)",
        re.DOTALL | re.MULTILINE,
    )


_PEM_CERTIFICATE = _block("CERTIFICATE")
_PEM_CRL = _block("X509 CRL")
MALFORMED = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for an object that it cannot read."""


def pem_certificates(text: str) -> list[str]:
    """Return the certificates of a PEM file, in order."""
    return _PEM_CERTIFICATE.findall(text)


def pem_crls(text: str) -> list[str]:
    """Return the revocation lists of a PEM file, in order."""
    return _PEM_CRL.findall(text)


def load(text: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, in order.

    Raises:
        ValueError: one of them cannot be read.
    """
    return [_load(pem) for pem in pem_certificates(text)]


def _load(pem: str) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        # The library reads these when asked; what is malformed has to show here, not later.
        _ = certificate.extensions, certificate.subject, certificate.issuer
    except MALFORMED:
        # Without the cause: what stands in the file is nobody's business in an error.
        raise ValueError("a certificate cannot be read") from None
    return certificate


def load_crl(pem: str) -> x509.CertificateRevocationList:
    """Return one revocation list.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return x509.load_pem_x509_crl(pem.encode())
    except MALFORMED:
        raise ValueError("a revocation list cannot be read") from None


def way_to_root(
    first: x509.Certificate, between: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Return the certificates from `first` to one of `roots`, each signed by the next.

    Their order in `between` does not matter, as it does not to Go and Envoy. If there is no way to
    a root, the result is the longest one, which then ends elsewhere.
    """
    longest: list[x509.Certificate] = []
    candidates = [*roots, *between]

    def search(way: list[x509.Certificate]) -> bool:
        nonlocal longest
        if len(way) > len(longest):
            longest = way
        if way[-1] in roots:
            longest = way
            return True
        return any(
            search([*way, issuer])
            for issuer in candidates
            if issuer not in way and _signed_by(way[-1], issuer)
        )

    search([first])
    return longest


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, *MALFORMED):
        return False
    return True


def name(value: x509.Name) -> str:
    """Return a distinguished name on one line."""
    text = value.rfc4514_string()
    return text if text and text.isprintable() else repr(text)
