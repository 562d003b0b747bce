"""What a stack is configured to be: plain frozen data, made by `config.py` and checked there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Exposed:
    """One port of a Service that linked clusters may call."""

    service: str
    namespace: str
    port: int
    allow: tuple[str, ...]
    """Names of the clusters that may call it, sorted; by default every linked one."""


@dataclass(frozen=True, slots=True)
class CaCerts:
    """A cluster CA that the user brings: the four files of Istio's Secret `cacerts`."""

    ca_cert: str
    ca_key: str = field(repr=False)
    cert_chain: str
    root_cert: str


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


@dataclass(frozen=True, slots=True)
class RootCa:
    """Where the cluster CAs come from when the user brings none."""

    context: str
    namespace: str
    lifetime_days: int
    renew_before_days: int


@dataclass(frozen=True, slots=True)
class Istio:
    """Which Istio is installed, and extra Helm values for it."""

    version: str
    repository: str
    hub: str
    base_values: Mapping[str, Any]
    istiod_values: Mapping[str, Any]
    gateway_values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RemoteDns:
    """The DNS server that answers for the linked zones."""

    image: str
    address: str


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
    root_ca: RootCa | None
    istio: Istio
    remote_dns: RemoteDns
    bookinfo: Bookinfo | None
