"""cert-manager from its official chart, for a root cluster that does not run it yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import ResourceOptions

from components.charts import crds, helm
from components.charts.crds import Crd, Crds, CrdsArgs, WantedCrds
from components.charts.rendered_chart import RenderedChart, RenderedChartArgs
from components.charts.webhooks_ready import WebhooksReady, WebhooksReadyArgs
from components.kubectl import Access
from components.model import CertManager
from components.objects import API_VERSIONS, Component
from components.ownership import claim
from components.ownership.claim import Claim

NAMESPACE = "cert-manager"

DEFAULTS: Mapping[str, Any] = {
    # Not in kube-system, where the deployer then would need rights.
    "global": {"leaderElection": {"namespace": NAMESPACE}},
    # A Job that waits for the webhook: `WebhooksReady` does.
    "startupapicheck": {"enabled": False},
}


@dataclass(frozen=True, slots=True)
class CertManagerArgs:
    """Arguments of `install_cert_manager`."""

    access: Access
    """How kubectl reaches the root cluster."""
    wanted: CertManager
    """Which cert-manager."""
    crds: Mapping[str, Crd] | None
    """Its CRDs that are there; None: they are as they should be, or unseen."""
    claim: Claim
    """Whose the root cluster is."""
    issuers_in: str
    """Namespace in which an Issuer is tried out."""
    after: Sequence[pulumi.Resource]
    """What everything waits for."""


def install_cert_manager(parent: Component, name: str, args: CertManagerArgs) -> WebhooksReady:
    """Install cert-manager with its CRDs, which stay on destroy.

    Args:
        parent: the component that it belongs to.
        name: prefix of the Pulumi names.
        args: what is installed.

    Returns:
        what an Issuer has to wait for.
    """
    wanted = args.wanted
    resource_name = f"{name}-cert-manager"
    location = helm.location(wanted.repository, "cert-manager", wanted.version)
    kinds_wanted = crds_of(wanted)
    missing = crds.to_apply(kinds_wanted, args.crds)
    options = parent.options(*args.after)
    namespace = claim.namespace(f"{resource_name}-namespace", NAMESPACE, args.claim, options, {})
    chart = RenderedChart(
        resource_name,
        RenderedChartArgs(
            release="cert-manager",
            namespace=NAMESPACE,
            location=location,
            values=helm.merge(DEFAULTS, wanted.values, _with_crds(wanted.values, bool(missing))),
            after=[namespace],
            crds=kinds_wanted.chart.names,
        ),
        parent.options(),
    )
    kinds = Crds(
        f"{resource_name}-crds",
        CrdsArgs(kinds_wanted, crds.manifest(chart.crds, kinds_wanted), args.access),
        parent.options(*args.after),
    )
    probe = {
        "apiVersion": API_VERSIONS["Issuer"],
        "kind": "Issuer",
        "metadata": {"name": "probe", "namespace": args.issuers_in},
        "spec": {"selfSigned": {}},
    }
    made = chart.resources.apply(lambda resources: [kinds, *resources])
    return WebhooksReady(
        f"{resource_name}-ready",
        WebhooksReadyArgs(
            what="cert-manager",
            installed=helm.digest(kinds_wanted.stamp, wanted.values),
            cluster=args.claim.mark.uid,
            webhooks=chart.webhooks,
            probe=probe,
            access=args.access,
        ),
        ResourceOptions(parent=parent, depends_on=made),
    )


def _with_crds(user: Mapping[str, Any], rendered: bool) -> Mapping[str, Any]:
    """Return the values that say whether CRDs are rendered: before 1.15 it was another one."""
    if "installCRDs" in user:
        return {"installCRDs": rendered, "crds": {"enabled": False}}
    return {"crds": {"enabled": rendered}}


def crds_of(wanted: CertManager) -> WantedCrds:
    """Return the CRDs of a cert-manager."""
    return crds.wanted(crds.CERT_MANAGER, wanted.repository, wanted.version)
