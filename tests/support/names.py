"""Host names outside of the clusters, as the DNS above each cluster's own answers them."""

from __future__ import annotations

from collections.abc import Mapping

from lab.cluster import node
from lab.instance import Instance
from tests.conftest import INSTANCE


def write(names: Mapping[str, str]) -> None:
    """Answer these names, with one IPv4 address each, and no others."""
    for cluster in Instance(INSTANCE).clusters():
        if cluster.has_node:
            cluster.write(node.UPSTREAM_DNS, node.upstream_dns(cluster.address, names))
