"""Reads the outputs of other stacks, at once. Reads stacks, never clusters.

The objects of a link depend on what its target exposes, so that has to be known before any resource
is made: it cannot be an `Output`, as that of a `StackReference` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"
"""The engine's own function behind StackReference."""
UNKNOWN_STACK = "unknown stack"
"""What every backend says of a stack that is not there."""


class UnreadableStackError(Exception):
    """A stack cannot be read; the message is the backend's reason."""


def own_name() -> str:
    """Return the full name of the stack that runs, as others name it."""
    return f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"


def outputs_of(stack: str) -> Mapping[str, Any] | None:
    """Return a stack's outputs; None when there is no such stack.

    Raises:
        UnreadableStackError: it cannot be read.
    """
    try:
        answer = pulumi.runtime.invoke(READ_OUTPUTS, {"name": stack}).value
    except Exception as error:  # the SDK has no narrower one
        reason = str(error).rpartition("returned an error: ")[2]
        if reason.startswith(UNKNOWN_STACK):
            return None
        raise UnreadableStackError(reason) from error
    outputs: Mapping[str, Any] = with_integers(answer["outputs"])
    return outputs


def with_integers(value: Any) -> Any:
    """Return a structure with `int` for whole numbers: the engine has none but floating ones."""
    if isinstance(value, Mapping):
        return {key: with_integers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
