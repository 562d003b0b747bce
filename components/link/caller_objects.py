"""What calls need on the cluster that makes them, for the zone of a cluster and the global one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input

from components import names
from components.cluster.istio_cluster import IstioCluster
from components.dns import corefile
from components.objects import Component


@dataclass(frozen=True, slots=True)
class DummyAddresses:
    """What names of exposed services resolve to; no packet ever reaches it."""

    ipv4: str
    ipv6: str | None
    """None: AAAA queries get an empty answer."""


@dataclass(frozen=True, slots=True)
class CallerObjects:
    """Registers the objects of one zone on one calling cluster."""

    parent: Component
    """The component that they belong to."""
    prefix: str
    """Beginning of their Pulumi names."""
    caller: IstioCluster
    """The cluster that calls."""
    zone: str
    """Whose zone it is, a cluster's name or `global`: the beginning of the objects' names."""
    dummy_addresses: DummyAddresses
    """What names of HTTP services in the zone resolve to."""

    def put(
        self, kind: str, suffix: str, spec: Input[Mapping[str, Any]], *after: pulumi.Resource
    ) -> pulumi.Resource:
        """Register an Istio object in the gateways' namespace."""
        # No name of a cluster, Service or namespace has a dot in it.
        separator = "." if "." in suffix else "-"
        return self.parent.put(
            kind,
            f"{self.prefix}-{suffix}",
            {"name": f"{self.zone}{separator}{suffix}", "namespace": names.GATEWAY_NAMESPACE},
            spec,
            self.caller.control_plane,
            self.caller.gateway_namespace,
            *after,
            provider=self.caller.provider,
        )

    @property
    def captured_addresses(self) -> list[str]:
        """The dummy addresses, if the caller's sidecars answer them; else its DNS does."""
        dummy = self.dummy_addresses
        both = [dummy.ipv4, *([dummy.ipv6] if dummy.ipv6 else [])]
        return both if self.caller.dns_capture else []

    def put_zone(self, virtual: Mapping[str, str]) -> pulumi.Resource:
        """Register the ConfigMap with the zone's server block, for CoreDNS.

        Args:
            virtual: host names that have an address of their own, to that.
        """
        dummy = self.dummy_addresses
        server = corefile.zone_server(self.zone, dummy.ipv4, virtual, address6=dummy.ipv6)
        return k8s.core.v1.ConfigMap(
            f"{self.prefix}-dns-zone",
            metadata={
                "name": corefile.zone_config_map(self.zone),
                "namespace": names.SYSTEM_NAMESPACE,
            },
            data={f"{self.zone}.server": server},
            opts=self.parent.options(self.caller.system_namespace, provider=self.caller.provider),
        )
