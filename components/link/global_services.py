"""What a cluster needs to call services that several clusters offer under one global name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import pulumi
from pulumi import Output, ResourceOptions

from components import names
from components.cluster.istio_cluster import IstioCluster
from components.dns import corefile
from components.link.caller_objects import SourceObjects
from components.specs import global_services, outbound
from components.specs.exposed_ports import title
from components.specs.global_services import GlobalService, Member


class GlobalServicesArgs(TypedDict):
    """Arguments of `GlobalServices`."""

    source: IstioCluster
    """The cluster that calls."""
    locality: str
    """Where it is: `region` or `region/zone`; empty: unknown."""
    members: Sequence[Member]
    """The clusters that it is linked to and itself, each with all that it exposes."""
    dummy_address: str
    """IPv4 address that global names resolve to; no packet ever reaches it."""
    dummy_address6: str
    """The same for IPv6; empty: none."""
    caller_identity: bool
    """Tell the member which workload of the source calls."""


class GlobalServices(pulumi.ComponentResource):
    """The global zone on one cluster.

    Makes the ServiceEntry of the zone, the Gateway on the egress pods, the VirtualService over both
    hops, the DestinationRule for the first of them, and the zone for CoreDNS; and for each global
    service a ServiceEntry and a DestinationRule of all ingress gateways that lead to it. Nothing,
    when there is no global service that the cluster may call.

    A member is known by plain data, not by its component: it may be another stack's.
    """

    zones: dict[str, pulumi.Resource]
    """The ConfigMap with the DNS zone, under the name `global`; empty where there is none."""

    def __init__(
        self, name: str, args: GlobalServicesArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("istio-multicluster:index:GlobalServices", name, None, opts)
        source, members = args["source"], args["members"]
        self.zones = {}
        objects = SourceObjects(self, name, source, names.GLOBAL)
        services = global_services.of(source.cluster_name, args["locality"], members)
        if services:
            _routes(objects, services, args)
            if not source.dns_capture:
                dummy, dummy6 = args["dummy_address"], args["dummy_address6"]
                server = corefile.zone_server(names.GLOBAL, dummy, {}, address6=dummy6)
                self.zones = {names.GLOBAL: objects.put_zone(server)}
        self.register_outputs({})


def _routes(
    objects: SourceObjects, services: Sequence[GlobalService], args: GlobalServicesArgs
) -> None:
    put, port, gateway = objects.put, objects.source.link_port, f"{names.GLOBAL}-egress"
    exposes = [service.exposed for service in services]
    answered = objects.answered(args["dummy_address"], args["dummy_address6"])
    found = Output.all(
        addresses={member["cluster"]: member["addresses"] for member in args["members"]},
        identities={member["cluster"]: member["spiffe_id"] for member in args["members"]},
    )
    ports = {member["cluster"]: member["port"] for member in args["members"]}
    rules = []
    for service in services:
        suffix = title(service.exposed)

        def entry(known: dict[str, Any], service: GlobalService = service) -> dict[str, Any]:
            return global_services.entry(service, known["addresses"], ports)

        def rule(known: dict[str, Any], service: GlobalService = service) -> dict[str, Any]:
            return global_services.rule(service, known["identities"])

        # A member that does not take the calls yet answers 403, and none goes to the next.
        callable_now = [
            resource
            for member in args["members"]
            if member["cluster"] in {place.cluster for place in service.places}
            for resource in member["ready"]
        ]
        put("ServiceEntry", suffix, found.apply(entry), *callable_now)
        rules.append(put("DestinationRule", suffix, found.apply(rule)))
    spec = outbound.zone_entry(names.GLOBAL, exposes, answered)
    put("ServiceEntry", "services", spec)
    put("Gateway", "egress", outbound.egress_gateway(names.GLOBAL, port, exposes))
    spec = outbound.egress_rule(names.GLOBAL, port, exposes)
    rules.append(put("DestinationRule", "egress", spec))
    told = args["caller_identity"]
    spec = global_services.route(services, gateway, port, caller_identity=told)
    # A route to a subset that is not there yet is an error for whoever calls.
    put("VirtualService", "services", spec, *rules)
