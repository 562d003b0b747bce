"""NetworkPolicies that leave the egress gateway as the only way to the other clusters."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input, Output, ResourceOptions

NAME = "remote-ingresses"


class EgressPolicyArgs(TypedDict):
    """Arguments of `EgressPolicy`."""

    namespaces: Sequence[str]
    """Namespaces whose pods must not call another cluster's ingress gateway themselves."""
    addresses: Mapping[str, Input[list[str]]]
    """Name of each linked cluster to the addresses of its ingress gateway."""


class EgressPolicy(pulumi.ComponentResource):
    """One NetworkPolicy in each of some namespaces, which have to be there.

    NetworkPolicies only add up to more, never to less: so it is one for all links, and a namespace
    that has an own policy for egress has to leave the same addresses out of it. The cluster's
    network plugin has to enforce policies.
    """

    def __init__(
        self,
        name: str,
        args: EgressPolicyArgs,
        provider: k8s.Provider,
        opts: ResourceOptions | None = None,
    ) -> None:
        opts = ResourceOptions.merge(opts, ResourceOptions(providers=[provider]))
        super().__init__("istio-multicluster:index:EgressPolicy", name, None, opts)
        peers = sorted(args["addresses"])
        spec = Output.all(*(args["addresses"][peer] for peer in peers)).apply(
            lambda found: policy(dict(zip(peers, found, strict=True)))
        )
        for namespace in args["namespaces"]:
            k8s.networking.v1.NetworkPolicy(
                f"{name}-{namespace}",
                metadata={"name": NAME, "namespace": namespace},
                spec=spec,
                opts=ResourceOptions(parent=self, provider=provider),
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
    for peer, found in addresses.items():
        for address in found:
            try:
                ip = ipaddress.ip_address(address)
            except ValueError as error:
                raise pulumi.RunError(
                    f"networkPolicy: the ingress gateway of cluster {peer} has the host name "
                    f"{address}, and a NetworkPolicy takes addresses only; if its load balancer "
                    f"has fixed ones list them in clusters.{peer}.ingress.addresses, else remove "
                    "networkPolicy"
                ) from error
            left_out[ip.version].append(f"{ip}/{ip.max_prefixlen}")
    everywhere = {4: "0.0.0.0/0", 6: "::/0"}
    blocks = [
        {"cidr": everywhere[version], **({"except": sorted(found)} if found else {})}
        for version, found in left_out.items()
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
