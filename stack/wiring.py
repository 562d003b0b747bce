"""Settings -> the arguments of each component. Pure: no resource is made here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output

from components.charts.crds import Crd, WantedCrds
from components.cluster import cacerts_secret, control_plane
from components.cluster.egress_policy import EgressPolicyArgs
from components.cluster.istio_cluster import IstioCluster, IstioClusterArgs
from components.dns.platforms import CAPTURE
from components.dns.remote_dns import RemoteDnsArgs
from components.kubectl import Access
from components.link.caller_objects import DummyAddresses
from components.link.cluster_link import ClusterLinkArgs, Target
from components.link.global_services import GlobalServicesArgs
from components.model import CaCerts, RemoteCluster, RootCa
from components.outputs import cluster_to_output
from components.ownership.claim import Claim
from components.samples.bookinfo import BookinfoArgs
from components.specs.global_services import GlobalService, Member
from components.trust import cert_manager, certificates
from components.trust.removal_rules import RemoteTrust
from components.trust.root_ca import RootCaArgs
from components.trust.rotation_guard import TrustPhaseArgs
from config.settings import Bookinfo, Settings

Remote = Mapping[str, RemoteCluster]
"""Linked clusters of other stacks, by name."""


def access(settings: Settings, context: str) -> Access:
    """Return how kubectl reaches a context."""
    return {"kubeconfig": settings.kubeconfig, "context": context}


def crds_of(settings: Settings, cluster: str | None) -> WantedCrds | None:
    """Return the CRDs that a cluster needs; None in place of a cluster: the root cluster."""
    if cluster is not None:
        return control_plane.crds_of(settings.istio)
    wanted = settings.root_ca and settings.root_ca.cert_manager
    return cert_manager.crds_of(wanted) if wanted else None


def root_ca(
    settings: Settings, issuing: RootCa, claim: Claim, crds: Mapping[str, Crd] | None
) -> RootCaArgs:
    """Return the arguments of `RootCa`.

    Args:
        settings: the settings.
        issuing: how cluster CAs are issued.
        claim: whose the root cluster is.
        crds: cert-manager's CRDs that are there; None: they are as they should be, or unseen.
    """
    return RootCaArgs(
        claim=claim,
        crds=crds,
        access=access(settings, issuing.context),
        clusters=[*settings.clusters, *issuing.clusters],
        issuing=issuing,
    )


def cacerts(settings: Settings) -> dict[str, CaCerts[Input[str]] | None]:
    """Return the cluster CAs that the user brings, with their keys as secrets."""
    return {
        name: _with_secret_key(cluster.cacerts) if cluster.cacerts else None
        for name, cluster in settings.clusters.items()
    }


def _with_secret_key(cacerts: CaCerts[str]) -> CaCerts[Input[str]]:
    return CaCerts(
        ca_cert=cacerts.ca_cert,
        ca_key=Output.secret(cacerts.ca_key),
        cert_chain=cacerts.cert_chain,
        root_cert=cacerts.root_cert,
        ca_crl=cacerts.ca_crl,
    )


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
    cas: Mapping[str, CaCerts[Input[str]] | None],
    remote: Remote,
    with_list: Output[list[str]] | None = None,
) -> TrustPhaseArgs:
    """Return what guards a change of any cluster's trust.

    Args:
        settings: the settings.
        cas: cluster CA of each cluster.
        remote: linked clusters of other stacks.
        with_list: fingerprints of the CAs that `RootCa` makes a revocation list of.
    """
    uses = {name: revocation(settings, name) is not None for name in settings.clusters}
    remote_trust: Mapping[str, RemoteTrust] = {
        name: {"roots": [*cluster.roots], "signer": cluster.signer or ""}
        for name, cluster in remote.items()
    }
    return TrustPhaseArgs(
        wanted={
            name: cacerts_secret.trust(ca, revocation=uses[name])
            for name, ca in cas.items()
            if ca and name in uses
        },
        linked={
            name: [linked for linked in cluster.linked if linked in settings.clusters]
            for name, cluster in settings.clusters.items()
        },
        access={
            name: access(settings, cluster.context) for name, cluster in settings.clusters.items()
        },
        with_list=with_list,
        remote={"links": imported(settings, remote), "trust": remote_trust}
        if settings.peers
        else None,
        removed=settings.removed,
    )


def imported(settings: Settings, remote: Remote) -> dict[str, list[str]]:
    """Return each cluster's linked clusters of other stacks."""
    return {
        name: [linked for linked in cluster.linked if linked in remote]
        for name, cluster in settings.clusters.items()
    }


def _dummy_addresses(settings: Settings) -> DummyAddresses:
    return DummyAddresses(settings.remote_dns.address, settings.remote_dns.address6)


def cluster_link(
    settings: Settings,
    pair: tuple[str, str],
    clusters: Mapping[str, IstioCluster],
    targets: Mapping[str, Target],
) -> ClusterLinkArgs:
    """Return the arguments of one `ClusterLink`.

    Args:
        settings: the settings.
        pair: names of the two clusters.
        clusters: those of this stack.
        targets: those of this stack and of others; both of the pair are among them.
    """
    return ClusterLinkArgs(
        directions=[
            (clusters[caller], targets[target])
            for caller, target in (pair, pair[::-1])
            if caller in clusters
        ],
        dummy_addresses=_dummy_addresses(settings),
        caller_identity=settings.caller_identity,
    )


def members(
    settings: Settings, name: str, clusters: Mapping[str, IstioCluster], remote: Remote
) -> list[Member]:
    """Return the clusters among which a cluster's global services are: the linked ones and itself.

    Args:
        settings: the settings.
        name: the cluster that calls.
        clusters: all clusters of this stack.
        remote: linked clusters of other stacks.
    """
    own = clusters[name]
    targets: dict[str, Target] = {**remote, **clusters}
    localities = {linked: cluster.locality for linked, cluster in remote.items()}
    localities |= {linked: cluster.locality for linked, cluster in settings.clusters.items()}
    # Its own load balancer may not be there for the pods behind it.
    inside = own.ingress_cluster_ip.apply(lambda address: [address])
    return [
        Member(
            cluster=member,
            addresses=inside if member == name else target.ingress_addresses,
            port=own.link_port if member == name else target.ingress_port,
            spiffe_id=target.ingress_spiffe_id,
            exposes=target.exposes,
            locality=localities[member],
            ready=target.exposing_resources,
        )
        for member in sorted((name, *settings.clusters[name].linked))
        if (target := targets.get(member))
    ]


def global_services(
    settings: Settings,
    caller: IstioCluster,
    services: Sequence[GlobalService],
    members: Sequence[Member],
) -> GlobalServicesArgs:
    """Return the arguments of one cluster's `GlobalServices`.

    Args:
        settings: the settings.
        caller: the cluster that calls.
        services: what it may call.
        members: what `members()` returns for it.
    """
    return GlobalServicesArgs(
        caller=caller,
        services=services,
        members=members,
        dummy_addresses=_dummy_addresses(settings),
        caller_identity=settings.caller_identity,
    )


def egress_policy(settings: Settings, name: str, targets: Mapping[str, Target]) -> EgressPolicyArgs:
    """Return the arguments of one cluster's `EgressPolicy`.

    Args:
        settings: the settings.
        name: the cluster.
        targets: all that it may be linked to; one that is missing is not up yet.
    """
    cluster = settings.clusters[name]
    return EgressPolicyArgs(
        namespaces=cluster.network_policy,
        addresses={
            linked: targets[linked].ingress_addresses
            for linked in cluster.linked
            if linked in targets
        },
    )


def istio_cluster(
    settings: Settings,
    name: str,
    claim: Claim,
    crds: Mapping[str, Crd] | None,
    ca: CaCerts[Input[str]] | None,
    trust_phase: pulumi.Resource | None,
    remote: Remote,
) -> IstioClusterArgs:
    """Return the arguments of one `IstioCluster`.

    Args:
        settings: the settings.
        name: the cluster.
        claim: whose it is.
        crds: Istio's CRDs that are there; None: they are as they should be, or unseen.
        ca: its cluster CA.
        trust_phase: the guard that the cluster CA waits for.
        remote: linked clusters of other stacks.
    """
    cluster = settings.clusters[name]
    domains = {linked: of_it.trust_domain for linked, of_it in remote.items()}
    domains |= {linked: of_it.trust_domain for linked, of_it in settings.clusters.items()}
    return IstioClusterArgs(
        claim=claim,
        crds=crds,
        access=access(settings, cluster.context),
        istio=settings.istio,
        cacerts=ca,
        warn_days=settings.warn_days,
        revocation=revocation(settings, name),
        trust_phase=trust_phase,
        trust_domain=cluster.trust_domain,
        link_port=cluster.link_port,
        ingress=cluster.ingress,
        http_ports=cluster.http_ports,
        replicas=cluster.replicas,
        exposes=cluster.exposes,
        callers={linked: domains[linked] for linked in cluster.linked if linked in domains},
        dns_capture=cluster.dns == CAPTURE,
        caller_identity=settings.caller_identity,
    )


def outputs(settings: Settings, clusters: Mapping[str, IstioCluster]) -> dict[str, Any]:
    """Return what the stack exports of its clusters: all that another stack needs for a link."""
    return {
        name: cluster_to_output(cluster, settings.clusters[name].locality)
        for name, cluster in clusters.items()
    }


def remote_dns(
    settings: Settings, name: str, zones: Mapping[str, pulumi.Resource]
) -> RemoteDnsArgs:
    """Return the arguments of one cluster's `RemoteDns`."""
    cluster = settings.clusters[name]
    return RemoteDnsArgs(
        image=settings.remote_dns.image,
        replicas=settings.remote_dns.replicas,
        zones=zones,
        mode=cluster.dns,
        access=access(settings, cluster.context),
    )


def bookinfo(wanted: Bookinfo, clusters: Mapping[str, IstioCluster]) -> BookinfoArgs:
    """Return the arguments of `Bookinfo`."""
    return BookinfoArgs(
        frontend=clusters[wanted.frontend],
        backend=clusters[wanted.backend],
        hub=wanted.hub,
        tag=wanted.tag,
    )


def everything(
    clusters: Iterable[IstioCluster], others: Iterable[pulumi.Resource]
) -> Output[list[pulumi.Resource]]:
    """Return all that the stack makes: what has to be there until its guards have gone.

    Args:
        clusters: the stack's clusters.
        others: all other components.
    """
    clusters = [*clusters]
    return Output.all(*(cluster.gateway_resources for cluster in clusters)).apply(
        lambda charts: [*clusters, *others, *(item for chart in charts for item in chart)]
    )
