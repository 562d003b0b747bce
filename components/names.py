"""Names that two clusters must agree on: hosts, identities, namespaces, ports. Pure functions.

Everything that one cluster has to know of another without asking it is derived here, from the
cluster's name alone, so that two stacks of two owners come to the same result.
"""

from __future__ import annotations

import hashlib

SUFFIX = "remote"
"""Top-level zone of all host names and trust domains (the seed's common DNS suffix)."""

GLOBAL = "global"
"""Stands for a cluster's name in the names of services that several clusters offer together."""

SYSTEM_NAMESPACE = "istio-system"
GATEWAY_NAMESPACE = "istio-gateways"
"""The gateways' own: a policy without selector in istio-system is mesh-wide."""

INGRESS = "istio-ingressgateway"
EGRESS = "istio-egressgateway"
"""Name of the Helm release, Deployment, Service and ServiceAccount of each gateway."""

DEFAULT_LINK_PORT = 15443
STATUS_PORT = 15021

RESTRICTED_PODS = {"pod-security.kubernetes.io/enforce": "restricted"}
"""Label of a namespace whose pods need no privilege: the API server then refuses any other."""

FIELD_MANAGER = "istio-multicluster"
"""Who writes, in `managedFields`: one name for all that the program does, in whichever run."""

REVOCATION_LISTS = "istio-ca-crl"
"""ConfigMap in which istiod gives the revocation lists to the proxies of a namespace."""

CALLER_HEADER = "x-remote-caller"
"""Header with the SPIFFE ID of the workload that called, as its egress gateway saw it."""

RESERVED_PORTS = frozenset({15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090})
"""What Istio's proxy itself listens on (istio.io, ops/deployment/application-requirements)."""


def trust_domain(cluster: str) -> str:
    """Return the default trust domain of a cluster: one of its own, so that identities differ."""
    return f"{cluster}.{SUFFIX}"


def zone(cluster: str) -> str:
    """Return the DNS zone of a cluster's exposed services, e.g. `svc.b.remote`."""
    return f"svc.{cluster}.{SUFFIX}"


def service_host(service: str, namespace: str, cluster: str) -> str:
    """Return the name under which other clusters call a service."""
    return f"{service}.{namespace}.{zone(cluster)}"


def local_host(service: str, namespace: str) -> str:
    """Return the name of a Service inside its own cluster."""
    return f"{service}.{namespace}.svc.cluster.local"


def ingress_host(cluster: str) -> str:
    """Return the mesh-internal name of a cluster's ingress gateway (never resolved by DNS)."""
    return f"ingress.{cluster}.{SUFFIX}"


def global_ingress_host(service: str, namespace: str, port: int) -> str:
    """Return the mesh-internal name of all ingress gateways that lead to one global service."""
    return f"{port_label(service, namespace, port, GLOBAL)}.{ingress_host(GLOBAL)}"


def link_sni(cluster: str) -> str:
    """Return the SNI with which the gateways' own mTLS asks for a cluster's zone.

    A server's SNI match is `*.svc.b.remote`; the name in front of it carries no meaning.
    """
    return f"link.{zone(cluster)}"


def stream_zone(cluster: str) -> str:
    """Return the zone of the SNIs by which the link port tells services other than HTTP apart.

    Not below `zone()`: there the server for HTTP matches every name, so that it would take an SNI
    whose own server is not there (yet), and the policy could no longer tell the two apart by it.
    """
    return f"tcp.{cluster}.{SUFFIX}"


def stream_sni(service: str, namespace: str, port: int, cluster: str) -> str:
    """Return the SNI with which gateways ask each other for one port that is not HTTP."""
    return f"{port}.{service}.{namespace}.{stream_zone(cluster)}"


def stream_ingress_host(cluster: str) -> str:
    """Return `ingress_host()` for connections that are not HTTP."""
    return f"tcp.{ingress_host(cluster)}"


def port_label(service: str, namespace: str, port: int, cluster: str) -> str:
    """Return a DNS label, different for every exposed port of every cluster.

    Service and namespace may have 63 characters each, and joining them is ambiguous.
    """
    identity = f"{port}.{service_host(service, namespace, cluster)}"
    return f"{service[:20]}-{port}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def principal(domain: str, service_account: str) -> str:
    """Return a gateway's identity as AuthorizationPolicy writes it, without the scheme."""
    return f"{domain}/ns/{GATEWAY_NAMESPACE}/sa/{service_account}"


def spiffe_id(domain: str, service_account: str) -> str:
    """Return a gateway's SPIFFE ID, as it stands in its certificate."""
    return f"spiffe://{principal(domain, service_account)}"


def trust_domain_of(identity: str) -> str:
    """Return the trust domain of a SPIFFE ID.

    Raises:
        ValueError: it is none.
    """
    scheme, _, rest = identity.partition("://")
    domain, slash, _ = rest.partition("/")
    if scheme != "spiffe" or not domain or not slash:
        raise ValueError(f"{identity!r} is not a SPIFFE ID")
    return domain


EGRESS_HOST = local_host(EGRESS, GATEWAY_NAMESPACE)
"""The egress gateway's own Service, in every cluster."""


def link_name(first: str, second: str) -> str:
    """Return the name of the link between two clusters, the same for either order.

    The underscore cannot be part of a cluster name, so two links never get one name.
    """
    return "_".join(sorted((first, second)))
