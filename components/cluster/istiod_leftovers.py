"""Remove what istiod itself puts into every namespace, and leaves there when it is uninstalled."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components.dynamic import Kind
from components.handler import Handler, Props
from components.kubectl import Access, Kubectl, forgive_unreachable

CONFIG_MAPS = ("istio-ca-root-cert", "istio-ca-crl")
"""istiod writes the root (and revocations) where every pod can mount them; no chart owns these."""


class IstiodLeftoversHandler(Handler):
    """Makes nothing; deletes istiod's ConfigMaps."""

    id = "istiod-leftovers"
    compared = ("kubeconfig", "context")  # destroy will need them

    def delete(self, _id: str, props: Props) -> None:
        """Delete the ConfigMaps in all namespaces."""
        kubectl = Kubectl.from_props(props)
        with forgive_unreachable(kubectl):
            for name in CONFIG_MAPS:
                kubectl.delete_everywhere("configmap", name)


@dataclass(frozen=True)
class IstiodLeftoversArgs:
    """Arguments of `IstiodLeftovers`."""

    access: Access
    """How kubectl reaches the cluster."""


class IstiodLeftovers(Resource, module="istio-multicluster", name="IstiodLeftovers"):
    """Cleans up after istiod on destroy: make istiod depend on it, so that it is deleted later."""

    def __init__(
        self, name: str, args: IstiodLeftoversArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the clean-up.

        Args:
            name: Pulumi name.
            args: where it is done.
            opts: parent and dependencies.
        """
        super().__init__(Kind("IstiodLeftovers"), name, {**args.access}, opts)
