"""What cert-manager issues in the recorder: real certificates, the same bytes in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support import pki
from tests.support.pki import Ca

BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)
"""No test comes near either, so the program has nothing to warn about."""

ROOT_NAME = "root-ca"


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest())


@cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    # The order of P-256 begins with 32 bits of ones: a hash above it would be a rare thing.
    return ec.derive_private_key(_number(f"key of {name}"), ec.SECP256R1())


@cache
def ca(secret: str, end: datetime = END) -> Ca:
    """Return the CA that stands in a Secret: `ROOT` or `CLUSTER.ROOT`.

    Args:
        secret: name of the Secret.
        end: end of its life.
    """
    cluster, _, root = secret.rpartition(".")
    return pki.make(
        _subject(cluster, root) if cluster else _subject(root),
        ca(root) if cluster else None,
        key=_key(secret),
        serial=_number(f"serial of {secret}") >> 100,
        begin=BEGIN,
        end=end,
    )


def _subject(common_name: str, unit: str = "") -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, "istio-multicluster")]
    parts += [(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    parts += [(NameOID.COMMON_NAME, common_name)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def serial(secret: str) -> str:
    """Return the serial number of a CA as the configuration has it."""
    return f"{ca(secret).certificate.serial_number:x}"


def tls_secret(secret: str, end: datetime = END) -> dict[str, str]:
    """Return the files of cert-manager's Secret with a cluster CA."""
    made = ca(secret, end)
    root = ca(secret.rpartition(".")[2]).pem
    return {"tls.crt": made.pem, "tls.key": made.key_pem, "ca.crt": root}


@cache
def crl(secret: str, revoked: tuple[str, ...]) -> str:
    """Return the list that a CA signs; only a root's has entries."""
    serials = [int(number, 16) for number in revoked if "." not in secret]
    return pki.crl(ca(secret), revoked=serials, begin=BEGIN, end=END)


def crls(secrets: Iterable[str], revoked: Iterable[str]) -> str:
    """Return the lists of several CAs, PEM."""
    return "".join(crl(secret, tuple(revoked)) for secret in sorted(secrets))
