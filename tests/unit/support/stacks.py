"""Stack configurations that tests start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

NAMES = ("a", "b", "c", "d", "e")
CONTEXTS = (*(f"ctx-{name}" for name in NAMES), "ctx-root")


def write_kubeconfig(path: Path, contexts: Sequence[str] = CONTEXTS) -> None:
    """Write a kubeconfig with these contexts and no way to log in anywhere."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "contexts": [{"name": c, "context": {"cluster": c, "user": c}} for c in contexts],
    }
    path.write_text(yaml.safe_dump(document))


def service(name: str, port: int = 9080, **further: Any) -> dict[str, Any]:
    """Return one entry of `exposes`."""
    return {"service": name, "namespace": "shop", "port": port, **further}


def stack(names: str = "ab", **clusters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of clusters named by the letters of `names`, all linked.

    Args:
        names: one letter per cluster.
        clusters: further settings of single clusters.
    """
    return {
        "clusters": {name: {"context": f"ctx-{name}", **clusters.get(name, {})} for name in names},
        "links": "all",
        "rootCa": {"context": "ctx-root"},
    }


FULL = {
    **stack(
        "abc",
        a={
            "httpPorts": [80, 443],
            "replicas": 2,
            "exposes": [
                {"service": "ratings", "namespace": "bookinfo", "port": 9080, "allow": ["b"]},
                service("web", 80),
                service("web", 8443),
            ],
        },
        b={
            "linkPort": 15444,
            "dns": "kube-dns",
            "trustDomain": "b.example",
            "exposes": [
                {"service": "details", "namespace": "bookinfo", "port": 9080},
                {"service": "reviews", "namespace": "bookinfo", "port": 9080},
            ],
        },
        c={"dns": "none", "networkPolicy": ["shop"]},
    ),
    "links": [["a", "b"], ["c", "a"]],
    "rootCa": {"context": "ctx-root", "certManager": True, "revoked": ["c0ffee"]},
    "bookinfo": {"frontend": "a", "backend": "b"},
}
"""A bit of everything: three clusters, two links, each DNS mode, revocation lists, Bookinfo."""
