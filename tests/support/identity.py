"""Certificates as whoever has stolen a cluster CA could make them."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support import pki
from tests.support.kube import Kube


def mint(kube: Kube, spiffe_id: str) -> str:
    """Sign a workload certificate with the CA of a cluster; return chain and key, PEM."""
    data = kube.get("secret", "cacerts", "-n", "istio-system")["data"]
    files = {name: base64.b64decode(text) for name, text in data.items()}
    ca = x509.load_pem_x509_certificate(files["ca-cert.pem"])
    signer = serialization.load_pem_private_key(files["ca-key.pem"], None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    names = [x509.UniformResourceIdentifier(spiffe_id)]
    leaf = pki.make("", pki.Ca(ca, signer), ca=False, usages=None, names=names)
    return leaf.pem + files["cert-chain.pem"].decode() + leaf.key_pem


def put(kube: Kube, namespace: str, path: str, text: str) -> None:
    """Write a file into the client pod of a namespace."""
    target = ["-n", namespace, "deploy/client", "-c", "client"]
    kube.run("exec", "-i", *target, "--", "sh", "-c", f"cat > {path}", stdin=text)
