"""Shared by all tiers: the project's directory on the path, and the lab for those that need it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
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
ONE_PROCESS = ("e2e", "lab")
"""Tiers whose tests have one process; elsewhere each file has one."""


def instance(name: str, worker: str) -> str:
    """Return the name of the lab that one process of pytest uses.

    Args:
        name: what is asked for.
        worker: the process' name where there are several; empty: it is the only one.
    """
    return name if worker in ("", "gw0") else f"{name}-{worker}"


INSTANCE = instance(
    os.environ.get("LAB_INSTANCE", "test"), os.environ.get("PYTEST_XDIST_WORKER", "")
)
CLUSTERS = ("a", "b", "c")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let `--dist loadscope` keep together what shares clusters, or runs in its order.

    `--dist loadgroup` is not for it: with pytest 9.2, xdist 3.8 does not see the groups.
    """
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = piece_of_work
    return scheduler


def piece_of_work(nodeid: str) -> str:
    """Return the name of what one process has to do as a whole, one test of which is given."""
    file = PurePosixPath(nodeid.partition("::")[0])
    return str(file.parent if file.parent.name in ONE_PROCESS else file)


@dataclass(frozen=True)
class Lab:
    """The clusters of the lab that tests use, beside the one that `make up` makes."""

    kubeconfig: Path
    istio: dict[str, Any]
    """The `istio` settings with which the lab's charts and images are used."""


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three mesh clusters and a root CA cluster.

    KEEP_LAB=1 leaves them running; LAB_INSTANCE names another lab, to run two side by side. Each
    process of `pytest -n 2` has a lab of its own.
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
