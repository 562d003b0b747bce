"""`make growth`: what more clusters, links and services cost, on API servers without nodes.

SIZES (default 2,4,8,16) are the numbers of clusters, all linked with each other; SERVICES (default
10,1000) those of services that one of two clusters exposes. Pods count as ready as soon as they are
wanted (`tests/support/controllers.py`), so that times are those of Pulumi, its providers and the
API servers. Memory is that of Pulumi, the program and its providers.

The state is a file, all of which Pulumi writes before and after each step. With
PULUMI_SKIP_CHECKPOINTS=true it is written once, at the end, which tells how long the rest takes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import dev, pki
from tests.support.apiservers import ApiServers, tools
from tests.support.controllers import Controllers
from tests.support.stack import Stack
from tests.support.usage import Usage

SIZES = [int(size) for size in os.environ.get("SIZES", "2,4,8,16").split(",")]
SERVICES = [int(count) for count in os.environ.get("SERVICES", "10,1000").split(",")]
TIMEOUT_SECONDS = 3600
SLACK = 1.5
"""How much worse than linear a time may be: this is measured on a machine with other work."""

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS)


@dataclass
class Row:
    """What one stack cost."""

    clusters: int
    services: int
    resources: int
    objects: Counter[str]
    """Cluster to the number of resources in the state that its provider has."""
    preview: Usage
    """Of a stack that is not there yet."""
    up: Usage
    again: Usage
    """A preview with nothing to do."""

    @property
    def links(self) -> int:
        return self.clusters * (self.clusters - 1) // 2

    def __str__(self) -> str:
        times = (self.preview, self.up, self.again)
        peak = max(usage.peak_bytes for usage in times) / 2**30
        objects = sorted({*self.objects.values()})
        cells = [
            self.clusters,
            self.links,
            self.services,
            self.resources,
            "/".join(map(str, objects)),
            *(f"{usage.seconds:.0f} s ({usage.cpu_seconds:.0f} s)" for usage in times),
            f"{peak:.2f} GiB",
        ]
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| clusters | links | services | resources | objects per cluster | first preview | up "
    "| no-op preview | memory |\n|---|---|---|---|---|---|---|---|---|"
)


class Mesh:
    """A stack of clusters that are all linked."""

    def __init__(self, servers: ApiServers, controllers: Controllers, directory: Path) -> None:
        self.servers, self.controllers = servers, controllers
        self._root = pki.make("root")
        self._certificates = directory / "certificates"
        self._names: list[str] = []
        (directory / "stack").mkdir()
        self.stack = Stack(directory / "stack", servers.kubeconfig, {})
        self._directory = directory

    def configure(self, count: int, services: int = 1) -> None:
        """Want so many clusters; the last one exposes `services`, all others one each."""
        new = [f"c{number:02}" for number in range(len(self._names), count)]
        self.servers.add(new)
        for name in new:
            ca = pki.make(name, self._root, path_length=0)
            pki.write_one(self._certificates / name, ca, self._root)
        self._names += new
        kubeconfig = self.servers.kubeconfig.read_bytes()
        (self.stack.directory / "kubeconfig").write_bytes(kubeconfig)
        clusters = {name: self._cluster(name, 1) for name in self._names}
        clusters[self._names[-1]] = self._cluster(self._names[-1], services)
        root = {"directory": str(self._certificates), "warnDays": 0}
        config = {"clusters": clusters, "rootCa": root, "istio": dev.settings()["istio"]}
        self.stack.configure(config)

    def _cluster(self, name: str, services: int) -> dict[str, Any]:
        exposes = [
            {"service": f"s{number}", "namespace": "apps", "port": 8080}
            for number in range(services)
        ]
        return {"context": self.servers.clusters[name].context, "exposes": exposes}

    def measure(self, count: int, services: int = 1) -> Row:
        """Bring it up from nothing and look at it again."""
        self.configure(count, services)
        with Usage() as preview:
            self.stack.preview()
        with Usage() as up:
            changes = self.stack.up()
        assert set(changes) == {"create"}
        again = self.preview_again()
        resources = self.resources()
        objects = Counter(
            resource["provider"].rpartition("::")[0].rpartition("::")[2]
            for resource in resources
            if ":kubernetes::" in resource.get("provider", "")
        )
        return Row(count, services, len(resources), objects, preview, up, again)

    def preview_again(self) -> Usage:
        """Preview with nothing to do, twice: the first one reads every file anew."""
        self.controllers.paused = True
        for _ in range(2):
            with Usage() as usage:
                assert set(self.stack.preview()) == {"same"}
        self.controllers.paused = False
        return usage

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources in the state."""
        deployment = self.stack.stack.export_stack().deployment
        return list(deployment["resources"])  # type: ignore[index]


@contextmanager
def mesh(directory: Path) -> Iterator[Mesh]:
    """Make an empty one; its API servers end with it."""
    directory.mkdir()
    with ApiServers(directory / "api", tools()) as servers, Controllers(servers.clusters) as extra:
        yield Mesh(servers, extra, directory)


def test_more_clusters(tmp_path: Path) -> None:
    rows = []
    for size in SIZES:
        with mesh(tmp_path / f"{size}") as made:
            rows.append(made.measure(size))
            print(f"\n{HEAD}\n{rows[-1]}", flush=True)
            if size != max(SIZES):
                _add_one_more(made, size)
    print("\n".join(["", HEAD, *map(str, rows)]))
    for row in rows:
        assert len({*row.objects.values()}) == 1, "in a full mesh all clusters are alike"
    per_link = {
        (max(b.objects.values()) - max(a.objects.values())) / (b.clusters - a.clusters)
        for a, b in zip(rows, rows[1:], strict=False)
    }
    assert len(per_link) <= 1, f"objects per cluster have to be linear in its links: {per_link}"
    for a, b in zip(rows, rows[1:], strict=False):
        for kind in ("preview", "up", "again"):
            longer = getattr(b, kind).cpu_seconds / getattr(a, kind).cpu_seconds
            assert longer <= SLACK * b.links / a.links, f"{kind} is worse than linear in links"


def _add_one_more(made: Mesh, size: int) -> None:
    made.configure(size + 1)
    with Usage() as usage:
        changes = made.stack.up()
    print(f"one more cluster than {size}: {changes}, {usage.seconds:.0f} s", flush=True)
    # Of each cluster the policy at its link port and the zones that core-dns reads; and the guard.
    assert changes["update"] == 2 * size + 1
    assert set(changes) == {"same", "create", "update"}, "nothing is replaced or deleted"


def test_more_services(tmp_path: Path) -> None:
    rows = []
    for count in SERVICES:
        with mesh(tmp_path / f"services-{count}") as made:
            rows.append(made.measure(2, count))
            print(f"\n{HEAD}\n{rows[-1]}", flush=True)
    print("\n".join(["", HEAD, *map(str, rows)]))
    for row in rows:
        caller, target = row.objects["c00"], row.objects["c01"]
        assert caller == target == rows[0].objects["c00"], "HTTP services cost no objects"
