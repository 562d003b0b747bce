"""Runs that die: killed at some moment, taken up again, and nothing is lost or left.

Real engine, provider and API servers; nodes there are none. `make kills` has all moments, a run of
all tests four of them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import pki
from tests.support.apiservers import ApiServer, ApiServers, tools
from tests.support.bare_mesh import CLUSTERS, BareMesh
from tests.support.controllers import Controllers
from tests.support.kill import end, gone_after, killed_at
from tests.support.stack import Stack

SEED = 13
# How many die, and the most resources that they have begun with by then.
RUNS = {
    "first": (6, 100),
    "update": (4, 4),
    "chart": (4, 8),
    "rotation": (3, 4),
    "destroy": (3, 90),
}
UNCHANGED = {"same"}
PLUGIN_SECONDS = 10
"""How long a plugin of this program may outlive its CLI."""
KINDS = (
    "serviceaccounts",
    "services",
    "configmaps",
    "secrets",
    "apps/v1/deployments",
    "rbac.authorization.k8s.io/v1/roles",
    "rbac.authorization.k8s.io/v1/rolebindings",
    "rbac.authorization.k8s.io/v1/clusterroles",
    "rbac.authorization.k8s.io/v1/clusterrolebindings",
    "admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "namespaces",
)
# What the program changes a value of (the DNS), and what others write.
NOT_OURS = ("kube-root-ca.crt", "extension-apiserver-authentication", "kube-system")


@dataclass(frozen=True)
class Death:
    """A run and the moment at which it dies."""

    run: str
    """first, update, chart, rotation or destroy."""
    resources: int
    """With how many it has begun by then."""
    whole: bool
    """Whether everything dies; else the CLI alone."""

    def __str__(self) -> str:
        return f"{self.run}-{self.resources}-{'all' if self.whole else 'cli'}"


def deaths() -> list[Death]:
    """Return the moments, spread by a seed: all of them, or one of each of the riskiest kinds."""
    moments = random.Random(SEED)
    wanted = (
        ("first", 6, 100),
        ("update", 4, 4),
        ("chart", 4, 8),
        ("rotation", 3, 4),
        ("destroy", 3, 90),
    )
    found = [
        Death(run, moments.randint(1, most), number % 2 == 0)
        for run, count, most in wanted
        for number in range(count)
    ]
    if os.environ.get("KILLS") == "all":
        return found
    return [found[0], found[1], found[10], found[17]]


class Mortal:
    """A stack on two clusters, whose runs are killed."""

    def __init__(self, mesh: BareMesh) -> None:
        self.mesh = mesh
        self.before = {name: held(mesh.servers.clusters[name]) for name in CLUSTERS}
        self.stack = mesh.new_stack("mortal")

    def changed(self, run: str) -> dict[str, Any]:
        """Return the stack file that a run of that kind is about."""
        config = self.mesh.config()
        if run == "update":
            entry = {"service": "db", "namespace": "apps", "port": 5432, "protocol": "tcp"}
            config["clusters"]["b"]["exposes"] = [entry]
            config["clusters"]["a"]["replicas"] = 2
        if run == "chart":
            config["istio"]["version"] = "1.99.0"
            config["istio"]["values"]["istiod"]["podLabels"] = {"chart": "new"}
        if run == "rotation":
            config["rootCa"]["directory"] = str(self.mesh.base / "renewed")
        return config

    def is_clean(self) -> None:
        """Check that the clusters hold what they held before."""
        for name in CLUSTERS:
            now = held(self.mesh.servers.clusters[name])
            assert now - self.before[name] == set()
            assert self.before[name] - now == set()


def held(cluster: ApiServer) -> set[str]:
    """Return the names of what a cluster holds."""
    found = set()
    for kind in KINDS:
        group, _, plural = kind.rpartition("/")
        for item in cluster.items(f"/apis/{group}/{plural}" if group else f"/api/v1/{plural}"):
            metadata = item["metadata"]
            if metadata["name"] not in NOT_OURS:
                found.add(f"{plural} {metadata.get('namespace', '')}/{metadata['name']}")
    return found


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    base = tmp_path_factory.mktemp("kills")
    with ApiServers(base / "api", tools()) as servers, Controllers(servers.clusters):
        mesh = BareMesh(servers, base)
        pki.write(base / "renewed", [*CLUSTERS], mesh.root)
        yield Mortal(mesh)


def again(stack: Stack, run: str) -> None:
    """Take it up again, as docs/recovery.md has it."""
    stack.stack.cancel()
    stack.destroy() if run == "destroy" else stack.up()
    if run == "destroy":
        return
    stack.refresh(clear_pending_creates=True)
    stack.output.clear()
    assert set(stack.preview()) == UNCHANGED
    assert not [line for line in stack.output if "warning" in line]


@pytest.mark.parametrize("death", deaths(), ids=str)
def test_a_run_that_dies_is_taken_up_again(mortal: Mortal, death: Death) -> None:
    stack = mortal.stack
    stack.configure(mortal.mesh.config())
    if death.run != "first":
        stack.up()
    stack.configure(mortal.changed(death.run))
    command = ["destroy"] if death.run == "destroy" else ["up"]
    left = killed_at(stack, command, death.resources, whole=death.whole)
    try:
        assert gone_after(left, PLUGIN_SECONDS)
        again(stack, death.run)
    finally:
        end(left)
    if death.run != "destroy":
        stack.destroy()
    mortal.is_clean()
