"""The guard of `refresh` and `destroy`, which run no program: both ask it first.

It depends on all that the stack makes, so it is the first that is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import Input
from pulumi.dynamic import Resource

from components import confirmations
from components.dynamic import Kind
from components.errors import ComponentError
from components.handler import Handler, Props
from components.handler import Seen as Refreshed
from components.kubectl import Access, ForbiddenError, Kubectl, KubectlError, MissingError
from components.ownership import root_keys, rules
from components.ownership.look import LOOK_SECONDS, Seen, look
from components.ownership.rules import Place


class NotOursError(ComponentError):
    """A cluster is not what the state takes it for."""


class OwnershipGuardHandler(Handler):
    """Looks at every cluster before anything is read into the state or deleted."""

    id = "ownership-guard"
    compared = ("stackId", "places", "keys")

    def read(self, id_: str, props: Props) -> Refreshed:
        """Refuse a refresh that would take another cluster's objects for this stack's."""
        self._refuse(props, "the state would be told of another cluster's objects")
        return super().read(id_, props)

    def delete(self, _id: str, props: Props) -> None:
        """Refuse to delete what is not this stack's, or the keys of a root that nobody has named.

        Raises:
            NotOursError: with the reason for each cluster.
            RootKeyError: the namespace of the root is not named.
        """
        self._refuse(props, "nothing has been deleted")
        if props["keys"]:
            root_keys.refuse(props["keys"])

    def _refuse(self, props: Props, consequence: str) -> None:
        places: dict[str, dict[str, Any]] = props["places"]

        def one(name: str) -> Seen | None:
            kubectl = Kubectl.from_props(places[name], seconds=LOOK_SECONDS)
            try:
                return look(kubectl, places[name]["namespace"])
            except (ForbiddenError, MissingError):
                raise
            except KubectlError:
                return None  # where nobody answers nothing is changed either

        with ThreadPoolExecutor(len(places) or 1) as pool:
            looks = dict(zip(places, pool.map(one, places), strict=True))
        reasons = rules.refusals(
            props["stackId"],
            {
                name: Place(place["label"], place["path"], place["context"], place["namespace"])
                for name, place in places.items()
            },
            {name: seen for name, seen in looks.items() if seen},
            {name: place["uid"] for name, place in places.items()},
            confirmations.rebuilt(),
        )
        if reasons:
            raise NotOursError("\n".join([f"{consequence}:", *reasons]))


@dataclass(frozen=True, slots=True)
class Guarded:
    """One cluster that is looked at."""

    place: Place
    """Where it is."""
    uid: Input[str]
    """The UID by which the state knows it."""
    access: Access
    """How kubectl reaches it."""


@dataclass(frozen=True, slots=True)
class OwnershipGuardArgs:
    """Arguments of `OwnershipGuard`."""

    stack_id: Input[str]
    """ID of the stack."""
    places: Mapping[str, Guarded]
    """Every cluster of the stack."""
    keys: str
    """Namespace with the keys of the stack's roots; empty: it has none."""


class OwnershipGuard(Resource, module="istio-multicluster", name="OwnershipGuard"):
    """Refuses `refresh` and `destroy` while a cluster is not what the state takes it for."""

    def __init__(
        self, name: str, args: OwnershipGuardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the guard.

        Args:
            name: Pulumi name.
            args: what is looked at.
            opts: what is deleted after this.
        """
        places = {
            cluster: {
                **guarded.access,
                "label": guarded.place.label,
                "path": guarded.place.path,
                "namespace": guarded.place.namespace,
                "uid": guarded.uid,
            }
            for cluster, guarded in args.places.items()
        }
        props = {"stackId": args.stack_id, "places": places, "keys": args.keys}
        super().__init__(Kind("OwnershipGuard"), name, props, opts)
