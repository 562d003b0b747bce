"""The link between two clusters: what each needs to call the services that the other exposes."""

from __future__ import annotations

from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input, ResourceOptions

from . import corefile, direction, names
from .custom_resources import custom_resource
from .istio_cluster import IstioCluster


class ClusterLinkArgs(TypedDict):
    """Arguments of `ClusterLink`."""

    clusters: tuple[IstioCluster, IstioCluster]
    """The two clusters, in either order."""
    dummy_address: str
    """IPv4 address that names of exposed services resolve to; no packet ever reaches it."""
    dummy_address6: str
    """The same for IPv6; empty: none."""
    caller_identity: bool
    """Tell the target which workload of the source calls."""


class ClusterLink(pulumi.ComponentResource):
    """Both directions between two clusters.

    Makes on each side, for the other's zone: the ServiceEntries of its ingress gateway and of its
    services, the Gateway on the egress pods, the VirtualService over both hops, the
    DestinationRules that pin identities, and the zone for CoreDNS (which `RemoteDns` serves; none
    where sidecars answer).

    It spans two providers, so every child names its own.
    """

    zones: dict[str, dict[str, pulumi.Resource]]
    """Name of each of the two clusters to the other's name and the ConfigMap with its DNS zone;
    without those whose sidecars answer for it."""

    def __init__(
        self, name: str, args: ClusterLinkArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("istio-multicluster:index:ClusterLink", name, None, opts)
        # Sorted, so that [a, b] and [b, a] are the same link with the same children.
        first, second = sorted(args["clusters"], key=lambda cluster: cluster.cluster_name)
        self.zones = {}
        for source, target in ((first, second), (second, first)):
            self._route(name, source, target, args)
            if not source.dns_capture:
                zone = self._zone(name, source, target, args)
                self.zones[source.cluster_name] = {target.cluster_name: zone}
        self.register_outputs({})

    def _route(
        self, name: str, source: IstioCluster, target: IstioCluster, args: ClusterLinkArgs
    ) -> None:
        """Make the Istio objects on the source of one direction."""
        peer = target.cluster_name

        def put(kind: str, suffix: str, spec: Input[dict[str, Any]]) -> None:
            custom_resource(
                f"{name}-{source.cluster_name}-to-{peer}-{suffix}",
                kind,
                {"name": f"{peer}-{suffix}", "namespace": names.GATEWAY_NAMESPACE},
                spec,
                ResourceOptions(
                    parent=self,
                    provider=source.provider,
                    depends_on=[source.control_plane, source.gateway_namespace],
                ),
            )

        allowed = [e["port"] for e in target.exposes if source.cluster_name in e["allow"]]
        dummies = [
            address for address in (args["dummy_address"], args["dummy_address6"]) if address
        ]
        answered = dummies if source.dns_capture else []
        ingress = pulumi.Output.from_input(target.ingress_addresses).apply(
            lambda addresses: direction.ingress_entry(
                peer, _not_empty(addresses, peer), target.link_port
            )
        )
        rule = target.ingress_spiffe_id.apply(
            lambda identity: direction.ingress_rule(peer, identity)
        )
        put("ServiceEntry", "ingress", ingress)
        put("DestinationRule", "ingress", rule)
        put("ServiceEntry", "services", direction.zone_entry(peer, allowed, answered))
        put("Gateway", "egress", direction.egress_gateway(peer, source.link_port))
        put("DestinationRule", "egress", direction.egress_rule(peer, source.link_port))
        route = direction.route(
            peer,
            f"{peer}-egress",
            source.link_port,
            target.link_port,
            caller_identity=args["caller_identity"],
        )
        put("VirtualService", "services", route)

    def _zone(
        self, name: str, source: IstioCluster, target: IstioCluster, args: ClusterLinkArgs
    ) -> pulumi.Resource:
        """Make the ConfigMap with the target's zone on the source."""
        peer = target.cluster_name
        dummy, dummy6 = args["dummy_address"], args["dummy_address6"]
        server = corefile.zone_server(peer, dummy, address6=dummy6)
        return k8s.core.v1.ConfigMap(
            f"{name}-{source.cluster_name}-to-{peer}-dns-zone",
            metadata={
                "name": corefile.zone_config_map(peer),
                "namespace": names.SYSTEM_NAMESPACE,
            },
            data={f"{peer}.server": server},
            opts=ResourceOptions(
                parent=self, provider=source.provider, depends_on=[source.system_namespace]
            ),
        )


def _not_empty(addresses: list[str], cluster: str) -> list[str]:
    """Return the addresses; a ServiceEntry without endpoints would fail every call, in silence."""
    if not addresses:
        raise pulumi.RunError(
            f"cluster {cluster}: the Service {names.GATEWAY_NAMESPACE}/{names.INGRESS} has no load "
            "balancer address, so nothing can be linked to it; it has to be of type LoadBalancer"
        )
    return addresses
