"""Make the cluster's own DNS ask ours for linked zones, and put everything back on destroy.

The ConfigMap belongs to the platform, not to this program, so no Kubernetes resource of Pulumi's
fits: a patch forced onto the key deletes it on destroy, and the cluster has no DNS left. A dynamic
resource reads, edits and writes instead, see docs/adr/0003-cluster-dns-edit.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from . import corefile
from .kubectl import Access, ConflictError, Kubectl, KubectlError, forgive_unreachable

NAMESPACE = "kube-system"
OURS = {"app.kubernetes.io/managed-by": "istio-multicluster"}
"""Labels of a ConfigMap that was not there before: it goes when nothing else is left in it."""

ATTEMPTS = 5
"""How often an edit is tried again when somebody else wrote between our reading and writing."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a kind of cluster DNS keeps its configuration."""

    config_map: str
    key: str


LAYOUTS = {
    "coredns": Layout("coredns", "Corefile"),  # kubeadm, kind
    "kube-dns": Layout("kube-dns", "stubDomains"),  # the seed; GKE
}


class ClusterDnsProvider(ResourceProvider):
    """Creates, repairs and takes back the edit. State is pickled by reference: do not move it."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Accept all inputs: `config.py` has checked them."""
        return CheckResult(news, [])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare with what is in place; another mode edits another ConfigMap, so it replaces."""
        changed = [
            key for key in ("address", "context", "kubeconfig") if olds.get(key) != news.get(key)
        ]
        replaced = ["mode"] if olds.get("mode") != news.get("mode") else []
        return DiffResult(
            changes=bool(changed or replaced), replaces=replaced, delete_before_replace=True
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the edit."""
        return CreateResult(
            id_=f"{NAMESPACE}/{LAYOUTS[props['mode']].config_map}", outs=_put(props)
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Make the edit anew; destroy restores what was there without it, by whomever it is."""
        return UpdateResult(_put(news, olds))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether the edit is still there; if not, the next `up` makes it again."""
        layout = LAYOUTS[props["mode"]]
        found = Kubectl.of(props).get_config_map(NAMESPACE, layout.config_map)
        text = ((found or {}).get("data") or {}).get(layout.key)
        intact = text is not None and _edited(props["mode"], text, props["address"]) == text
        return ReadResult(id_, props if intact else {**props, "address": ""})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Take the edit back; anything else that was written into the ConfigMap since stays."""
        kubectl = Kubectl.of(props)
        with forgive_unreachable(kubectl):
            _retry(lambda: _restore(kubectl, props))


class ClusterDns(Resource, module="istio-multicluster", name="ClusterDns"):
    """The edit of one cluster's DNS: names below the suffix are asked of our CoreDNS.

    Raises on `up` when the ConfigMap of the chosen mode is not there or kubectl is not on PATH.
    """

    def __init__(
        self,
        name: str,
        *,
        mode: str,
        address: pulumi.Input[str],
        access: Access,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Register the edit.

        Args:
            name: Pulumi name.
            mode: a key of `LAYOUTS`.
            address: cluster IP of our CoreDNS.
            access: how kubectl reaches the cluster.
            opts: parent and dependencies.
        """
        props = {"mode": mode, "address": address, **access, "before": None, "after": None}
        super().__init__(ClusterDnsProvider(), name, props, opts)


def _edited(mode: str, text: str, address: str) -> str:
    edit = corefile.with_stub_server if mode == "coredns" else corefile.with_stub_domain
    return edit(text, address)


def _unedited(mode: str, text: str) -> str:
    if mode == "coredns":
        return corefile.without_stub_server(text)
    return corefile.without_stub_domain(text)


def _put(props: dict[str, Any], olds: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make the edit; return the properties with the text before it and after it."""
    kubectl = Kubectl.of(props)
    before, after = _retry(lambda: _edit(kubectl, props, olds or {}))
    return {**props, "before": before, "after": after}


def _edit(kubectl: Kubectl, props: dict[str, Any], olds: dict[str, Any]) -> tuple[str | None, str]:
    mode, layout = props["mode"], LAYOUTS[props["mode"]]
    config_map = kubectl.get_config_map(NAMESPACE, layout.config_map)
    if config_map is None and mode == "coredns":
        raise KubectlError(
            f"there is no ConfigMap {NAMESPACE}/{layout.config_map} in context "
            f"{props['context']!r}: set `dns` of this cluster to kube-dns or none"
        )
    if config_map is None:
        metadata = {"name": layout.config_map, "namespace": NAMESPACE, "labels": OURS}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    data = config_map.get("data") or {}
    text = data.get(layout.key)
    # What was there may hold an edit of ours, by an `up` before this one or one that was killed.
    if text is not None and text == olds.get("after"):
        before = olds.get("before")
    else:
        before = text if text is None else _unedited(mode, text)
    after = _edited(mode, text or "", props["address"])
    if after != text:
        config_map["data"] = {**data, layout.key: after}
        kubectl.put_config_map(config_map)
    return before, after


def _restore(kubectl: Kubectl, props: dict[str, Any]) -> None:
    layout, before = LAYOUTS[props["mode"]], props.get("before")
    config_map = kubectl.get_config_map(NAMESPACE, layout.config_map)
    data = (config_map or {}).get("data") or {}
    text = data.pop(layout.key, None)
    if config_map is None or text is None:
        return
    restored = before if text == props.get("after") else _unedited(props["mode"], text)
    if restored == text:
        return
    if restored is not None and (before is not None or restored != "{}"):
        data[layout.key] = restored
    ours = (config_map["metadata"].get("labels") or {}).items() >= OURS.items()
    if ours and not data:
        kubectl.delete_config_map(NAMESPACE, layout.config_map)
        return
    config_map["data"] = data
    kubectl.put_config_map(config_map)


def _retry(work: Any) -> Any:
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except ConflictError:
            continue
    return work()
