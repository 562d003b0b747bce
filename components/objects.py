"""Make Istio and cert-manager objects, and what several components put on objects."""

from __future__ import annotations

from typing import Any

import pulumi
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


def custom_resource(
    resource_name: str,
    kind: str,
    metadata: dict[str, Any],
    spec: pulumi.Input[dict[str, Any]],
    opts: pulumi.ResourceOptions,
) -> CustomResource:
    """Register one object.

    Args:
        resource_name: its Pulumi name.
        kind: one of `API_VERSIONS`.
        metadata: its name, namespace and further metadata.
        spec: its spec.
        opts: parent, provider and what it depends on.
    """
    return CustomResource(
        resource_name,
        api_version=API_VERSIONS[kind],
        kind=kind,
        metadata=metadata,
        spec=spec,
        opts=opts,
    )
