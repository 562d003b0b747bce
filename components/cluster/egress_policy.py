"""NetworkPolicies that leave the egress gateway as the only way to the other clusters."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input, Output, ResourceOptions

from components.objects import Component

NAME = "remote-ingresses"


@dataclass(frozen=True, slots=True)
class EgressPolicyArgs:
    """Arguments of `EgressPolicy`."""

    namespaces: Sequence[str]
    """Namespaces whose pods must not call another cluster's ingress gateway themselves."""
    addresses: Mapping[str, Input[Sequence[str]]]
    """Name of each linked cluster to the addresses of its ingress gateway."""


class EgressPolicy(Component):
    """One NetworkPolicy in each of some namespaces, which have to be there.

    NetworkPolicies only add up to more, never to less: so it is one for all links, and a namespace
    that has an own policy for egress has to leave the same addresses out of it. The cluster's
    network plugin has to enforce policies.
    """

    def __init__(
        self, name: str, args: EgressPolicyArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("istio-multicluster:index:EgressPolicy", name, None, opts)
        linked = sorted(args.addresses)
        spec = Output.all(*(args.addresses[cluster] for cluster in linked)).apply(
            lambda addresses: policy(dict(zip(linked, addresses, strict=True)))
        )
        for namespace in args.namespaces:
            k8s.networking.v1.NetworkPolicy(
                f"{name}-{namespace}",
                metadata={"name": NAME, "namespace": namespace},
                spec=spec,
                opts=self.options(),
            )
        self.register_outputs({})


def policy(addresses: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the spec: everything but the ingress gateways of the linked clusters.

    Args:
        addresses: linked cluster to its addresses.

    Raises:
        pulumi.RunError: one is a host name, which a NetworkPolicy cannot hold.
    """
    left_out: dict[int, list[str]] = {4: [], 6: []}
    for cluster, of_cluster in addresses.items():
        for address in of_cluster:
            try:
                ip = ipaddress.ip_address(address)
            except ValueError as error:
                raise pulumi.RunError(
                    f"networkPolicy: the ingress gateway of cluster {cluster} has the host name "
                    f"{address}, and a NetworkPolicy takes addresses only; if its load balancer "
                    f"has fixed ones list them in clusters.{cluster}.ingress.addresses, else "
                    "remove networkPolicy"
                ) from error
            left_out[ip.version].append(f"{ip}/{ip.max_prefixlen}")
    everywhere = {4: "0.0.0.0/0", 6: "::/0"}
    blocks = [
        {"cidr": everywhere[version], **({"except": sorted(blocks)} if blocks else {})}
        for version, blocks in left_out.items()
    ]
    return {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [
            # Pods are named apart: some network plugins do not take an address block for them.
            {"to": [{"namespaceSelector": {}}]},
            {"to": [{"ipBlock": block} for block in blocks]},
        ],
    }
