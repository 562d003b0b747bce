"""The files of Istio's Secret `cacerts`, named here and nowhere else.

They are those of istio.io, tasks/security/cert-management/plugin-ca-cert.
"""

from __future__ import annotations

CA_CERT, CA_KEY, CERT_CHAIN = "ca-cert.pem", "ca-key.pem", "cert-chain.pem"
ROOT_CERT, CA_CRL = "root-cert.pem", "ca-crl.pem"

FILES = {
    "ca_cert": CA_CERT,
    "ca_key": CA_KEY,
    "cert_chain": CERT_CHAIN,
    "root_cert": ROOT_CERT,
    "ca_crl": CA_CRL,
}
"""Field of `CaCerts` to its file."""

OPTIONAL = CA_CRL
"""The only one that may be missing."""
