"""One field manager for all that the program applies.

The provider makes up a name at random for each object. An object whose creation was interrupted has
such a name, which the next run does not know; nor does a new state that takes objects over. Each
later change would be a conflict with a manager that is gone.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi import ResourceTransformationArgs, ResourceTransformationResult

from components.names import FIELD_MANAGER

NAMESPACE = "kubernetes:core/v1:Namespace"
ANNOTATION = "pulumi.com/patchFieldManager"


def use_one() -> None:
    """From now on give the name to every Kubernetes object that is registered."""
    pulumi.runtime.register_stack_transformation(_transform)


def _transform(args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
    if not args.type_.startswith("kubernetes:") or args.opts.id is not None:
        return None
    if args.type_ == NAMESPACE and args.opts.retain_on_delete:  # somebody else's: see claim.py
        return None
    given: Any = args.props["metadata"]
    annotations = {**(given.get("annotations") or {}), ANNOTATION: FIELD_MANAGER}
    metadata = {**given, "annotations": annotations}
    return ResourceTransformationResult({**args.props, "metadata": metadata}, args.opts)
