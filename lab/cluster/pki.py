"""Certificates and keys of a cluster, as kubeadm makes them; kubeconfigs of its components."""

import datetime
import ipaddress
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.cluster import kubeconfig
from lab.instance import API_SERVICE_IP, DEPLOYER, Cluster, write_private

DIR = "/var/lib/kubernetes/pki"  # inside the cluster
NETWORK_POLICIES = "network-policies"  # the user of what enforces them
_LIFETIME = datetime.timedelta(days=365)
_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class _Authority:
    """A CA that writes what it issues into one folder."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, folder: Path, file: str, name: str) -> "_Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=True,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _builder(subject, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(folder, file, certificate, key)
        return cls(folder, certificate, key)

    @classmethod
    def load(cls, folder: Path, file: str) -> "_Authority":
        certificate = x509.load_pem_x509_certificate((folder / f"{file}.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{file}.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # as created above
        return cls(folder, certificate, key)

    def issue(
        self,
        file: str,
        name: str,
        groups: Sequence[str] = (),
        sans: Sequence[x509.GeneralName] = (),
    ) -> None:
        """A certificate for a client and, if it has `sans`, for a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
        builder = _builder(x509.Name(attributes), self.certificate.subject, key.public_key())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if sans:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        _write(self.folder, file, builder.sign(self.key, hashes.SHA256()), key)


def ensure(cluster: Cluster) -> None:
    """Make all certificates, keys and component kubeconfigs of a cluster, once."""
    final = cluster.path(DIR)
    if not final.is_dir():
        _make(cluster, final)
    # Each is written last; older labs have no such users.
    if not (final / f"{DEPLOYER}.key").exists():
        _Authority.load(final, "ca").issue(DEPLOYER, DEPLOYER)
    if not (final / f"{NETWORK_POLICIES}.kubeconfig").exists():
        _Authority.load(final, "ca").issue(NETWORK_POLICIES, NETWORK_POLICIES)
        _write_kubeconfig(cluster, final, NETWORK_POLICIES)


def _make(cluster: Cluster, final: Path) -> None:
    folder = final.with_name("pki.tmp")  # renamed when complete: a killed lab leaves no half
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)

    front_proxy = _Authority.create(folder, "front-proxy-ca", f"{cluster.context}-front-proxy")
    front_proxy.issue("front-proxy-client", "front-proxy-client")

    ca = _Authority.create(folder, "ca", cluster.context)
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names = ["localhost", *service, f"kubernetes.default.svc.{_DOMAIN}"]
    addresses = ["127.0.0.1", cluster.address, API_SERVICE_IP]
    ca.issue("apiserver", "kube-apiserver", sans=[*_dns(names), *_ips(addresses)])
    ca.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"])
    ca.issue("admin", "kubernetes-admin", ["system:masters"])
    ca.issue("controller-manager", "system:kube-controller-manager")
    ca.issue("scheduler", "system:kube-scheduler")
    ca.issue("kube-proxy", "system:kube-proxy")
    node_sans = [*_dns([cluster.node_name]), *_ips([cluster.address])]
    ca.issue("kubelet", f"system:node:{cluster.node_name}", ["system:nodes"], node_sans)

    signer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_private(folder / "sa.key", _pem(signer))
    public = signer.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_private(folder / "sa.pub", public)
    for user in ("admin", "controller-manager", "scheduler", "kube-proxy", "kubelet"):
        _write_kubeconfig(cluster, folder, user)
    folder.rename(final)


def _write_kubeconfig(cluster: Cluster, folder: Path, user: str) -> None:
    document = kubeconfig.document(cluster, folder, user, "https://127.0.0.1:6443")
    write_private(folder / f"{user}.kubeconfig", kubeconfig.dump(document))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _dns(names: Sequence[str]) -> list[x509.GeneralName]:
    return [x509.DNSName(name) for name in names]


def _ips(addresses: Sequence[str]) -> list[x509.GeneralName]:
    return [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(
    folder: Path, file: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    write_private(folder / f"{file}.crt", pem)
    write_private(folder / f"{file}.key", _pem(key))
