"""What a stack is configured to be: plain frozen data, made and checked by this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Retries:
    """What a caller tries again, and how often."""

    attempts: int
    per_try_timeout: str
    """Empty: none but the timeout of the whole."""
    retry_on: str
    """Envoy's conditions, separated by commas."""


@dataclass(frozen=True, slots=True)
class OutlierEjection:
    """When an ingress gateway gets no calls to a service for a while."""

    consecutive_errors: int
    interval: str
    ejection_time: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What differs for one exposed port from the defaults of every link."""

    timeout: str
    """Of the whole call; empty: none."""
    retries: Retries | None
    outlier_ejection: OutlierEjection | None
    max_connections: int
    max_pending_requests: int
    max_requests: int
    """Limits of each egress gateway pod; 0: none."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """One port of a Service that linked clusters may call."""

    service: str
    namespace: str
    port: int
    protocol: str
    """What callers speak: a name from `components.protocols.TABLE`."""
    address: str
    """IPv4 address of a service that is not HTTP on the callers' side; else empty."""
    allow: tuple[str, ...]
    """Names of the clusters that may call it, sorted; by default every linked one."""
    policy: Policy | None
    """None: the defaults."""
    is_global: bool = False
    """Whether it is part of a global service."""
    weight: int | None = None
    """Its share of the calls to that; None: they go to the nearest."""


@dataclass(frozen=True, slots=True)
class CaCerts:
    """A cluster CA that the user brings: the files of Istio's Secret `cacerts`."""

    ca_cert: str
    ca_key: str = field(repr=False)
    cert_chain: str
    root_cert: str
    ca_crl: str = ""
    """Revocation lists, PEM: of the root and of every cluster CA under it; empty: none."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """How its peers reach a cluster's ingress gateway."""

    service: str
    """Type of its Service: `LoadBalancer` or `NodePort`."""
    addresses: tuple[str, ...]
    """IP addresses and host names, given by hand; empty: those that the load balancer gets."""
    port: int
    """The port that peers dial."""
    node_port: int
    """Node port of the link port; 0: none."""
    wait_seconds: int
    """The longest wait for the load balancer to get an address."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of the stack."""

    name: str
    context: str
    trust_domain: str
    link_port: int
    http_ports: tuple[int, ...]
    """Further ports of its ingress gateway, for ordinary north-south traffic."""
    dns: str
    replicas: int
    exposes: tuple[Exposed, ...]
    peers: tuple[str, ...]
    """Names of the clusters that it is linked to, sorted."""
    cacerts: CaCerts | None
    ingress: Ingress
    unreachable: bool
    """It does not answer for now: what the state has of it stays as it is."""
    network_policy: tuple[str, ...]
    """Namespaces whose pods must not call remote ingress gateways themselves."""
    locality: str = ""
    """`region` or `region/zone`; empty: unknown, so that all other clusters are equally far."""


@dataclass(frozen=True, slots=True)
class Root:
    """One root of trust on the root cluster."""

    name: str
    """Names its objects there, and what it signs."""
    issuer: str
    """The user's own cert-manager issuer; empty: a self-signed root that the program makes."""
    issuer_kind: str
    """`ClusterIssuer` or `Issuer`."""


@dataclass(frozen=True, slots=True)
class CertManager:
    """cert-manager, when the program is to install it on the root cluster."""

    version: str
    repository: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RootCa:
    """Where the cluster CAs come from when the user brings none."""

    context: str
    clusters: tuple[str, ...]
    """Clusters of other stacks that get a CA, too."""
    namespace: str
    roots: tuple[Root, ...]
    """All are trusted, the first signs: `[old]`, `[old, new]`, `[new, old]`, `[new]` rotate it."""
    lifetime_days: int
    renew_before_days: int
    cert_manager: CertManager | None
    """None: it runs there already."""
    revoked: tuple[str, ...] | None
    """Serial numbers (lower-case hex) of cluster CAs that nobody trusts any more; None: no list."""
    openssl_image: str
    """Image with `sh` and `openssl`, for the Job that signs the revocation list."""


@dataclass(frozen=True, slots=True)
class Istio:
    """Which Istio is installed, and extra Helm values for it."""

    version: str
    repository: str
    hub: str
    istiod_image: str
    proxy_image: str
    """Whole image references, with digests; empty: by `hub` and `version`."""
    base_values: Mapping[str, Any]
    istiod_values: Mapping[str, Any]
    gateway_values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RemoteDns:
    """The DNS server that answers for the linked zones."""

    image: str
    replicas: int
    """Pods of it on each cluster."""
    address: str
    address6: str
    """Empty: AAAA queries get an empty answer."""
    virtual_range: str
    """IPv4 network of the addresses of services other than HTTP."""


@dataclass(frozen=True, slots=True)
class Bookinfo:
    """The sample application, spread over two linked clusters."""

    frontend: str
    backend: str
    hub: str
    tag: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, checked."""

    kubeconfig: str | None
    clusters: Mapping[str, Cluster]
    links: tuple[tuple[str, str], ...]
    """Pairs of `clusters`, or of one of them and one of `peers`; sorted."""
    peers: Mapping[str, str]
    """Clusters of other stacks: name to stack."""
    removed: tuple[str, ...]
    """Clusters that may be destroyed though others import from them."""
    root_ca: RootCa | None
    """None: the user brings certificates (`Cluster.cacerts`), another stack issues them, or there
    is no link."""
    root_stack: str
    """The stack that issues the cluster CAs; empty: none."""
    warn_days: int
    """`up` warns when a certificate has fewer days left."""
    caller_identity: bool
    """Tell the called cluster which workload calls."""
    istio: Istio
    remote_dns: RemoteDns
    bookinfo: Bookinfo | None
