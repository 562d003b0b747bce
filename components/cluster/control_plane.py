"""Istio's CRDs, istiod and its webhooks on one cluster, in the order that they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions

from components import names
from components.charts import crds, helm
from components.charts.crds import Crd, Crds, CrdsArgs, WantedCrds
from components.charts.rendered_chart import Item, RenderedChart, RenderedChartArgs
from components.charts.webhooks_ready import WebhooksReady, WebhooksReadyArgs
from components.cluster.istiod_leftovers import IstiodLeftovers, IstiodLeftoversArgs
from components.kubectl import Access
from components.model import Istio
from components.objects import API_VERSIONS, Component

STRICT_MTLS: Mapping[str, Any] = {
    "apiVersion": API_VERSIONS["PeerAuthentication"],
    "kind": "PeerAuthentication",
    "metadata": {"name": "default", "namespace": names.SYSTEM_NAMESPACE},
    "spec": {"mtls": {"mode": "STRICT"}},
}
"""Mesh-wide strict mTLS. With it istiod's webhooks are tried out as well."""


@dataclass(frozen=True, slots=True)
class ControlPlaneArgs:
    """Arguments of `install_control_plane`."""

    access: Access
    """How kubectl reaches the cluster."""
    istio: Istio
    """Which Istio."""
    values: Mapping[str, Any]
    """Values of the chart `istiod`."""
    crds: Mapping[str, Crd] | None
    """Istio's CRDs that are there; None: they are as they should be, or unseen."""
    uid: Input[str]
    """UID of the cluster."""
    after: Sequence[pulumi.Resource]
    """What everything waits for."""
    cacerts: Sequence[pulumi.Resource]
    """What istiod reads at its start."""


def install_control_plane(parent: Component, name: str, args: ControlPlaneArgs) -> WebhooksReady:
    """Install Istio's charts `base` and `istiod`.

    istiod reads `cacerts` and its injector's ConfigMap once, at its start, so its Deployment comes
    after both. Its webhooks are there before it, and it completes them when it runs.

    Args:
        parent: the component that it belongs to.
        name: the cluster's name.
        args: what is installed.

    Returns:
        What any Istio object has to wait for.
    """
    istio = args.istio
    wanted = crds_of(istio)
    base_values = _base_values(istio.base_values, crds.to_apply(wanted, args.crds))

    def chart(release: str, chart: str, values: Mapping[str, Any], **more: Any) -> RenderedChart:
        return RenderedChart(
            f"{name}-{chart}",
            RenderedChartArgs(
                release=release,
                namespace=names.SYSTEM_NAMESPACE,
                location=helm.location(istio.repository, chart, istio.version),
                values=values,
                after=args.after,
                edit=_without_policy,
                **more,
            ),
            parent.options(),
        )

    base = chart("istio-base", "base", base_values, crds=wanted.chart.names)
    kinds = Crds(
        f"{name}-crds",
        CrdsArgs(wanted, crds.manifest(base.crds, wanted), args.access),
        parent.options(*args.after),
    )
    leftovers = IstiodLeftovers(
        f"{name}-istiod-leftovers", IstiodLeftoversArgs(args.access), parent.options(*args.after)
    )
    first = [kinds, leftovers, *args.cacerts]
    istiod = chart("istiod", "istiod", args.values, workloads_after=first)
    made = Output.all(base.resources, istiod.resources).apply(
        lambda charts: [kinds, *(resource for chart in charts for resource in chart)]
    )
    webhooks = Output.all(base.webhooks, istiod.webhooks).apply(
        lambda charts: sorted(item for chart in charts for item in chart)
    )
    return WebhooksReady(
        f"{name}-istiod-ready",
        WebhooksReadyArgs(
            what="istiod",
            installed=helm.digest(wanted.stamp, istio.base_values, args.values),
            cluster=args.uid,
            webhooks=webhooks,
            probe=STRICT_MTLS,
            access=args.access,
        ),
        ResourceOptions(parent=parent, depends_on=made),
    )


def crds_of(istio: Istio) -> WantedCrds:
    """Return the CRDs of an Istio, but for those that its values leave out."""
    names = crds.ISTIO.names - _excluded(istio.base_values)
    chart = dataclasses.replace(crds.ISTIO, names=names)
    return crds.wanted(chart, istio.repository, istio.version)


def _base_values(user: Mapping[str, Any], to_apply: Sequence[str]) -> helm.Values:
    """Return the values of the chart `base`: CRDs that need not be rendered cost a preview much."""
    left_out = sorted(_excluded(user) | (crds.ISTIO.names - {*to_apply}))
    return helm.merge(user, {"base": {"excludedCRDs": left_out}})


def _excluded(user: Mapping[str, Any]) -> Set[str]:
    return {*((user.get("base") or {}).get("excludedCRDs") or ())}


def _without_policy(item: Item) -> Item:
    """Return an object; when its validation may refuse, istiod writes by itself."""
    if item["kind"] != "ValidatingWebhookConfiguration":
        return item
    hooks = [
        {key: value for key, value in hook.items() if key != "failurePolicy"}
        for hook in item["webhooks"]
    ]
    return {**item, "webhooks": hooks}
