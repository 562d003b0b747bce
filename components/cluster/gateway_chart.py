"""Istio's chart `gateway` as objects of Pulumi's, rendered without a look at the cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import InvokeOptions, Output, ResourceOptions

from components.cluster import istio_values
from components.objects import Component

_Make = Callable[..., pulumi.CustomResource]

# Looked up when they are needed: a module of the SDK takes long to import.
_KINDS: Mapping[tuple[str, str], Callable[[], _Make]] = {
    ("apps/v1", "DaemonSet"): lambda: k8s.apps.v1.DaemonSet,
    ("apps/v1", "Deployment"): lambda: k8s.apps.v1.Deployment,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): lambda: (
        k8s.autoscaling.v2.HorizontalPodAutoscaler
    ),
    ("networking.k8s.io/v1", "NetworkPolicy"): lambda: k8s.networking.v1.NetworkPolicy,
    ("policy/v1", "PodDisruptionBudget"): lambda: k8s.policy.v1.PodDisruptionBudget,
    ("rbac.authorization.k8s.io/v1", "Role"): lambda: k8s.rbac.v1.Role,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): lambda: k8s.rbac.v1.RoleBinding,
    ("v1", "Service"): lambda: k8s.core.v1.Service,
    ("v1", "ServiceAccount"): lambda: k8s.core.v1.ServiceAccount,
}
"""All that the chart can hold."""

_TYPE = ("apiVersion", "kind")
_WAS = "kubernetes:helm.sh/v4:Chart"
"""The type in stacks that an earlier version of the program made."""


@dataclass(frozen=True, slots=True)
class GatewayChartArgs:
    """Arguments of `GatewayChart`."""

    release: str
    """Helm's name of it: names the objects, and makes the label `istio`."""
    namespace: str
    """Where the objects go."""
    location: Mapping[str, Any]
    """Where the chart is: what `helm.location` returns."""
    values: Mapping[str, Any]
    """Helm values."""
    after: Sequence[pulumi.Resource]
    """What every object waits for, and the chart as a whole."""


class GatewayChart(Component):
    """One gateway.

    The provider's own `helm.v4.Chart` asks the cluster for its version before it renders anything,
    so that with one cluster away no preview is possible; see docs/adr/0015.
    """

    resources: Output[list[pulumi.Resource]]
    """All that is in it."""
    service_id: Output[str]
    """Pulumi's id of the Service."""
    cluster_ip: Output[str]
    """The address of the Service inside the cluster; empty: it has none."""

    def __init__(
        self, name: str, args: GatewayChartArgs, opts: ResourceOptions | None = None
    ) -> None:
        own = ResourceOptions(aliases=[pulumi.Alias(type_=_WAS)], depends_on=[*args.after])
        super().__init__(
            "istio-multicluster:index:GatewayChart", name, None, ResourceOptions.merge(opts, own)
        )
        self._name = name
        self._after = args.after
        rendered: Output[Any] = pulumi.runtime.invoke_output(
            "kubernetes:helm:template",
            {"jsonOpts": json.dumps(template_options(args))},
            InvokeOptions(parent=self),
        )
        self.resources = rendered.apply(lambda chart: [*map(self._object, chart["result"])])
        service: Output[dict[str, str]] = self.resources.apply(_service)
        self.service_id, self.cluster_ip = service["id"], service["clusterIp"]
        self.register_outputs({})

    def _object(self, item: Mapping[str, Any]) -> pulumi.CustomResource:
        kind = (item["apiVersion"], item["kind"])
        if kind not in _KINDS:
            raise pulumi.RunError(f"{self._name}: the chart holds an unknown object, {kind}")
        metadata = item["metadata"]
        fields = {_snake(key): value for key, value in item.items() if key not in _TYPE}
        return _KINDS[kind]()(
            f"{self._name}:{metadata['namespace']}/{metadata['name']}",
            **fields,
            opts=self.options(*self._after),
        )


def _service(objects: Sequence[pulumi.Resource]) -> Output[dict[str, str]]:
    """Return what others have to know of the Service among a chart's objects."""
    (service,) = (item for item in objects if isinstance(item, k8s.core.v1.Service))
    ip = service.spec.apply(lambda spec: spec.cluster_ip or "")
    return Output.all(id=service.id, clusterIp=ip)


def _snake(field: str) -> str:
    """Return how the SDK names a field of an object."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", field)


def template_options(args: GatewayChartArgs) -> dict[str, Any]:
    """Return the options of the provider's function that renders a chart."""
    location = {**args.location}
    chart = location.pop("chart")
    if "version" in location:
        repository = location.get("repository_opts", {}).get("repo", "")
        where = {
            "chart": chart,
            "version": location["version"],
            **({"fetch_opts": {"repo": repository}} if repository else {}),
        }
    else:
        where = {"path": chart}
    return {
        **where,
        "release_name": args.release,
        "namespace": args.namespace,
        "values": args.values,
        # With these the provider does not ask the cluster. The chart does not look at them.
        "kube_version": istio_values.KUBE_VERSION,
        "api_versions": ["v1"],
    }
