"""Certificates as whoever has stolen a cluster CA could make them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.kube import Kube


def mint(kube: Kube, spiffe_id: str) -> str:
    """Sign a workload certificate with the CA of a cluster; return chain and key, PEM."""
    data = kube.get("secret", "cacerts", "-n", "istio-system")["data"]
    files = {name: base64.b64decode(text) for name, text in data.items()}
    ca = x509.load_pem_x509_certificate(files["ca-cert.pem"])
    signer = serialization.load_pem_private_key(files["ca-key.pem"], None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)])
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=3))
        .add_extension(names, critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    pem = leaf.public_bytes(serialization.Encoding.PEM) + files["cert-chain.pem"]
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return (pem + private).decode()


def put(kube: Kube, namespace: str, path: str, text: str) -> None:
    """Write a file into the client pod of a namespace."""
    target = ["-n", namespace, "deploy/client", "-c", "client"]
    kube.run("exec", "-i", *target, "--", "sh", "-c", f"cat > {path}", stdin=text)
