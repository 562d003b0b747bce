"""Make the cluster's own DNS ask ours for linked zones, and put everything back on destroy.

The ConfigMap belongs to the platform, not to this program, so no Kubernetes resource of Pulumi's
fits: a patch forced onto the key deletes it on destroy, and the cluster has no DNS left. A dynamic
resource reads, edits and writes instead, see docs/adr/0003-cluster-dns-edit.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, Resource

from components.dns.corefile import stub_domains
from components.dns.platforms import COREFILE_MAP, LAYOUTS, NAMESPACE, STUBS, RefusedError
from components.dynamic import Kind
from components.handler import Handler, Props, Seen, retry
from components.kubectl import (
    UNREACHABLE,
    Access,
    ConflictError,
    Kubectl,
    KubectlError,
    MissingError,
    forgive_unreachable,
    skips_unreachable,
)
from components.names import SUFFIX

OURS = {"app.kubernetes.io/managed-by": "istio-multicluster"}
"""Labels of a ConfigMap that was not there before: it goes when nothing else is left in it."""

ATTEMPTS = 5
"""How often an edit is tried again when somebody else wrote between our reading and writing."""


LOOK_SECONDS = 10
"""The longest that a preview waits for one cluster to show its ConfigMap."""


class ClusterDnsHandler(Handler):
    """Creates, repairs and takes back the edit."""

    compared = ("address", "context", "kubeconfig")

    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        """Compare with what is in place; another mode edits another ConfigMap, so it replaces.

        The platform may have put its own ConfigMap back, so the cluster itself is looked at.
        """
        changed = super().diff(id_, olds, news).changes
        replaced = ["mode"] if olds.get("mode") != news.get("mode") else []
        return DiffResult(
            changes=bool(changed or replaced) or (not news.get(UNREACHABLE) and self._lost(news)),
            replaces=replaced,
            delete_before_replace=True,
        )

    def id_of(self, props: Props) -> str:
        """Return which ConfigMap is edited."""
        return _name(props)

    def outputs(self, props: Props, olds: Props) -> Props:
        """Make the edit; return the properties with the text before it and after it.

        An update makes it anew: destroy restores what was there without it, by whomever it is.
        """
        kubectl = Kubectl.from_props(props)
        before, after = retry(lambda: _edit(kubectl, props, olds), ConflictError, ATTEMPTS)
        return {**props, "before": before, "after": after}

    def read(self, id_: str, props: Props) -> Seen:
        """Look whether the edit is still there; if not, the next `up` makes it again."""
        kubectl = Kubectl.from_props(props)
        try:
            intact = _intact(kubectl, props)
        except KubectlError as error:
            if isinstance(error, MissingError) or not skips_unreachable(kubectl):
                raise
            intact = True
        return Seen(id_, props if intact else {**props, "address": ""})

    def delete(self, _id: str, props: Props) -> None:
        """Take the edit back; anything else that was written into the ConfigMap since stays."""
        kubectl = Kubectl.from_props(props)
        with forgive_unreachable(kubectl):
            retry(lambda: _restore(kubectl, props), ConflictError, ATTEMPTS)

    def _lost(self, props: Props) -> bool:
        """Tell whether the edit is gone; a cluster that does not answer must not end a preview."""
        where = f"{_name(props)} in context {props['context']!r}"
        try:
            lost = not _intact(Kubectl.from_props(props, seconds=LOOK_SECONDS), props)
        except KubectlError as error:
            self.say(f"warning: cannot see whether ConfigMap {where} still has its edit: {error}")
            return False
        if lost:
            self.say(f"ConfigMap {where} has lost its edit; `pulumi up` makes it anew")
        return lost


@dataclass(frozen=True)
class ClusterDnsArgs:
    """Arguments of `ClusterDns`."""

    mode: str
    """A key of `LAYOUTS`."""
    address: pulumi.Input[str]
    """Cluster IP of our CoreDNS."""
    access: Access
    """How kubectl reaches the cluster."""


class ClusterDns(Resource, module="istio-multicluster", name="ClusterDns"):
    """The edit of one cluster's DNS: names below the suffix are asked of our CoreDNS.

    Raises on `up` when the ConfigMap of the chosen mode is not there or kubectl is not on PATH.
    """

    def __init__(
        self, name: str, args: ClusterDnsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the edit.

        Args:
            name: Pulumi name.
            args: what is edited.
            opts: parent and dependencies.
        """
        props = {
            "mode": args.mode,
            "address": args.address,
            **args.access,
            "before": None,
            "after": None,
        }
        super().__init__(Kind("ClusterDns"), name, props, opts)


def _name(props: Props) -> str:
    return f"{NAMESPACE}/{LAYOUTS[props['mode']].config_map}"


def _intact(kubectl: Kubectl, props: Props) -> bool:
    """Tell whether the edit is there."""
    layout = LAYOUTS[props["mode"]]
    text = _data(kubectl.get("configmap", NAMESPACE, layout.config_map)).get(layout.key)
    try:
        return text is not None and layout.with_ours(text, props["address"]) == text
    except ValueError:
        return False  # it is not even JSON: the update says so


def _data(config_map: dict[str, Any] | None) -> dict[str, str]:
    return (config_map or {}).get("data") or {}


def _edit(kubectl: Kubectl, props: Props, olds: Props) -> tuple[str | None, str]:
    layout = LAYOUTS[props["mode"]]
    config_map = kubectl.get("configmap", NAMESPACE, layout.config_map)
    data = _data(config_map)
    _check(kubectl, props, olds, data, absent=config_map is None)
    if config_map is None:
        metadata = {"name": layout.config_map, "namespace": NAMESPACE, "labels": OURS}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    text = data.get(layout.key)
    # What was there may hold an edit of ours, by an `up` before this one or one that was killed.
    if text is not None and text == olds.get("after"):
        before = olds.get("before")
    else:
        before = text if text is None else layout.without_ours(text)
    after = layout.with_ours(text or "", props["address"])
    if after != text:
        config_map["data"] = {**data, layout.key: after}
        kubectl.put(config_map)
    return before, after


def _check(
    kubectl: Kubectl,
    props: Props,
    olds: Props,
    data: dict[str, str],
    *,
    absent: bool,
) -> None:
    """Refuse an edit that the DNS server would not take: it would say so to nobody but its log."""
    layout, context = LAYOUTS[props["mode"]], f"context {props['context']!r}"
    main = data
    if layout.needs_main:
        corefile_map = kubectl.get("configmap", NAMESPACE, COREFILE_MAP)
        absent, main = corefile_map is None, _data(corefile_map)
    if absent and (layout.needs_main or layout.config_map == COREFILE_MAP):
        raise KubectlError(
            f"there is no ConfigMap {NAMESPACE}/{COREFILE_MAP} in {context}: set `dns` of this "
            "cluster to kube-dns, istio or none"
        )
    old = stub_domains(olds.get("after") or "").get(SUFFIX, []) if layout is STUBS else []
    addresses = {props["address"], olds.get("address", ""), *old}
    try:
        layout.check(data, main, addresses)
    except RefusedError as error:
        raise RefusedError(f"{context}: {error}") from None


def _restore(kubectl: Kubectl, props: Props) -> None:
    layout, before = LAYOUTS[props["mode"]], props.get("before")
    config_map = kubectl.get("configmap", NAMESPACE, layout.config_map)
    data = _data(config_map)
    text = data.pop(layout.key, None)
    if config_map is None or text is None:
        return
    restored = before if text == props.get("after") else layout.without_ours(text)
    if restored == text:
        return
    if restored is not None and (before is not None or restored != layout.empty):
        data[layout.key] = restored
    ours = (config_map["metadata"].get("labels") or {}).items() >= OURS.items()
    if ours and not data:
        kubectl.delete("configmap", NAMESPACE, layout.config_map)
        return
    config_map["data"] = data
    kubectl.put(config_map)
