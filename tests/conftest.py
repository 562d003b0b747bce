"""Shared by all tiers: the project's directory on the path, and the lab for those that need it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import dev

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))

GATEWAY_PROBE = {
    "httpGet": {"path": "/healthz/ready", "port": 15021},
    "periodSeconds": 1,
    "timeoutSeconds": 3,
    "failureThreshold": 60,
}
"""Sees at once that a gateway is ready; the chart's own looks every 15 s."""
INSTANCE = os.environ.get("LAB_INSTANCE", "test")
CLUSTERS = ("a", "b", "c")


@dataclass(frozen=True)
class Lab:
    """The clusters of the lab that tests use, beside the one that `make up` makes."""

    kubeconfig: Path
    istio: dict[str, Any]
    """The `istio` settings with which the lab's charts and images are used."""


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three mesh clusters and a root CA cluster.

    KEEP_LAB=1 leaves them running; LAB_INSTANCE names another lab, to run two side by side.
    """
    from tools import env

    os.environ |= dict(env.values())
    kubeconfig = tmp_path_factory.mktemp("lab") / "kubeconfig"
    command = [sys.executable, "-m", "lab"]
    here = ["--instance", INSTANCE]
    names = [*CLUSTERS, "root"]
    subprocess.run(
        [*command, "up", *here, "--kubeconfig", str(kubeconfig), *names], cwd=PROJECT, check=True
    )
    istio = dev.settings()["istio"]
    istio["values"]["gateway"]["readinessProbe"] = GATEWAY_PROBE
    yield Lab(kubeconfig, istio)
    if not os.environ.get("KEEP_LAB"):
        subprocess.run([*command, "down", *here], cwd=PROJECT, check=True)
