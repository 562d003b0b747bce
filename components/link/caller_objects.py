"""What calls need on the cluster that makes them, for the zone of a cluster and the global one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input, ResourceOptions

from components import names
from components.cluster.istio_cluster import IstioCluster
from components.dns import corefile
from components.objects import custom_resource


@dataclass(frozen=True)
class SourceObjects:
    """Registers the objects of one zone on one source."""

    parent: pulumi.Resource
    """The component that they belong to."""
    prefix: str
    """Beginning of their Pulumi names."""
    source: IstioCluster
    """The cluster that calls."""
    zone: str
    """Whose zone it is, a cluster's name or `global`: the beginning of the objects' names."""

    def put(
        self, kind: str, suffix: str, spec: Input[dict[str, Any]], *after: pulumi.Resource
    ) -> pulumi.Resource:
        """Register an Istio object in the gateways' namespace."""
        # No name of a cluster, Service or namespace has a dot in it.
        separator = "." if "." in suffix else "-"
        ready = [self.source.control_plane, self.source.gateway_namespace, *after]
        return custom_resource(
            f"{self.prefix}-{suffix}",
            kind,
            {"name": f"{self.zone}{separator}{suffix}", "namespace": names.GATEWAY_NAMESPACE},
            spec,
            ResourceOptions(parent=self.parent, provider=self.source.provider, depends_on=ready),
        )

    def answered(self, *addresses: str) -> list[str]:
        """Return those of the dummy addresses (empty: none) that the source's sidecars answer."""
        return [address for address in addresses if address] if self.source.dns_capture else []

    def put_zone(self, server: str) -> pulumi.Resource:
        """Register the ConfigMap with the zone's server block, for CoreDNS."""
        return k8s.core.v1.ConfigMap(
            f"{self.prefix}-dns-zone",
            metadata={
                "name": corefile.zone_config_map(self.zone),
                "namespace": names.SYSTEM_NAMESPACE,
            },
            data={f"{self.zone}.server": server},
            opts=ResourceOptions(
                parent=self.parent,
                provider=self.source.provider,
                depends_on=[self.source.system_namespace],
            ),
        )
