"""What components have in common: the options of their children, and how they make objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

API_VERSIONS = {
    "AuthorizationPolicy": "security.istio.io/v1",
    "PeerAuthentication": "security.istio.io/v1",
    "DestinationRule": "networking.istio.io/v1",
    "Gateway": "networking.istio.io/v1",
    "ServiceEntry": "networking.istio.io/v1",
    "VirtualService": "networking.istio.io/v1",
    "Certificate": "cert-manager.io/v1",
    "Issuer": "cert-manager.io/v1",
}

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""For a Service whose Deployment is awaited anyway: Pulumi gives endpoints 10 s more to settle.
Nor does it then wait for a load balancer: `IngressAddresses` does."""


class Component(pulumi.ComponentResource):
    """A component whose children are on the cluster of its Kubernetes provider.

    The provider comes with the component's options, and children inherit it; only one that is on
    another cluster names its own.
    """

    def kubernetes_provider(self) -> pulumi.ProviderResource:
        """Return the provider that children inherit.

        Raises:
            ValueError: the component's options name none.
        """
        provider = self.get_provider("kubernetes:core/v1:Namespace")
        if provider is None:
            raise ValueError(f"component {self.pulumi_resource_name} has no Kubernetes provider")
        return provider

    def options(
        self, *depends_on: pulumi.Resource, provider: pulumi.ProviderResource | None = None
    ) -> ResourceOptions:
        """Return the options of a child.

        Args:
            depends_on: what it waits for.
            provider: that of its cluster, where the component spans several.
        """
        return ResourceOptions(parent=self, provider=provider, depends_on=[*depends_on])

    def put(
        self,
        kind: str,
        resource_name: str,
        metadata: Mapping[str, Any],
        spec: Input[Mapping[str, Any]],
        *depends_on: pulumi.Resource,
        provider: pulumi.ProviderResource | None = None,
    ) -> CustomResource:
        """Register an object of Istio or cert-manager.

        Args:
            kind: one of `API_VERSIONS`.
            resource_name: its Pulumi name.
            metadata: its name, namespace and further metadata.
            spec: its spec.
            depends_on: what it waits for.
            provider: that of its cluster, where the component spans several.
        """
        return CustomResource(
            resource_name,
            api_version=API_VERSIONS[kind],
            kind=kind,
            metadata=metadata,
            spec=spec,
            opts=self.options(*depends_on, provider=provider),
        )
