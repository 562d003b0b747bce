"""The guard of the root's key: its namespace is not deleted unless it is named.

Whoever has lost the key has to bring a new root to every cluster. A deleted line of the stack file,
another namespace, a `destroy`, a failed run that is turned back: each leads to the deletion of this
resource, or to a change of it, before the namespace goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import DiffResult, Resource

from components import confirmations
from components.confirmations import REMOVED
from components.dynamic import Kind
from components.errors import ComponentError
from components.handler import Handler, Props
from components.kubectl import Access, Kubectl


class RootKeyError(ComponentError):
    """The key of a root would be deleted."""


def refuse(namespace: str) -> None:
    """Refuse to delete the namespace of a root, unless it is named in the environment.

    Raises:
        RootKeyError: it is not; with the ways on.
    """
    if namespace not in confirmations.removed():
        raise RootKeyError(
            f"namespace {namespace} on the root cluster holds the key of the root, which every "
            "linked cluster trusts: it is not deleted. To keep it, put `rootCa` back as it was. To "
            f"save it, copy its Secrets: `kubectl get secrets -n {namespace} -o yaml`. To delete "
            f"it for good, name it: `{REMOVED}={namespace}` before the same command"
        )


class RootKeysHandler(Handler):
    """Makes nothing; refuses to let a namespace with keys go."""

    id = "root-keys"
    compared = ("namespace", "kubeconfig", "context")

    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        """Refuse another namespace, in a preview too: the one that there is would be deleted.

        Raises:
            RootKeyError: it is not named.
        """
        if olds["namespace"] != news["namespace"]:
            refuse(olds["namespace"])
        return super().diff(id_, olds, news)

    def delete(self, _id: str, props: Props) -> None:
        """Refuse, unless there is nothing to lose.

        Raises:
            RootKeyError: the namespace is there, and is not named.
            KubectlError: it cannot be seen, and is not named.
        """
        namespace = props["namespace"]
        if namespace in confirmations.removed():
            return
        if Kubectl.from_props(props).get_all([("v1", "Namespace", "", namespace)]):
            refuse(namespace)


@dataclass(frozen=True, slots=True)
class RootKeysArgs:
    """Arguments of `RootKeys`."""

    namespace: str
    """Where the keys are."""
    access: Access
    """How kubectl reaches the root cluster."""


class RootKeys(Resource, module="istio-multicluster", name="RootKeys"):
    """Stands for the keys of the roots. Depends on their namespace, so it is deleted before it."""

    def __init__(
        self, name: str, args: RootKeysArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the guard.

        Args:
            name: Pulumi name.
            args: where the keys are.
            opts: parent and dependencies.
        """
        super().__init__(Kind("RootKeys"), name, {**args.access, "namespace": args.namespace}, opts)
