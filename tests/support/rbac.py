"""The rights of docs/rbac, given to the lab's user `deployer`, as whom the program then runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.support.kube import Kube

DIRECTORY = Path(__file__).parents[2] / "docs" / "rbac"
ROOT = "root"


def deployer(cluster: str) -> str:
    """Return the deployer's context for a cluster of the lab."""
    return f"lab-{cluster}-deployer"


def grant(kubeconfig: Path, clusters: Iterable[str], *, rotation: bool = False) -> None:
    """Give the deployer its rights, as the lab's administrator.

    Args:
        kubeconfig: the lab's.
        clusters: names of the mesh clusters; the root CA's is always `ROOT`.
        rotation: also those that are needed while a root is rotated.
    """
    mesh = ["mesh", "rotation"] if rotation else ["mesh"]
    wanted = {**dict.fromkeys(clusters, mesh), ROOT: ["root"]}
    for cluster, names in wanted.items():
        kube = Kube(kubeconfig, f"lab-{cluster}")
        for name in names:
            kube.run("apply", "-f", str(DIRECTORY / f"{name}.yaml"))
