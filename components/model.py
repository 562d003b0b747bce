"""The data that the configuration makes and components take: one declaration of each. Plain data.

What is not there is `None`, everywhere. Fields without a default have to be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Text_co = TypeVar("Text_co", covariant=True)
"""`str`, or `Input[str]` where it may not be known yet."""


RETRY_ON = "connect-failure,refused-stream"
"""Envoy's conditions for a hop: nothing has been sent, neither connection nor stream came to be."""


@dataclass(frozen=True, slots=True)
class Retries:
    """What a caller tries again."""

    attempts: int
    """How often, after the first time."""
    retry_on: str
    """Envoy's conditions, separated by commas."""
    per_try_timeout: str | None = None
    """Timeout of each; None: none but that of the whole call."""


@dataclass(frozen=True, slots=True)
class OutlierEjection:
    """When an ingress gateway gets no calls to a service for a while."""

    consecutive_errors: int
    """Answers of 5xx in a row."""
    interval: str
    """How often that is looked at."""
    ejection_time: str
    """How long it gets no calls; longer each time."""


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """Where one exposed port differs from the defaults of every link."""

    timeout: str | None = None
    """Of the whole call; None: none."""
    retries: Retries | None = None
    """None: those of every link."""
    outlier_ejection: OutlierEjection | None = None
    """None: that of every link."""
    max_connections: int | None = None
    """Connections of one egress gateway pod to an ingress gateway; None: no limit."""
    max_pending_requests: int | None = None
    """Requests that wait for a connection; None: no limit."""
    max_requests: int | None = None
    """Requests at a time; None: no limit."""


@dataclass(frozen=True, slots=True)
class ExposedPort:
    """One port of a Service that linked clusters may call."""

    service: str
    """Name of the Service."""
    namespace: str
    """Its namespace."""
    port: int
    """Its port, not the pods'."""
    protocol: str
    """What callers speak: a name from `protocols.TABLE`."""
    allow: tuple[str, ...]
    """Names of the clusters that may call it, sorted; by default every linked one."""
    address: str | None = None
    """IPv4 address on the callers' side of a service that is not HTTP; HTTP has none."""
    policy: TrafficPolicy | None = None
    """None: the defaults of every link."""
    is_global: bool = False
    """Whether it is part of a global service, as on other clusters."""
    weight: int | None = None
    """Its share of the calls to that; None: they go to the nearest."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """How linked clusters reach a cluster's ingress gateway."""

    service: str
    """Type of its Service: `LoadBalancer` or `NodePort`."""
    addresses: tuple[str, ...]
    """IP addresses and host names, given by hand; empty: those that the load balancer gets."""
    port: int
    """The port that linked clusters dial."""
    wait_seconds: int
    """The longest wait for the load balancer to get an address."""
    node_port: int | None = None
    """Node port of the link port; None: whatever the cluster gives it, if any."""


CA_CERT, CA_KEY, CERT_CHAIN = "ca-cert.pem", "ca-key.pem", "cert-chain.pem"
ROOT_CERT, CA_CRL = "root-cert.pem", "ca-crl.pem"
"""The files of Istio's Secret `cacerts` (istio.io, tasks/security/cert-management/plugin-ca-cert).
Only that with the revocation lists may be missing."""


@dataclass(frozen=True, slots=True)
class CaCerts(Generic[Text_co]):
    """A cluster CA: the contents of Istio's Secret `cacerts`."""

    ca_cert: Text_co
    """Certificate of the cluster CA, PEM."""
    ca_key: Text_co = field(repr=False)
    """Its private key, PEM; a secret."""
    cert_chain: Text_co
    """The cluster CA's certificate and those between it and the root, PEM."""
    root_cert: Text_co
    """The root certificates, PEM: the same on all linked clusters."""
    ca_crl: Text_co | None = None
    """Revocation lists, PEM: one of each CA from the cluster's to its root; None: none."""

    def files(self) -> dict[str, Text_co]:
        """Return the contents of each file; without revocation lists there is none for them."""
        files = {
            CA_CERT: self.ca_cert,
            CA_KEY: self.ca_key,
            CERT_CHAIN: self.cert_chain,
            ROOT_CERT: self.root_cert,
        }
        return files if self.ca_crl is None else {**files, CA_CRL: self.ca_crl}


def cacerts_of_files(files: Mapping[str, str]) -> CaCerts[str]:
    """Return a cluster CA from its files; an empty one for revocation lists is none."""
    return CaCerts(
        ca_cert=files[CA_CERT],
        ca_key=files[CA_KEY],
        cert_chain=files[CERT_CHAIN],
        root_cert=files[ROOT_CERT],
        ca_crl=files.get(CA_CRL) or None,
    )


@dataclass(frozen=True, slots=True)
class Root:
    """One root of trust on the root cluster."""

    name: str
    """Names its objects there, and what it signs."""
    issuer: str | None = None
    """The user's own cert-manager issuer; None: a self-signed root that the program makes."""
    issuer_kind: str | None = None
    """`ClusterIssuer` or `Issuer`, if there is an issuer."""


@dataclass(frozen=True, slots=True)
class CertManager:
    """cert-manager, when the program is to install it on the root cluster."""

    version: str
    """Chart version, e.g. `v1.18.2`."""
    repository: str
    """Chart repository (`https://`, `oci://`) or a directory that holds the chart."""
    values: Mapping[str, Any]
    """Further Helm values."""


@dataclass(frozen=True, slots=True)
class RootCa:
    """How cert-manager issues the cluster CAs, when the user brings none."""

    context: str
    """The root cluster's."""
    clusters: tuple[str, ...]
    """Clusters of other stacks that get a CA, too."""
    namespace: str
    """Namespace on the root cluster for keys and certificates."""
    roots: tuple[Root, ...]
    """All are trusted, the first signs: `[old]`, `[old, new]`, `[new, old]`, `[new]` rotate it."""
    lifetime_days: int
    """Life of a cluster CA."""
    renew_before_days: int
    """How long before its end cert-manager renews it."""
    cert_manager: CertManager | None
    """How to install cert-manager; None: it runs there already."""
    revoked: tuple[str, ...] | None
    """Serial numbers (lower-case hex) of cluster CAs that nobody trusts any more; None: no list."""
    openssl_image: str
    """Image with `sh` and `openssl`, for the Job that signs the revocation list."""


@dataclass(frozen=True, slots=True)
class Istio:
    """Which Istio to install, the same for all clusters of a stack."""

    version: str
    """Chart version, e.g. `1.31.0`."""
    repository: str
    """Chart repository (`https://`, `oci://`) or a directory that holds the charts."""
    hub: str | None
    """Image registry and prefix; None: the charts' own."""
    istiod_image: str | None
    """istiod's image, with its digest; None: by `hub` and `version`."""
    proxy_image: str | None
    """The proxies' image, with its digest; None: by `hub` and `version`."""
    base_values: Mapping[str, Any]
    """Further Helm values of the chart `base`."""
    istiod_values: Mapping[str, Any]
    """Further Helm values of the chart `istiod`."""
    gateway_values: Mapping[str, Any]
    """Further Helm values of the chart `gateway`, for both gateways."""


@dataclass(frozen=True, slots=True)
class RemoteCluster:
    """A linked cluster of another stack, as that stack's output `clusters.NAME` describes it.

    What a direction of a link needs of its target has the names that it has in `IstioCluster`.
    """

    cluster_name: str
    """Its name."""
    ingress_port: int
    """The port that is dialled there."""
    exposes: tuple[ExposedPort, ...]
    """What it exposes."""
    ingress_addresses: tuple[str, ...]
    """IP addresses or host names of its ingress gateway."""
    ingress_spiffe_id: str
    """The identity that its ingress gateway proves."""
    trust_domain: str
    """Trust domain of its identities."""
    roots: tuple[str, ...] = ()
    """Fingerprints of the roots that it trusts; none: it has no cluster CA."""
    signer: str | None = None
    """Fingerprint of the root that its cluster CA comes from."""
    locality: str | None = None
    """Where it is: `region` or `region/zone`; None: unknown."""

    @property
    def exposing_resources(self) -> tuple[()]:
        """The objects by which it exposes: none of this stack's."""
        return ()
