"""cert-manager from its official chart, for a root cluster that does not run it yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import helm
from components.model import CertManager
from components.objects import Component
from components.ownership import claim
from components.ownership.claim import Claim

NAMESPACE = "cert-manager"


def install_cert_manager(
    parent: Component,
    name: str,
    wanted: CertManager,
    whose: Claim,
    after: Sequence[pulumi.Resource],
) -> list[pulumi.Resource]:
    """Install cert-manager with its CRDs, which stay on destroy, as the chart has it.

    Args:
        parent: the component that it belongs to.
        name: prefix of the Pulumi names.
        wanted: which.
        whose: whose the root cluster is.
        after: what it waits for.

    Returns:
        what an Issuer has to wait for: the Release waits until the webhook answers.
    """
    options = parent.options(*after)
    namespace = claim.namespace(f"{name}-cert-manager-namespace", NAMESPACE, whose, options, {})
    release = k8s.helm.v3.Release(
        f"{name}-cert-manager",
        name="cert-manager",
        namespace=NAMESPACE,
        values=helm.merge(DEFAULTS, wanted.values),
        timeout=helm.TIMEOUT_SECONDS,
        **helm.location(wanted.repository, "cert-manager", wanted.version),
        opts=parent.options(namespace),
    )
    return [release]


DEFAULTS: Mapping[str, Any] = {
    "crds": {"enabled": True},
    # Not in kube-system, where the deployer then would need rights.
    "global": {"leaderElection": {"namespace": NAMESPACE}},
}
