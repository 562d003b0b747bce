"""What an operator confirms for one run, by name, in the environment.

`destroy` and `refresh` run no program and read the stack file of the last `up`, so what is meant
for one of them cannot stand there. Nor should it: what was meant once would be in force for ever.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Set

REMOVED = "ISTIO_MULTICLUSTER_REMOVED"
"""Clusters that may be destroyed though others import from them, and the namespace of a root whose
keys may be deleted: `NAME,...`."""
REBUILT = "ISTIO_MULTICLUSTER_REBUILT"
"""Clusters that were built anew: `NAME=TOKEN,...`."""
TAKE_OVER = "ISTIO_MULTICLUSTER_TAKE_OVER"
"""ID of the stack whose clusters this one takes over, because its state is lost."""


def removed() -> Set[str]:
    """Return what may go."""
    return {*_items(REMOVED)}


def rebuilt() -> Mapping[str, str]:
    """Return the clusters that were built anew, with their tokens."""
    pairs = (item.partition("=") for item in _items(REBUILT))
    return {name: token for name, _, token in pairs}


def taken_over() -> str:
    """Return the ID of the stack that is taken over; empty: none."""
    return os.environ.get(TAKE_OVER, "").strip()


def _items(variable: str) -> list[str]:
    return [item.strip() for item in os.environ.get(variable, "").split(",") if item.strip()]
