"""Settings -> the arguments of each component. Pure: no resource is made here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pulumi

from components.cluster import cacerts_secret
from components.cluster.egress_policy import EgressPolicyArgs
from components.cluster.istio_cluster import IstioCluster, IstioClusterArgs
from components.dns.platforms import CAPTURE
from components.dns.remote_dns import RemoteDnsArgs
from components.kubectl import Access
from components.link.cluster_link import ClusterLinkArgs, Target
from components.link.global_services import GlobalServicesArgs
from components.link.remote_cluster import Peer
from components.samples.bookinfo import BookinfoArgs
from components.specs.global_services import Member, of
from components.trust import certificates
from components.trust.certificates import CaCerts
from components.trust.removal_rules import RemoteTrust
from components.trust.root_ca import RootCaArgs
from components.trust.rotation_guard import TrustPhaseArgs
from config.settings import Bookinfo, Settings


def access(settings: Settings, context: str) -> Access:
    """Return how kubectl reaches a context."""
    return {"kubeconfig": settings.kubeconfig, "context": context}


def root_ca(settings: Settings) -> RootCaArgs:
    """Return the arguments of `RootCa`; the settings have to have one."""
    assert settings.root_ca
    args: dict[str, Any] = asdict(settings.root_ca)
    args["access"] = access(settings, args.pop("context"))
    clusters = [*settings.clusters, *settings.root_ca.clusters]
    return {**args, "clusters": clusters}  # type: ignore[typeddict-item]


def cacerts(settings: Settings) -> dict[str, CaCerts | None]:
    """Return the cluster CAs that the user brings."""
    brought = {name: cluster.cacerts for name, cluster in settings.clusters.items()}
    return {
        name: CaCerts(
            **{**asdict(files), "ca_key": pulumi.Output.secret(files.ca_key)}  # type: ignore[typeddict-item]
        )
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


def trust_phase(
    settings: Settings,
    cas: Mapping[str, CaCerts | None],
    peers: Mapping[str, Peer],
    listed: pulumi.Output[list[str]] | None = None,
) -> TrustPhaseArgs:
    """Return what guards a change of any cluster's trust.

    Args:
        settings: the settings.
        cas: cluster CA of each cluster.
        peers: linked clusters of other stacks.
        listed: fingerprints of the CAs that `RootCa` makes a revocation list of.
    """
    uses = {name: revocation(settings, name) is not None for name in settings.clusters}
    remote_trust: Mapping[str, RemoteTrust] = {
        name: {"roots": peer.roots, "signer": peer.signer} for name, peer in peers.items()
    }
    return TrustPhaseArgs(
        wanted={
            name: cacerts_secret.trust(ca, revocation=uses[name])
            for name, ca in cas.items()
            if ca and name in uses
        },
        peers={
            name: [peer for peer in cluster.peers if peer in settings.clusters]
            for name, cluster in settings.clusters.items()
        },
        access={
            name: access(settings, cluster.context) for name, cluster in settings.clusters.items()
        },
        listed=listed,
        abroad={"links": imported(settings, peers), "trust": remote_trust}
        if settings.peers
        else None,
        removed=settings.removed,
    )


def imported(settings: Settings, peers: Mapping[str, Peer]) -> dict[str, list[str]]:
    """Return each cluster's linked clusters of other stacks."""
    return {
        name: [peer for peer in cluster.peers if peer in peers]
        for name, cluster in settings.clusters.items()
    }


def cluster_link(
    settings: Settings,
    pair: tuple[str, str],
    clusters: Mapping[str, IstioCluster],
    peers: Mapping[str, Peer],
) -> ClusterLinkArgs | None:
    """Return the arguments of one `ClusterLink`; None when its other end is not up yet.

    Args:
        settings: the settings.
        pair: names of the two clusters.
        clusters: those of this stack.
        peers: those of other stacks.
    """
    targets: dict[str, Target] = {**peers, **clusters}
    directions = [
        (clusters[source], targets[target])
        for source, target in (pair, pair[::-1])
        if source in clusters and target in targets
    ]
    if not directions:
        return None
    return {
        "directions": directions,
        "dummy_address": settings.remote_dns.address,
        "dummy_address6": settings.remote_dns.address6,
        "caller_identity": settings.caller_identity,
    }


def global_services(
    settings: Settings,
    name: str,
    clusters: Mapping[str, IstioCluster],
    peers: Mapping[str, Peer],
) -> GlobalServicesArgs | None:
    """Return the arguments of one cluster's `GlobalServices`.

    Args:
        settings: the settings.
        name: the cluster that calls.
        clusters: all clusters of this stack.
        peers: linked clusters of other stacks.

    Returns:
        None when there is no global service that it may call.
    """
    source, own = settings.clusters[name], clusters[name]
    targets: dict[str, Target] = {**peers, **clusters}
    localities = {peer: its.locality for peer, its in peers.items()}
    localities |= {cluster: its.locality for cluster, its in settings.clusters.items()}
    # Its own load balancer may not be there for the pods behind it.
    inside = own.ingress_cluster_ip.apply(lambda address: [address])
    members: list[Member] = [
        {
            "cluster": member,
            "addresses": inside if member == name else target.ingress_addresses,
            "port": own.link_port if member == name else target.ingress_port,
            "spiffe_id": target.ingress_spiffe_id,
            "locality": localities[member],
            "exposes": target.exposes,
            "ready": target.exposures,
        }
        for member in sorted((name, *source.peers))
        if (target := targets.get(member))
    ]
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


def egress_policy(settings: Settings, name: str, targets: Mapping[str, Target]) -> EgressPolicyArgs:
    """Return the arguments of one cluster's `EgressPolicy`.

    Args:
        settings: the settings.
        name: the cluster.
        targets: all that it may be linked to; one that is missing is not up yet.
    """
    cluster = settings.clusters[name]
    found = {peer: targets[peer].ingress_addresses for peer in cluster.peers if peer in targets}
    return {"namespaces": cluster.network_policy, "addresses": found}


def istio_cluster(
    settings: Settings,
    name: str,
    ca: CaCerts | None,
    trust_phase: pulumi.Resource | None,
    peers: Mapping[str, Peer],
) -> IstioClusterArgs:
    """Return the arguments of one `IstioCluster`.

    Args:
        settings: the settings.
        name: the cluster.
        ca: its cluster CA.
        trust_phase: the guard that the cluster CA waits for.
        peers: linked clusters of other stacks.
    """
    cluster = settings.clusters[name]
    domains = {peer: its.trust_domain for peer, its in peers.items()}
    domains |= {peer: its.trust_domain for peer, its in settings.clusters.items()}
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
        "peers": {peer: domains[peer] for peer in cluster.peers if peer in domains},
        "dns_capture": cluster.dns == CAPTURE,
        "caller_identity": settings.caller_identity,
    }


def outputs(settings: Settings, clusters: Mapping[str, IstioCluster]) -> dict[str, Any]:
    """Return what the stack exports of its clusters: all that another stack needs for a link."""
    localities = {name: cluster.locality for name, cluster in settings.clusters.items()}
    return {
        name: {**cluster.outputs(), **({"locality": localities[name]} if localities[name] else {})}
        for name, cluster in clusters.items()
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


def bookinfo(wanted: Bookinfo, clusters: Mapping[str, IstioCluster]) -> BookinfoArgs:
    """Return the arguments of `Bookinfo`."""
    ends = {role: clusters[getattr(wanted, role)] for role in ("frontend", "backend")}
    return {**asdict(wanted), **ends}  # type: ignore[typeddict-item]
