"""The guard of a stack whose clusters those of other stacks import from: `destroy` has to be told.

`destroy` does not run the program, so no check of it can refuse; deleting this resource can, and it
is the first that is deleted. Pulumi's own `protect` is no help: a protected resource cannot leave
the program either, and every change of the peers would need two runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from . import removal


class ImportedError(Exception):
    """A cluster that others import from would be destroyed."""


class ImportersProvider(ResourceProvider):
    """Refuses to be deleted. Pickled into the state by reference: do not rename or move."""

    serialize_as_secret_always = False
    peers: Sequence[str] = ()
    removed: Sequence[str] = ()

    def configure(self, req: ConfigureRequest) -> None:
        """Read what the stack file says by now: that is where the operator tells us."""
        self.peers = sorted(_object(req.config.get("peers"), {}))
        self.removed = [str(name) for name in _object(req.config.get("removed"), [])]

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare who imports."""
        return DiffResult(changes=olds.get("imported") != news.get("imported"))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Remember who imports."""
        return CreateResult(id_="importers", outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Remember who imports."""
        return UpdateResult(news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Refuse while one that imports is still configured and what it imports from is not let go.

        Raises:
            ImportedError: with the names of both.
        """
        reasons = [
            f"cluster {cluster} is not destroyed: {removal.and_(callers)} of another stack "
            f"import{'s' if len(callers) == 1 else ''} from it"
            for cluster, peers in sorted(props["imported"].items())
            if cluster not in self.removed
            and (callers := [peer for peer in peers if peer in self.peers])
        ]
        if reasons:
            raise ImportedError(
                "; ".join(reasons) + "; to destroy it nevertheless, name it: `pulumi config set "
                "--path 'istio-multicluster:removed[0]' NAME`; nothing has been deleted yet"
            )


def _object(text: str | None, default: Any) -> Any:
    return json.loads(text) if text else default


class Importers(Resource, module="istio-multicluster", name="Importers"):
    """Who imports from the clusters of this stack. Depends on all that a refusal has to save."""

    def __init__(
        self,
        name: str,
        imported: Mapping[str, Sequence[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Register the guard.

        Args:
            name: Pulumi name.
            imported: each cluster to the clusters of other stacks that import from it.
            opts: what is deleted after this.
        """
        super().__init__(ImportersProvider(), name, {"imported": imported}, opts)
