"""What a stack is configured to be: plain frozen data, made and checked by this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.model import CaCerts, ExposedPort, Ingress, Istio, RootCa


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
    exposes: tuple[ExposedPort, ...]
    linked: tuple[str, ...]
    """Names of the clusters that it is linked to, sorted."""
    cacerts: CaCerts[str] | None
    ingress: Ingress
    unreachable: bool
    """It does not answer for now: what the state has of it stays as it is."""
    network_policy: tuple[str, ...]
    """Namespaces whose pods must not call remote ingress gateways themselves."""
    locality: str | None = None
    """`region` or `region/zone`; None: unknown, so that all other clusters are equally far."""


@dataclass(frozen=True, slots=True)
class RemoteDns:
    """The DNS server that answers for the linked zones."""

    image: str
    replicas: int
    """Pods of it on each cluster."""
    address: str
    virtual_range: str
    """IPv4 network of the addresses of services other than HTTP."""
    address6: str | None = None
    """None: AAAA queries get an empty answer."""


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
    root_stack: str | None
    """The stack that issues the cluster CAs; None: none does."""
    warn_days: int
    """`up` warns when a certificate has fewer days left."""
    caller_identity: bool
    """Tell the called cluster which workload calls."""
    istio: Istio
    remote_dns: RemoteDns
    bookinfo: Bookinfo | None
