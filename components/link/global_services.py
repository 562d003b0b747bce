"""What a cluster needs to call services that several clusters offer under one global name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions

from components import names
from components.cluster.istio_cluster import IstioCluster
from components.link.caller_objects import CallerObjects, DummyAddresses
from components.objects import Component
from components.specs import global_services, outbound
from components.specs.exposed_ports import title
from components.specs.global_services import GlobalService, Member


@dataclass(frozen=True, slots=True)
class GlobalServicesArgs:
    """Arguments of `GlobalServices`."""

    caller: IstioCluster
    """The cluster that calls."""
    services: Sequence[GlobalService]
    """What it may call; at least one."""
    members: Sequence[Member]
    """The clusters that offer them."""
    dummy_addresses: DummyAddresses
    """What global names resolve to."""
    caller_identity: bool
    """Tell the member which workload of the caller calls."""


class GlobalServices(Component):
    """The global zone on one cluster.

    Makes the ServiceEntry of the zone, the Gateway on the egress pods, the VirtualService over both
    hops, the DestinationRule for the first of them, and the zone for CoreDNS; and for each global
    service a ServiceEntry and a DestinationRule of all ingress gateways that lead to it.

    A member is known by plain data, not by its component: it may be another stack's.
    """

    zones: dict[str, pulumi.Resource]
    """The ConfigMap with the DNS zone, under the name `global`; empty where sidecars answer."""

    def __init__(
        self, name: str, args: GlobalServicesArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("istio-multicluster:index:GlobalServices", name, None, opts)
        objects = CallerObjects(self, name, args.caller, names.GLOBAL, args.dummy_addresses)
        _put_routes(objects, args)
        captured = args.caller.dns_capture
        self.zones = {} if captured else {names.GLOBAL: objects.put_zone({})}
        self.register_outputs({})


def _put_routes(objects: CallerObjects, args: GlobalServicesArgs) -> None:
    put, link_port, gateway = objects.put, args.caller.link_port, f"{names.GLOBAL}-egress"
    exposes = [service.exposed for service in args.services]
    gateways = Output.all(
        addresses={member.cluster: member.addresses for member in args.members},
        identities={member.cluster: member.spiffe_id for member in args.members},
    )
    ports = {member.cluster: member.port for member in args.members}
    rules = []
    for service in args.services:
        suffix = title(service.exposed)

        def entry(known: dict[str, Any], service: GlobalService = service) -> dict[str, Any]:
            return global_services.entry(service, known["addresses"], ports)

        def rule(known: dict[str, Any], service: GlobalService = service) -> dict[str, Any]:
            return global_services.rule(service, known["identities"])

        # A member that does not take the calls yet answers 403, and none goes to the next.
        called = {place.cluster for place in service.places}
        ready = [
            resource
            for member in args.members
            if member.cluster in called
            for resource in member.ready
        ]
        put("ServiceEntry", suffix, gateways.apply(entry), *ready)
        rules.append(put("DestinationRule", suffix, gateways.apply(rule)))
    spec = outbound.zone_entry(names.GLOBAL, exposes, objects.captured_addresses)
    put("ServiceEntry", "services", spec)
    put("Gateway", "egress", outbound.egress_gateway(names.GLOBAL, link_port, exposes))
    spec = outbound.egress_rule(names.GLOBAL, link_port, exposes)
    rules.append(put("DestinationRule", "egress", spec))
    spec = global_services.global_routes(
        args.services, gateway, link_port, caller_identity=args.caller_identity
    )
    # A route to a subset that is not there yet is an error for whoever calls.
    put("VirtualService", "services", spec, *rules)
