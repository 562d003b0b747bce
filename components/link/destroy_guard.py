"""The guard of a stack whose clusters those of other stacks import from: `destroy` has to be told.

`destroy` does not run the program, so no check of it can refuse; deleting this resource can, and it
is the first that is deleted. Pulumi's own `protect` is no help: a protected resource cannot leave
the program either, and every change of the peers would need two runs.
"""

from __future__ import annotations

import json
import os
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

from components.trust import removal_rules

VARIABLE = "ISTIO_MULTICLUSTER_REMOVED"
"""Environment variable with the names, separated by commas, of clusters that may be destroyed."""


class ImportedError(Exception):
    """A cluster that others import from would be destroyed."""


class ImportersProvider(ResourceProvider):
    """Refuses to be deleted. Pickled into the state by reference: do not rename or move."""

    serialize_as_secret_always = False
    peers: Sequence[str] = ()

    def configure(self, req: ConfigureRequest) -> None:
        """Read which peers are configured: in an `up` by now, in `destroy` by the last `up`."""
        self.peers = sorted(json.loads(req.config.get("peers") or "{}"))

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
        """Refuse while one that imports is still configured and what it imports from is not named.

        Named it is in the environment: `destroy` has the stack file as the last `up` has seen it.

        Raises:
            ImportedError: with the names of both.
        """
        named = {name.strip() for name in os.environ.get(VARIABLE, "").split(",")}
        kept = {
            cluster: callers
            for cluster, peers in sorted(props["imported"].items())
            if cluster not in named and (callers := [peer for peer in peers if peer in self.peers])
        }
        reasons = [
            f"cluster {cluster} is not destroyed: {removal_rules.and_(callers)} of another stack "
            f"import{'s' if len(callers) == 1 else ''} from it"
            for cluster, callers in kept.items()
        ]
        if reasons:
            raise ImportedError(
                "; ".join(reasons) + "; nothing has been deleted yet. To destroy it nevertheless, "
                f"name it: `{VARIABLE}={','.join(kept)} pulumi destroy`"
            )


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
