"""What a cluster needs to call services that several clusters offer under one global name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input, Output, ResourceOptions

from . import corefile, direction, global_services, names
from .custom_resources import custom_resource
from .global_services import GlobalService, Member
from .istio_cluster import IstioCluster


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
        self._name = name
        self._source = args["source"]
        self.zones = {}
        cluster, members = self._source.cluster_name, args["members"]
        services = global_services.of(cluster, args["locality"], members)
        if services:
            self._routes(services, args)
            if not self._source.dns_capture:
                self.zones = {names.GLOBAL: self._zone(args)}
        self.register_outputs({})

    def _put(
        self, kind: str, suffix: str, spec: Input[dict[str, Any]], *after: pulumi.Resource
    ) -> pulumi.Resource:
        # No name of a Service or namespace has a dot in it.
        separator = "." if "." in suffix else "-"
        metadata = {
            "name": f"{names.GLOBAL}{separator}{suffix}",
            "namespace": names.GATEWAY_NAMESPACE,
        }
        ready = [self._source.control_plane, self._source.gateway_namespace, *after]
        return custom_resource(
            f"{self._name}-{suffix}",
            kind,
            metadata,
            spec,
            ResourceOptions(parent=self, provider=self._source.provider, depends_on=ready),
        )

    def _routes(self, services: Sequence[GlobalService], args: GlobalServicesArgs) -> None:
        port, gateway = self._source.link_port, f"{names.GLOBAL}-egress"
        exposes = [service.exposed for service in services]
        dummies = [
            address for address in (args["dummy_address"], args["dummy_address6"]) if address
        ]
        answered = dummies if self._source.dns_capture else []
        found = Output.all(
            addresses={member["cluster"]: member["addresses"] for member in args["members"]},
            identities={member["cluster"]: member["spiffe_id"] for member in args["members"]},
        )
        ports = {member["cluster"]: member["port"] for member in args["members"]}
        rules = []
        for service in services:
            item = service.exposed
            suffix = f"{item['service']}.{item['namespace']}.{item['port']}"

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
            self._put("ServiceEntry", suffix, found.apply(entry), *callable_now)
            rules.append(self._put("DestinationRule", suffix, found.apply(rule)))
        spec = direction.zone_entry(names.GLOBAL, exposes, answered)
        self._put("ServiceEntry", "services", spec)
        self._put("Gateway", "egress", direction.egress_gateway(names.GLOBAL, port, exposes))
        spec = direction.egress_rule(names.GLOBAL, port, exposes)
        rules.append(self._put("DestinationRule", "egress", spec))
        told = args["caller_identity"]
        spec = global_services.route(services, gateway, port, caller_identity=told)
        # A route to a subset that is not there yet is an error for whoever calls.
        self._put("VirtualService", "services", spec, *rules)

    def _zone(self, args: GlobalServicesArgs) -> pulumi.Resource:
        dummy, dummy6 = args["dummy_address"], args["dummy_address6"]
        server = corefile.zone_server(names.GLOBAL, dummy, {}, address6=dummy6)
        return k8s.core.v1.ConfigMap(
            f"{self._name}-dns-zone",
            metadata={
                "name": corefile.zone_config_map(names.GLOBAL),
                "namespace": names.SYSTEM_NAMESPACE,
            },
            data={f"{names.GLOBAL}.server": server},
            opts=ResourceOptions(
                parent=self,
                provider=self._source.provider,
                depends_on=[self._source.system_namespace],
            ),
        )
