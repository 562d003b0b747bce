"""Remove what istiod itself puts into every namespace, and leaves there when it is uninstalled."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from components.kubectl import Access, Kubectl, forgive_unreachable

CONFIG_MAPS = ("istio-ca-root-cert", "istio-ca-crl")
"""istiod writes the root (and revocations) where every pod can mount them; no chart owns these."""


class IstiodLeftoversProvider(ResourceProvider):
    """Makes nothing; deletes istiod's ConfigMaps. State is pickled by reference: do not move it."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare how the cluster is reached, which destroy will need."""
        return DiffResult(
            changes=any(olds.get(key) != news.get(key) for key in ("kubeconfig", "context"))
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Remember how the cluster is reached."""
        return CreateResult(id_="istiod-leftovers", outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Remember how the cluster is reached."""
        return UpdateResult(news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Delete the ConfigMaps in all namespaces."""
        kubectl = Kubectl.of(props)
        with forgive_unreachable(kubectl):
            for name in CONFIG_MAPS:
                kubectl.delete_config_maps(name)


class IstiodLeftovers(Resource, module="istio-multicluster", name="IstiodLeftovers"):
    """Cleans up after istiod on destroy: make istiod depend on it, so that it is deleted later."""

    def __init__(self, name: str, access: Access, opts: pulumi.ResourceOptions) -> None:
        """Register the clean-up.

        Args:
            name: Pulumi name.
            access: how kubectl reaches the cluster.
            opts: parent and dependencies.
        """
        super().__init__(IstiodLeftoversProvider(), name, {**access}, opts)
