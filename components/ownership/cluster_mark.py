"""The mark on a cluster that says whose it is."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import pulumi
from pulumi import Input
from pulumi.dynamic import Resource

from components import confirmations
from components.dynamic import Kind
from components.errors import ComponentError
from components.handler import Handler, Props
from components.kubectl import Access, ConflictError, Kubectl, forgive_unreachable
from components.ownership.look import MARK, Mark


class MarkedError(ComponentError):
    """Somebody else has marked the cluster."""


class ClusterMarkHandler(Handler):
    """Creates the mark, never over another one."""

    id = "cluster-mark"
    compared = ("stackId", "stack", "cluster", "namespace", "uid", "kubeconfig", "context")

    def outputs(self, props: Props, olds: Props) -> Props:
        """Make the mark; one of the same stack is brought up to date.

        Raises:
            MarkedError: there is one of another stack.
        """
        kubectl, namespace = Kubectl.from_props(props), props["namespace"]
        since = olds.get("since") or f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
        wanted = Mark(props["stackId"], props["stack"], props["cluster"], since)
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": MARK, "namespace": namespace},
            "data": wanted.to_data(),
        }
        try:
            kubectl.create(manifest)
        except ConflictError:
            self._update(kubectl, manifest, props)
        return {**props, "since": since}

    def _update(self, kubectl: Kubectl, manifest: Props, props: Props) -> None:
        found = kubectl.get("configmap", props["namespace"], MARK)
        if found is None:  # it has gone meanwhile, so this is not the moment to go on
            raise MarkedError(f"the mark in context {kubectl.context!r} comes and goes: run again")
        mark = Mark.from_data(found.get("data") or {})
        if mark.stack_id not in (props["stackId"], confirmations.taken_over()):
            raise MarkedError(
                f"context {kubectl.context!r} has been marked meanwhile by stack {mark.stack} (ID "
                f"{mark.stack_id}): nothing has been made there; name another context"
            )
        kubectl.replace({**found, "data": manifest["data"]})

    def delete(self, _id: str, props: Props) -> None:
        """Take the mark off, if it is this stack's."""
        kubectl = Kubectl.from_props(props)
        with forgive_unreachable(kubectl):
            found = kubectl.get("configmap", props["namespace"], MARK)
            if found and Mark.from_data(found.get("data") or {}).stack_id == props["stackId"]:
                kubectl.delete("configmap", props["namespace"], MARK)


@dataclass(frozen=True)
class ClusterMarkArgs:
    """Arguments of `ClusterMark`."""

    stack_id: Input[str]
    """ID of the stack."""
    stack: str
    """Its full name."""
    cluster: str
    """The cluster's name in it."""
    namespace: str
    """Where the mark is made."""
    uid: Input[str]
    """The UID by which the state knows the cluster: on another one the mark has to be made."""
    access: Access
    """How kubectl reaches the cluster."""


class ClusterMark(Resource, module="istio-multicluster", name="ClusterMark"):
    """Says on the cluster whose it is: ConfigMap `istio-multicluster` in a namespace of the stack.

    Raises, on `up`, when another stack has marked the cluster in the meantime.
    """

    def __init__(
        self, name: str, args: ClusterMarkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the mark.

        Args:
            name: Pulumi name.
            args: whose, and where.
            opts: parent and dependencies.
        """
        props = {
            **args.access,
            "stackId": args.stack_id,
            "stack": args.stack,
            "cluster": args.cluster,
            "namespace": args.namespace,
            "uid": args.uid,
        }
        super().__init__(Kind("ClusterMark"), name, props, opts)
