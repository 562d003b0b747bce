"""What one look at a cluster tells: which cluster it is, whose, and what is on it already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components import names
from components.charts import crds
from components.charts.crds import Crd, WantedCrds
from components.kubectl import Kubectl

MARK = "istio-multicluster"
"""Name of the ConfigMap that says whose the cluster is."""
OWNER_LABEL = "istio-multicluster/stack-id"
"""Label of a namespace that a stack made: the stack's ID."""
LOOK_SECONDS = 12
"""The longest that a look at a cluster may take, so that a dead one costs a preview no more."""
ISTIOD = "istiod"
INJECTOR = "istio-sidecar-injector"
_ISTIO = (
    ("apps/v1", "Deployment", names.SYSTEM_NAMESPACE, ISTIOD),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", INJECTOR),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Who says that the cluster is his."""

    stack_id: str
    """ID of the stack."""
    stack: str
    """Its full name, for messages: names of stacks are not unique."""
    cluster: str
    """The cluster's name in it."""
    since: str
    """When the mark was made: a date."""

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> Mark:
        """Return the mark that a ConfigMap holds; what is missing is empty."""
        return cls(*(data.get(key, "") for key in ("stackId", "stack", "cluster", "since")))

    def to_data(self) -> dict[str, str]:
        """Return what the ConfigMap holds."""
        return {
            "stackId": self.stack_id,
            "stack": self.stack,
            "cluster": self.cluster,
            "since": self.since,
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has seen."""

    uid: str
    """UID of namespace `kube-system`: which cluster it is."""
    mark: Mark | None = None
    """None: nobody has marked it."""
    namespaces: Mapping[str, str | None] = field(default_factory=dict)
    """Those that the program would make and that are there, each with the ID of the stack that
    made it; None: whoever made it left no ID."""
    istio: str | None = None
    """What of Istio runs there, for messages; None: nothing is seen of it."""
    crds: Mapping[str, Crd] | None = None
    """The CRDs that are there, by name; None: those that were asked for are as they should be."""


def look(
    kubectl: Kubectl,
    namespace: str,
    made: Iterable[str] = (),
    wanted: WantedCrds | None = None,
) -> Seen:
    """Look at a cluster, with one process.

    Args:
        kubectl: for the cluster; its `seconds` bound the look.
        namespace: where the mark is: that of the gateways, or on a root cluster that of the root.
        made: further namespaces that the program makes there.
        wanted: CRDs that it needs there. Only where they are not as this program has applied them,
            a second process reads all.

    Raises:
        KubectlError: the cluster does not answer, or does not let one look.
    """
    mesh = namespace == names.GATEWAY_NAMESPACE
    namespaces = {namespace, *made, *((names.SYSTEM_NAMESPACE,) if mesh else ())}
    objects = kubectl.get_all(
        [
            ("v1", "Namespace", "", "kube-system"),
            *(("v1", "Namespace", "", name) for name in sorted(namespaces)),
            ("v1", "ConfigMap", namespace, MARK),
            *(_ISTIO if mesh else ()),
            *(crds.requests([wanted.chart.sentinel]) if wanted else ()),
        ]
    )
    by_name = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    mark = by_name.get(("ConfigMap", MARK))
    return Seen(
        uid=by_name["Namespace", "kube-system"]["metadata"]["uid"],
        mark=None if mark is None else Mark.from_data(mark.get("data") or {}),
        namespaces={
            name: _labels(by_name["Namespace", name]).get(OWNER_LABEL)
            for name in sorted(namespaces)
            if ("Namespace", name) in by_name
        },
        istio=_istio(by_name),
        crds=_crds(kubectl, by_name, wanted) if wanted else None,
    )


def _crds(
    kubectl: Kubectl, seen: Mapping[tuple[str, str], Mapping[str, Any]], wanted: WantedCrds
) -> Mapping[str, Crd] | None:
    sentinel = seen.get(("CustomResourceDefinition", wanted.chart.sentinel))
    if sentinel and _labels(sentinel).get(crds.STAMP_LABEL) == wanted.stamp:
        return None
    return crds.read(kubectl.get_all(crds.requests(wanted.chart.names)))


def _labels(item: Mapping[str, Any]) -> dict[str, str]:
    return item["metadata"].get("labels") or {}


def _istio(by_name: Mapping[tuple[str, str], Mapping[str, Any]]) -> str | None:
    """Return what there is of Istio, and by which tool."""
    deployment = by_name.get(("Deployment", ISTIOD))
    webhook = by_name.get(("MutatingWebhookConfiguration", INJECTOR))
    if deployment:
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        what, labels = (
            f"Deployment {names.SYSTEM_NAMESPACE}/{ISTIOD} ({image})",
            _labels(deployment),
        )
    elif webhook:
        what, labels = f"MutatingWebhookConfiguration {INJECTOR}", _labels(webhook)
    else:
        return None
    tool = labels.get("app.kubernetes.io/managed-by")
    return f"{what}, managed by {tool}" if tool else what
