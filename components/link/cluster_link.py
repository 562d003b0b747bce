"""The link between two clusters: what each needs to call the services that the other exposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions

from components.cluster.istio_cluster import IstioCluster
from components.link.caller_objects import CallerObjects, DummyAddresses
from components.model import ExposedPort, RemoteCluster
from components.objects import Component
from components.specs import outbound, streams
from components.specs.exposed_ports import by_service, host, stream_ports, title

Target = IstioCluster | RemoteCluster


@dataclass(frozen=True, slots=True)
class ClusterLinkArgs:
    """Arguments of `ClusterLink`."""

    directions: Sequence[tuple[IstioCluster, Target]]
    """Caller and target of each: both directions between two clusters of this stack; one to a
    cluster of another stack, which makes the other one."""
    dummy_addresses: DummyAddresses
    """What names of exposed services resolve to."""
    caller_identity: bool
    """Tell the target which workload of the caller calls."""


class ClusterLink(Component):
    """Both directions between two clusters, or the own one where the other is of another stack.

    Makes on each caller, for the other's zone: the ServiceEntries of its ingress gateway and of its
    services, the Gateway on the egress pods, the VirtualService over both hops, the
    DestinationRules that pin identities, and the zone for CoreDNS (which `RemoteDns` serves; none
    where sidecars answer). For services other than HTTP a ServiceEntry each, a VirtualService for
    each of their ports, and one more ServiceEntry and DestinationRule of the other's ingress
    gateway.

    It spans two clusters, so every child names the provider of its own.
    """

    zones: dict[str, dict[str, pulumi.Resource]]
    """Name of each caller to the other's name and the ConfigMap with its DNS zone;
    without those whose sidecars answer for it."""

    def __init__(
        self, name: str, args: ClusterLinkArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("istio-multicluster:index:ClusterLink", name, None, opts)
        self.zones = {}
        for caller, target in args.directions:
            zone = target.cluster_name
            prefix = f"{name}-{caller.cluster_name}-to-{zone}"
            objects = CallerObjects(self, prefix, caller, zone, args.dummy_addresses)
            allowed = [port for port in target.exposes if caller.cluster_name in port.allow]
            _put_routes(objects, target, allowed, caller_identity=args.caller_identity)
            if not caller.dns_capture:
                virtual = {host(zone, port): port.address or "" for port in stream_ports(allowed)}
                self.zones[caller.cluster_name] = {zone: objects.put_zone(virtual)}
        self.register_outputs({})


def _put_routes(
    objects: CallerObjects, target: Target, allowed: Sequence[ExposedPort], *, caller_identity: bool
) -> None:
    """Make the Istio objects on the caller of one direction.

    Args:
        objects: makes them.
        target: the other cluster.
        allowed: what it exposes to the caller.
        caller_identity: tell the target which workload calls.
    """
    zone, link_port, put = objects.zone, objects.caller.link_port, objects.put
    ingress = Output.from_input(target.ingress_addresses).apply(
        lambda addresses: outbound.ingress_entry(
            zone, _not_empty(addresses, zone), target.ingress_port
        )
    )
    identity = Output.from_input(target.ingress_spiffe_id)
    rule = identity.apply(lambda spiffe_id: outbound.ingress_rule(zone, spiffe_id, allowed))
    put("ServiceEntry", "ingress", ingress)
    to_ingress = put("DestinationRule", "ingress", rule)
    entry = outbound.zone_entry(zone, allowed, objects.captured_addresses)
    put("ServiceEntry", "services", entry)
    gateway = f"{zone}-egress"
    put("Gateway", "egress", outbound.egress_gateway(zone, link_port, allowed))
    to_egress = put("DestinationRule", "egress", outbound.egress_rule(zone, link_port, allowed))
    spec = outbound.zone_routes(
        zone, gateway, link_port, target.ingress_port, allowed, caller_identity=caller_identity
    )
    # A route to a subset that is not there yet is an error for whoever calls.
    put("VirtualService", "services", spec, to_ingress, to_egress)

    if not (not_http := stream_ports(allowed)):
        return
    put("ServiceEntry", "ingress-tcp", ingress.apply(lambda e: streams.ingress_entry(zone, e)))
    rule = identity.apply(lambda spiffe_id: streams.ingress_rule(zone, spiffe_id, not_http))
    to_ingress = put("DestinationRule", "ingress-tcp", rule)
    for (namespace, service), ports in by_service(not_http).items():
        put("ServiceEntry", f"{service}.{namespace}", streams.entry(zone, ports))
        for port in ports:
            spec = streams.port_route(zone, gateway, link_port, target.ingress_port, port)
            put("VirtualService", title(port), spec, to_ingress, to_egress)


def _not_empty(addresses: Sequence[str], cluster: str) -> Sequence[str]:
    """Return the addresses; a ServiceEntry without endpoints would fail every call, in silence."""
    if not addresses:
        raise pulumi.RunError(
            f"cluster {cluster}: the ingress gateway has no address, so nothing can be linked to it"
        )
    return addresses
