"""Where the lab's programs and images come from."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console

from lab.errors import LabError
from lab.instance import Cluster
from lab.software import images
from tools import build
from tools.process import ToolError

# For work on the lab itself: folders with ready binaries and image archives.
BINARIES_VARIABLE = "ISTIO_LAB_BINARIES"
IMAGES_VARIABLE = "ISTIO_LAB_IMAGES"


def ensure(clusters: Iterable[Cluster], console: Console) -> Mapping[str, Path]:
    """Every binary that the clusters run, by name; built if need be."""
    if folder := os.environ.get(BINARIES_VARIABLE):
        return {path.name: path for path in Path(folder).iterdir()}
    families = ["kubernetes", "kubectl", "etcd", "coredns"]
    if any(cluster.has_node for cluster in clusters):
        families.append("kube-router")
    if not all(cluster.has_node for cluster in clusters):
        families.append("cert-manager")
    try:
        return build.ensure(families, console)
    except ToolError as error:
        raise LabError(str(error)) from None


def ensure_images(clusters: Iterable[Cluster], console: Console) -> list[Path]:
    """The image archives that nodes import; made if need be."""
    if not any(cluster.has_node for cluster in clusters):
        return []
    if folder := os.environ.get(IMAGES_VARIABLE):
        return sorted(Path(folder).glob("*.tar"))
    try:
        return images.ensure(console)
    except ToolError as error:
        raise LabError(str(error)) from None


def cert_manager_crds() -> Path:
    """A folder with cert-manager's CustomResourceDefinitions."""
    try:
        return build.cert_manager_crds()
    except ToolError as error:
        raise LabError(str(error)) from None
