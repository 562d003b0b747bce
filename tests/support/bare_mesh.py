"""A stack on API servers without nodes: the real engine and provider, and nothing that runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.ownership.look import MARK
from tests.support import dev, pki
from tests.support.apiservers import ApiServers
from tests.support.stack import Stack

CLUSTERS = ("a", "b")
GATEWAYS = "/api/v1/namespaces/istio-gateways"


class BareMesh:
    """Linked clusters a and b, with cluster CAs of the user's own; and stacks for them.

    Args:
        servers: what runs.
        base: a directory for certificates and stacks.
        spare: further clusters, which no stack names by itself.
    """

    def __init__(self, servers: ApiServers, base: Path, spare: Sequence[str] = ()) -> None:
        self.servers = servers
        self.base = base
        servers.add([*CLUSTERS, *spare])
        self.certificates = base / "certificates"
        self.root = pki.make("root")
        pki.write(self.certificates, [*CLUSTERS, "bb", *spare], self.root)

    def new_stack(self, name: str, config: dict[str, Any] | None = None) -> Stack:
        """Return a stack with a backend of its own, by default with the same stack file."""
        directory = self.base / name
        directory.mkdir()
        return Stack(directory, self.servers.kubeconfig, config or self.config())

    def config(self, **contexts: str) -> dict[str, Any]:
        """Return a stack file; by name of a cluster, the cluster that its context leads to."""
        contexts = contexts or {name: name for name in CLUSTERS}
        return {
            "clusters": {
                name: {"context": self.servers.clusters[at].context}
                for name, at in contexts.items()
            },
            "rootCa": {"directory": str(self.certificates), "warnDays": 0},
            "istio": dev.settings()["istio"],
        }

    def mark(self, name: str) -> dict[str, str]:
        """Return what the mark on a cluster says."""
        found = self.servers.clusters[name].call("GET", f"{GATEWAYS}/configmaps/{MARK}")
        data: dict[str, str] = found["data"]
        return data

    def uids(self) -> dict[str, str]:
        """Return the UIDs of all that would be others if they were deleted and made anew."""
        return {
            f"{name} {item['metadata']['name']}": item["metadata"]["uid"]
            for name in CLUSTERS
            for path in ("/api/v1/namespaces", f"{GATEWAYS}/services", f"{GATEWAYS}/configmaps")
            for item in self.servers.clusters[name].items(path)
        }
