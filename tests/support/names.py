"""Host names outside of the clusters, as the DNS above each cluster's own answers them."""

from __future__ import annotations

from collections.abc import Mapping

from lab.instance import Instance, write_private
from lab.node import NAMES, ZONE
from tests.conftest import INSTANCE


def host(label: str) -> str:
    """Return a name that can be given addresses."""
    return f"{label}.{ZONE}"


def write(names: Mapping[str, str]) -> None:
    """Answer these names, with one address each, and no others."""
    text = "".join(f"{address} {name}\n" for name, address in names.items())
    for cluster in Instance(INSTANCE).clusters():
        if cluster.has_node:
            write_private(cluster.path(NAMES), text)
