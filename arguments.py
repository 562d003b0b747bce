"""Settings -> the arguments of each component. Pure: no resource is made here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pulumi

from components import IstioCluster, certificates, cluster_ca
from components.certificates import CaCerts
from components.cluster_link import ClusterLinkArgs
from components.dns_layouts import CAPTURE
from components.global_services import Member, of
from components.global_zone import GlobalServicesArgs
from components.istio_cluster import IstioClusterArgs
from components.kubectl import Access
from components.remote_dns import RemoteDnsArgs
from components.root_ca import RootCaArgs
from components.trust_phase import TrustPhaseArgs
from settings import Settings


def access(settings: Settings, context: str) -> Access:
    """Return how kubectl reaches a context."""
    return {"kubeconfig": settings.kubeconfig, "context": context}


def root_ca(settings: Settings) -> RootCaArgs:
    """Return the arguments of `RootCa`; the settings have to have one."""
    assert settings.root_ca
    args: dict[str, Any] = asdict(settings.root_ca)
    args["access"] = access(settings, args.pop("context"))
    return {**args, "clusters": [*settings.clusters]}  # type: ignore[typeddict-item]


def cacerts(settings: Settings) -> dict[str, CaCerts | None]:
    """Return the cluster CAs that the user brings."""
    brought = {name: cluster.cacerts for name, cluster in settings.clusters.items()}
    return {
        name: CaCerts(**{**asdict(files), "ca_key": pulumi.Output.secret(files.ca_key)})
        if files
        else None
        for name, files in brought.items()
    }


def revocation(settings: Settings, name: str) -> str | None:
    """Return what tells one set of revoked certificates from another; None: no lists are used."""
    files = settings.clusters[name].cacerts
    if settings.root_ca and settings.root_ca.revoked is not None:
        revoked = sorted(settings.root_ca.revoked)
    elif files and files.ca_crl:
        revoked = certificates.revoked(files.ca_crl)
    else:
        return None
    return hashlib.sha256(",".join(revoked).encode()).hexdigest()[:16]


def trust_phase(settings: Settings, cas: Mapping[str, CaCerts | None]) -> TrustPhaseArgs:
    """Return what guards a change of any cluster's trust."""
    uses = {name: revocation(settings, name) is not None for name in settings.clusters}
    return {
        "wanted": {
            name: cluster_ca.trust(ca, revocation=uses[name]) for name, ca in cas.items() if ca
        },
        "peers": {name: list(cluster.peers) for name, cluster in settings.clusters.items()},
        "access": {
            name: access(settings, cluster.context) for name, cluster in settings.clusters.items()
        },
    }


def cluster_link(settings: Settings, first: IstioCluster, second: IstioCluster) -> ClusterLinkArgs:
    """Return the arguments of one `ClusterLink`."""
    return {
        "clusters": (first, second),
        "dummy_address": settings.remote_dns.address,
        "dummy_address6": settings.remote_dns.address6,
        "caller_identity": settings.caller_identity,
    }


def global_services(
    settings: Settings, name: str, clusters: Mapping[str, IstioCluster]
) -> GlobalServicesArgs | None:
    """Return the arguments of one cluster's `GlobalServices`.

    Args:
        settings: the settings.
        name: the cluster that calls.
        clusters: all clusters.

    Returns:
        None when there is no global service that it may call.
    """
    source = settings.clusters[name]
    members: list[Member] = []
    for member in sorted((name, *source.peers)):
        cluster = clusters[member]
        # Its own load balancer may not be there for the pods behind it.
        inside = cluster.ingress_cluster_ip.apply(lambda address: [address])
        members.append(
            {
                "cluster": member,
                "addresses": inside if member == name else cluster.ingress_addresses,
                "port": cluster.link_port if member == name else cluster.ingress_port,
                "spiffe_id": cluster.ingress_spiffe_id,
                "locality": settings.clusters[member].locality,
                "exposes": cluster.exposes,
                "ready": cluster.exposures,
            }
        )
    if not of(name, source.locality, members):
        return None
    return {
        "source": clusters[name],
        "locality": source.locality,
        "members": members,
        "dummy_address": settings.remote_dns.address,
        "dummy_address6": settings.remote_dns.address6,
        "caller_identity": settings.caller_identity,
    }


def istio_cluster(
    settings: Settings, name: str, ca: CaCerts | None, trust_phase: pulumi.Resource | None
) -> IstioClusterArgs:
    """Return the arguments of one `IstioCluster`.

    Args:
        settings: the settings.
        name: the cluster.
        ca: its cluster CA.
        trust_phase: the guard that the cluster CA waits for.
    """
    cluster = settings.clusters[name]
    return {
        "access": access(settings, cluster.context),
        "istio": asdict(settings.istio),  # type: ignore[typeddict-item]
        "cacerts": ca,
        "warn_days": settings.warn_days,
        "revocation": revocation(settings, name),
        "trust_phase": trust_phase,
        "trust_domain": cluster.trust_domain,
        "link_port": cluster.link_port,
        "ingress": asdict(cluster.ingress),  # type: ignore[typeddict-item]
        "http_ports": cluster.http_ports,
        "replicas": cluster.replicas,
        "exposes": [asdict(exposed) for exposed in cluster.exposes],  # type: ignore[misc]
        "peers": {peer: settings.clusters[peer].trust_domain for peer in cluster.peers},
        "dns_capture": cluster.dns == CAPTURE,
        "caller_identity": settings.caller_identity,
    }


def remote_dns(
    settings: Settings, name: str, zones: Mapping[str, pulumi.Resource]
) -> RemoteDnsArgs:
    """Return the arguments of one cluster's `RemoteDns`."""
    cluster = settings.clusters[name]
    return {
        "image": settings.remote_dns.image,
        "replicas": settings.remote_dns.replicas,
        "zones": zones,
        "mode": cluster.dns,
        "access": access(settings, cluster.context),
    }
