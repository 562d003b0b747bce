"""The certificates of a cluster CA, as Istio wants them. Pure functions."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections.abc import Mapping
from typing import TypedDict

from pulumi import Input

_PEM_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL
)


class CaCerts(TypedDict):
    """A cluster CA: the contents of Istio's Secret `cacerts`."""

    ca_cert: Input[str]
    """Certificate of the cluster CA, PEM."""
    ca_key: Input[str]
    """Its private key, PEM; a Pulumi secret."""
    cert_chain: Input[str]
    """The cluster CA's certificate and those between it and the root, PEM."""
    root_cert: Input[str]
    """The root certificate, PEM: the same on all linked clusters."""


def pem_certificates(text: str) -> list[str]:
    """Return the certificates of a PEM file, in order."""
    return _PEM_CERTIFICATE.findall(text)


def cacerts_of_tls_secret(data: Mapping[str, str]) -> dict[str, str]:
    """Turn the data of cert-manager's Secret (base64) into the values of `CaCerts`."""
    chain, key, root = (
        base64.b64decode(data[name]).decode("ascii") for name in ("tls.crt", "tls.key", "ca.crt")
    )
    return {
        "ca_cert": pem_certificates(chain)[0],
        "ca_key": key,
        "cert_chain": chain,
        "root_cert": root,
    }


def fingerprint(pem: str) -> str:
    """Return the SHA-256 of the first certificate of a PEM file, as openssl prints it."""
    certificate = pem_certificates(pem)[0]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
