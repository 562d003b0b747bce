"""The guard of a stack whose clusters those of other stacks import from: `destroy` has to be told.

`destroy` does not run the program, so no check of it can refuse; deleting this resource can, and it
is the first that is deleted. Pulumi's own `protect` is no help: a protected resource cannot leave
the program either, and every change of the peers would need two runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import ConfigureRequest, Resource

from components import confirmations
from components.confirmations import REMOVED
from components.dynamic import Kind
from components.errors import ComponentError
from components.handler import Handler, Props
from components.trust import removal_rules


class InUseError(ComponentError):
    """A cluster that others import from would be destroyed."""


class ImportersHandler(Handler):
    """Refuses to be deleted."""

    id = "importers"
    compared = ("imported",)
    peers: Sequence[str] = ()

    def configure(self, request: ConfigureRequest) -> None:
        """Read which peers are configured: in an `up` by now, in `destroy` by the last `up`."""
        self.peers = sorted(json.loads(request.config.get("peers") or "{}"))

    def delete(self, _id: str, props: Props) -> None:
        """Refuse while one that imports is still configured and what it imports from is not named.

        Named it is in the environment: `destroy` has the stack file as the last `up` has seen it.

        Raises:
            InUseError: with the names of both.
        """
        named = confirmations.removed()
        kept = {
            cluster: callers
            for cluster, importers in sorted(props["imported"].items())
            if cluster not in named
            and (callers := [name for name in importers if name in self.peers])
        }
        reasons = [
            f"cluster {cluster} is not destroyed: {removal_rules.and_(callers)} of another stack "
            f"import{'s' if len(callers) == 1 else ''} from it"
            for cluster, callers in kept.items()
        ]
        if reasons:
            raise InUseError(
                "; ".join(reasons) + "; nothing has been deleted yet. To destroy it nevertheless, "
                f"name it: `{REMOVED}={','.join(kept)} pulumi destroy`"
            )


@dataclass(frozen=True)
class ImportersArgs:
    """Arguments of `Importers`."""

    imported: Mapping[str, Sequence[str]]
    """Each cluster to the clusters of other stacks that import from it."""


class Importers(Resource, module="istio-multicluster", name="Importers"):
    """Who imports from the clusters of this stack. Depends on all that a refusal has to save."""

    def __init__(
        self, name: str, args: ImportersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the guard.

        Args:
            name: Pulumi name.
            args: who imports.
            opts: what is deleted after this.
        """
        super().__init__(Kind("Importers"), name, {"imported": args.imported}, opts)
