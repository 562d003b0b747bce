"""Make the cluster's own DNS ask ours for linked zones, and put everything back on destroy.

The ConfigMap belongs to the platform, not to this program, so no Kubernetes resource of Pulumi's
fits: a patch forced onto the key deletes it on destroy, and the cluster has no DNS left. A dynamic
resource reads, edits and writes instead, see docs/adr/0003-cluster-dns-edit.md.
"""

from __future__ import annotations

import os
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
from .kubectl import ConflictError, Kubectl, KubectlError

NAMESPACE = "kube-system"
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
        """Make the edit anew; what was there before the first one is kept for destroy."""
        outs = _put(news)
        return UpdateResult({**outs, "before": olds.get("before")})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether the edit is still there; if not, the next `up` makes it again."""
        layout = LAYOUTS[props["mode"]]
        found = _kubectl(props).get_config_map(NAMESPACE, layout.config_map)
        text = ((found or {}).get("data") or {}).get(layout.key)
        intact = text is not None and _edited(props["mode"], text, props["address"]) == text
        return ReadResult(id_, props if intact else {**props, "address": ""})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Take the edit back; anything else that was written into the ConfigMap since stays."""
        kubectl = _kubectl(props)
        try:
            _retry(lambda: _restore(kubectl, props))
        except KubectlError:
            # The same switch with which the Kubernetes provider forgets objects of a dead cluster.
            given_up = os.environ.get("PULUMI_K8S_DELETE_UNREACHABLE", "").lower() in ("1", "true")
            if not given_up or kubectl.reachable():
                raise


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
        kubeconfig: str | None,
        context: str,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Register the edit.

        Args:
            name: Pulumi name.
            mode: a key of `LAYOUTS`.
            address: cluster IP of our CoreDNS.
            kubeconfig: path of the kubeconfig; None: the default one.
            context: its context.
            opts: parent and dependencies.
        """
        props = {"mode": mode, "address": address, "kubeconfig": kubeconfig, "context": context}
        super().__init__(ClusterDnsProvider(), name, {**props, "before": None, "after": None}, opts)


def _kubectl(props: dict[str, Any]) -> Kubectl:
    return Kubectl(props.get("kubeconfig"), props["context"])


def _edited(mode: str, text: str, address: str) -> str:
    edit = corefile.with_stub_server if mode == "coredns" else corefile.with_stub_domain
    return edit(text, address)


def _put(props: dict[str, Any]) -> dict[str, Any]:
    kubectl = _kubectl(props)
    before, after = _retry(lambda: _edit(kubectl, props))
    return {**props, "before": before, "after": after}


def _edit(kubectl: Kubectl, props: dict[str, Any]) -> tuple[str | None, str]:
    """Edit the ConfigMap; return its text before and after."""
    mode, layout = props["mode"], LAYOUTS[props["mode"]]
    config_map = kubectl.get_config_map(NAMESPACE, layout.config_map)
    if config_map is None and mode == "coredns":
        raise KubectlError(
            f"there is no ConfigMap {NAMESPACE}/{layout.config_map} in context "
            f"{props['context']!r}: set `dns` of this cluster to kube-dns or none"
        )
    if config_map is None:
        metadata = {"name": layout.config_map, "namespace": NAMESPACE}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    data = config_map.setdefault("data", {})
    before = data.get(layout.key)
    after = _edited(mode, before or "", props["address"])
    if after != before:
        data[layout.key] = after
        kubectl.put_config_map(config_map)
    return before, after


def _restore(kubectl: Kubectl, props: dict[str, Any]) -> None:
    layout, before = LAYOUTS[props["mode"]], props.get("before")
    config_map = kubectl.get_config_map(NAMESPACE, layout.config_map)
    text = ((config_map or {}).get("data") or {}).get(layout.key)
    if config_map is None or text is None:
        return
    if text == props.get("after"):
        restored = before
    elif props["mode"] == "coredns":
        restored = corefile.without_stub_server(text)
    else:
        restored = corefile.without_stub_domain(text)
    if restored == text:
        return
    if restored is None or (before is None and restored == "{}"):
        del config_map["data"][layout.key]
    else:
        config_map["data"][layout.key] = restored
    if before is None and not config_map["data"]:
        kubectl.delete_config_map(NAMESPACE, layout.config_map)
    else:
        kubectl.put_config_map(config_map)


def _retry(work: Any) -> Any:
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except ConflictError:
            continue
    return work()
