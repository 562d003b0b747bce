"""lab/commands/digests.py: which image has which digest, as the node's containerd says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import instance
from lab.cluster import node
from lab.commands import digests
from lab.errors import LabError
from lab.instance import Cluster, Instance
from lab.machine.processes import Process

ONE, OTHER = (f"sha256:{digit * 64}" for digit in "12")
KIND = "application/vnd.oci.image.manifest.v1+json"
LISTING = f"""\
REF TYPE DIGEST SIZE PLATFORMS LABELS
r.example:5000/one:1 {KIND} {ONE} 2.9 MiB linux/amd64 io.cri-containerd.image=managed
r.example:5000/one@{ONE} {KIND} {ONE} 2.9 MiB linux/amd64 -
r.example/two:1.2 {KIND} {OTHER} 46.3 MiB linux/amd64 -
sha256:{"3" * 64} {KIND} {OTHER} 46.3 MiB linux/amd64 -
"""


def test_only_names_with_a_tag_are_listed() -> None:
    assert digests.parse(LISTING) == {"r.example:5000/one:1": ONE, "r.example/two:1.2": OTHER}
    assert digests.parse("REF TYPE DIGEST SIZE PLATFORMS LABELS\n") == {}


def test_a_node_that_runs_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "STATE_ROOT", tmp_path)
    lab = Instance("unit")
    lab.record(lab.plan(["a", "b", "root"]))
    alive: set[str] = set()
    asked: list[str] = []

    def listing(cluster: Cluster) -> str:
        asked.append(cluster.name)
        return LISTING

    monkeypatch.setattr(
        Process, "pid", property(lambda process: 1 if process.cluster.name in alive else None)
    )
    monkeypatch.setattr(node, "list_images", listing)
    alive.add("root")
    with pytest.raises(LabError, match="no node of lab 'unit' runs"):
        digests.digests(lab)
    alive.add("b")
    assert len(digests.digests(lab)) == 2
    assert asked == ["b"]
