"""The link between two clusters: what each needs to call the services that the other exposes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import pulumi
from pulumi import ResourceOptions

from components.cluster.istio_cluster import IstioCluster
from components.dns import corefile
from components.link.caller_objects import SourceObjects
from components.link.remote_cluster import Peer
from components.specs import outbound, streams
from components.specs.exposed_ports import ExposedService, by_service, host, stream_ports, title

Target = IstioCluster | Peer


class ClusterLinkArgs(TypedDict):
    """Arguments of `ClusterLink`."""

    directions: Sequence[tuple[IstioCluster, Target]]
    """Source and target of each: both directions between two clusters of this stack; one to a
    cluster of another stack, which makes the other one."""
    dummy_address: str
    """IPv4 address that names of exposed services resolve to; no packet ever reaches it."""
    dummy_address6: str
    """The same for IPv6; empty: none."""
    caller_identity: bool
    """Tell the target which workload of the source calls."""


class ClusterLink(pulumi.ComponentResource):
    """Both directions between two clusters, or the own one where the other is of another stack.

    Makes on each source, for the other's zone: the ServiceEntries of its ingress gateway and of its
    services, the Gateway on the egress pods, the VirtualService over both hops, the
    DestinationRules that pin identities, and the zone for CoreDNS (which `RemoteDns` serves; none
    where sidecars answer). For services other than HTTP a ServiceEntry each, a VirtualService for
    each of their ports, and one more ServiceEntry and DestinationRule of the other's ingress
    gateway.

    It spans two providers, so every child names its own.
    """

    zones: dict[str, dict[str, pulumi.Resource]]
    """Name of each source to the other's name and the ConfigMap with its DNS zone;
    without those whose sidecars answer for it."""

    def __init__(
        self, name: str, args: ClusterLinkArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("istio-multicluster:index:ClusterLink", name, None, opts)
        self.zones = {}
        for source, target in args["directions"]:
            peer = target.cluster_name
            prefix = f"{name}-{source.cluster_name}-to-{peer}"
            objects = SourceObjects(self, prefix, source, peer)
            _route(objects, target, args)
            if not source.dns_capture:
                zone = objects.put_zone(_server(objects, target, args))
                self.zones[source.cluster_name] = {peer: zone}
        self.register_outputs({})


def _route(objects: SourceObjects, target: Target, args: ClusterLinkArgs) -> None:
    """Make the Istio objects on the source of one direction."""
    source, peer, put = objects.source, target.cluster_name, objects.put
    allowed = _allowed(source, target)
    ports = source.link_port, target.ingress_port
    answered = objects.answered(args["dummy_address"], args["dummy_address6"])
    ingress = pulumi.Output.from_input(target.ingress_addresses).apply(
        lambda addresses: outbound.ingress_entry(
            peer, _not_empty(addresses, peer), target.ingress_port
        )
    )
    rule = target.ingress_spiffe_id.apply(
        lambda identity: outbound.ingress_rule(peer, identity, allowed)
    )
    put("ServiceEntry", "ingress", ingress)
    to_ingress = put("DestinationRule", "ingress", rule)
    put("ServiceEntry", "services", outbound.zone_entry(peer, allowed, answered))
    gateway = f"{peer}-egress"
    put("Gateway", "egress", outbound.egress_gateway(peer, source.link_port, allowed))
    spec = outbound.egress_rule(peer, source.link_port, allowed)
    to_egress = put("DestinationRule", "egress", spec)
    told = args["caller_identity"]
    spec = outbound.route(peer, gateway, *ports, allowed, caller_identity=told)
    # A route to a subset that is not there yet is an error for whoever calls.
    put("VirtualService", "services", spec, to_ingress, to_egress)

    if not (not_http := stream_ports(allowed)):
        return
    put("ServiceEntry", "ingress-tcp", ingress.apply(lambda e: streams.ingress_entry(peer, e)))
    rule = target.ingress_spiffe_id.apply(
        lambda identity: streams.ingress_rule(peer, identity, not_http)
    )
    to_ingress = put("DestinationRule", "ingress-tcp", rule)
    for (namespace, service), items in by_service(not_http).items():
        put("ServiceEntry", f"{service}.{namespace}", streams.entry(peer, items))
        for item in items:
            spec = streams.route(peer, gateway, *ports, item)
            put("VirtualService", title(item), spec, to_ingress, to_egress)


def _server(objects: SourceObjects, target: Target, args: ClusterLinkArgs) -> str:
    """Return the server block of the target's zone on the source."""
    peer = target.cluster_name
    not_http = stream_ports(_allowed(objects.source, target))
    virtual = {host(peer, item): item["address"] for item in not_http}
    dummy, dummy6 = args["dummy_address"], args["dummy_address6"]
    return corefile.zone_server(peer, dummy, virtual, address6=dummy6)


def _allowed(source: IstioCluster, target: Target) -> list[ExposedService]:
    """Return what the target exposes to the source."""
    return [item for item in target.exposes if source.cluster_name in item["allow"]]


def _not_empty(addresses: list[str], cluster: str) -> list[str]:
    """Return the addresses; a ServiceEntry without endpoints would fail every call, in silence."""
    if not addresses:
        raise pulumi.RunError(
            f"cluster {cluster}: the ingress gateway has no address, so nothing can be linked to it"
        )
    return addresses
