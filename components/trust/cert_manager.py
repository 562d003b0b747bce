"""cert-manager from its official chart, for a root cluster that does not run it yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

from components import helm

NAMESPACE = "cert-manager"


class CertManagerInstall(TypedDict):
    """Which cert-manager to install."""

    version: str
    """Chart version, e.g. `v1.18.2`."""
    repository: str
    """Chart repository (`https://`, `oci://`) or a directory that holds the chart."""
    values: Mapping[str, Any]
    """Further Helm values."""


def cert_manager(
    name: str, install: CertManagerInstall, options: Callable[..., ResourceOptions]
) -> list[pulumi.Resource]:
    """Install cert-manager with its CRDs, which stay on destroy, as the chart has it.

    Args:
        name: prefix of the Pulumi names.
        install: which.
        options: makes the options of a child, given what it depends on.

    Returns:
        what an Issuer has to wait for: the Release waits until the webhook answers.
    """
    namespace = k8s.core.v1.Namespace(
        f"{name}-cert-manager-namespace", metadata={"name": NAMESPACE}, opts=options()
    )
    release = k8s.helm.v3.Release(
        f"{name}-cert-manager",
        name="cert-manager",
        namespace=NAMESPACE,
        values=helm.merge(DEFAULTS, install["values"]),
        timeout=helm.TIMEOUT_SECONDS,
        **helm.location(install["repository"], "cert-manager", install["version"]),
        opts=options(namespace),
    )
    return [release]


DEFAULTS: Mapping[str, Any] = {
    "crds": {"enabled": True},
    # Not in kube-system, where the deployer then would need rights.
    "global": {"leaderElection": {"namespace": NAMESPACE}},
}
