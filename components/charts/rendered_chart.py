"""A Helm chart as objects of Pulumi's, rendered without its cluster; see docs/adr/0020."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import InvokeOptions, Output, ResourceOptions

from components.objects import SKIP_AWAIT, Component

KUBE_VERSION = "1.34.0"
"""Kubernetes that charts are rendered for. Istio's are the same for all that Istio takes."""

CRD = "CustomResourceDefinition"
ROLES = ("ClusterRole", "Role")
BINDINGS = ("ClusterRoleBinding", "RoleBinding")
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet", "Job")
WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

_CORE = "v1"

Item = Mapping[str, Any]
"""An object as a chart has it."""


def _as_it_is(item: Item) -> Item:
    return item


@dataclass(frozen=True, slots=True)
class RenderedChartArgs:
    """Arguments of `RenderedChart`."""

    release: str
    """Helm's name of it, which names its objects."""
    namespace: str
    """Where the objects go that name none."""
    location: Mapping[str, Any]
    """Where the chart is: what `helm.location` returns."""
    values: Mapping[str, Any]
    """Helm values."""
    after: Sequence[pulumi.Resource]
    """What every object waits for, and the chart as a whole."""
    workloads_after: Sequence[pulumi.Resource] = ()
    """What those with pods wait for beside that, and beside all others of the chart."""
    crds: Set[str] = field(default_factory=frozenset)
    """Names of CRDs that somebody else applies: they are rendered, and not registered."""
    edit: Callable[[Item], Item] = _as_it_is
    """What is done to each object before it is registered."""


class RenderedChart(Component):
    """A chart, each of its objects a resource; those with pods come after all others.

    Helm is not asked to install anything: it would keep a state of its own on the cluster, which a
    run that is killed leaves in the middle of something for good. The provider's own
    `helm.v4.Chart` asks the cluster for its version before it renders anything, so that with one
    cluster away no preview is possible; see docs/adr/0015.
    """

    resources: Output[list[pulumi.Resource]]
    """All that is in it."""
    crds: Output[list[Item]]
    """The CRDs that somebody else applies, as far as the chart was told to render them."""
    webhooks: Output[list[str]]
    """`kind/name` of each configuration of webhooks in it."""
    services: Output[list[k8s.core.v1.Service]]
    """The Services in it."""

    def __init__(
        self, name: str, args: RenderedChartArgs, opts: ResourceOptions | None = None
    ) -> None:
        own = ResourceOptions(depends_on=[*args.after])
        super().__init__(
            "istio-multicluster:index:RenderedChart", name, None, ResourceOptions.merge(opts, own)
        )
        self._name = name
        self._args = args
        rendered: Output[Any] = pulumi.runtime.invoke_output(
            "kubernetes:helm:template",
            {"jsonOpts": json.dumps(template_options(args))},
            InvokeOptions(parent=self),
        )
        objects: Output[list[Item]] = rendered.apply(lambda chart: chart["result"])
        self.resources = objects.apply(self._register)
        self.crds = objects.apply(lambda items: [item for item in items if self._is_crd(item)])
        self.webhooks = objects.apply(
            lambda items: [
                f"{item['kind']}/{item['metadata']['name']}"
                for item in items
                if item["kind"] in WEBHOOKS
            ]
        )
        self.services = self.resources.apply(
            lambda made: [item for item in made if isinstance(item, k8s.core.v1.Service)]
        )
        self.register_outputs({})

    def _is_crd(self, item: Item) -> bool:
        return item["kind"] == CRD and item["metadata"]["name"] in self._args.crds

    def _register(self, items: Sequence[Item]) -> list[pulumi.Resource]:
        mine = [self._args.edit(item) for item in items if not self._is_crd(item)]
        late = (*ROLES, *BINDINGS, *WORKLOADS)
        others = [self._object(item) for item in mine if item["kind"] not in late]
        roles = [self._object(item) for item in mine if item["kind"] in ROLES]
        bindings = [self._object(item, *roles) for item in mine if item["kind"] in BINDINGS]
        before = [*others, *roles, *bindings]
        then = [*self._args.workloads_after, *before]
        return before + [self._object(item, *then) for item in mine if item["kind"] in WORKLOADS]

    def _object(self, item: Item, *then: pulumi.Resource) -> pulumi.Resource:
        options = self.options(*self._args.after, *then)
        if item["kind"] == CRD:  # to delete it would delete all objects of its kind
            options = ResourceOptions.merge(options, ResourceOptions(retain_on_delete=True))
        metadata = item["metadata"]
        where = metadata.get("namespace") or ""
        name = f"{self._name}:{where}{'/' if where else ''}{metadata['name']}"
        version, kind = item["apiVersion"], item["kind"]
        if (version, kind) == (_CORE, "Service"):  # others ask for its address
            annotated = {
                **metadata,
                "annotations": {**metadata.get("annotations", {}), **SKIP_AWAIT},
            }
            return k8s.core.v1.Service(name, metadata=annotated, spec=item["spec"], opts=options)
        # The SDK's own classes are ten times the work to import, and add nothing to plain data.
        group = f"core/{_CORE}" if version == _CORE else version
        return pulumi.CustomResource(f"kubernetes:{group}:{kind}", name, {**item}, options)


def template_options(args: RenderedChartArgs) -> dict[str, Any]:
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
        # With these the provider does not ask the cluster. No chart of ours looks at them.
        "kube_version": KUBE_VERSION,
        "api_versions": ["v1"],
    }
