"""CRDs of a chart: which are applied, whose are left, and how the handler gets them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from components.charts import crds
from components.charts.crds import (
    LOST,
    STAMP_LABEL,
    ChartCrds,
    Crd,
    CrdsHandler,
    LostCrdsError,
    WantedCrds,
)
from components.kubectl import Kubectl
from components.ownership.look import Seen
from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import stack

XY = WantedCrds(ChartCrds(frozenset("xy"), "x"), "new")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, ["x", "y"]),
        ({"x": Crd("X", "new")}, ["y"]),
        ({"x": Crd("X", "old"), "y": Crd("Y", "new")}, ["x"]),
        ({"x": Crd("X", None), "y": Crd("Y", "new")}, []),
    ],
)
def test_what_is_missing_or_of_another_chart_is_applied(
    found: dict[str, Crd], expected: list[str]
) -> None:
    assert crds.to_apply(XY, found) == expected


def test_where_all_is_as_it_should_be_nothing_is_applied() -> None:
    assert crds.to_apply(XY, None) == []


def rendered(run: Run, cluster: str) -> list[str]:
    """Return the CRDs that the chart is asked to render."""
    values = run[f"Chart {cluster}-base"].inputs["values"]
    return sorted(crds.ISTIO.names - {*values["base"]["excludedCRDs"]})


def test_on_a_new_cluster_all_are_applied_with_the_stamp(program: ProgramRunner) -> None:
    run = program(stack("ab"))
    made = run["Crds a-crds"].inputs
    assert rendered(run, "a") == sorted(crds.ISTIO.names)
    items = json.loads(made["manifest"])["items"]
    assert {item["metadata"]["name"] for item in items} == crds.ISTIO.names
    assert {item["metadata"]["labels"][STAMP_LABEL] for item in items} == {made["stamp"]}
    assert not [r for r in run.registrations if r.kind == "CustomResourceDefinition"]


def test_those_of_somebody_else_are_neither_rendered_nor_applied(
    try_program: ProgramRunner,
) -> None:
    there = {name: Crd("X", None) for name in crds.ISTIO.names}

    def look(kubectl: Kubectl, *_: object) -> Seen:
        return Seen(f"uid of {kubectl.context}", crds=there if kubectl.context == "ctx-a" else {})

    run = try_program(stack("ab"), look=look)
    assert (rendered(run, "a"), rendered(run, "b")) == ([], sorted(crds.ISTIO.names))
    assert run["Crds a-crds"].inputs["manifest"] == ""


class Cluster(Kubectl):
    """A kubectl that remembers what it is asked for."""

    done: list[str] = []
    there: list[str] = []

    def apply_crds(self, file: str) -> None:
        self.done.append(f"apply {file}")

    def label(self, kind: str, name: str, label: str) -> None:
        self.done.append(f"label {kind} {name} {label}")

    def get_all(self, wanted: Sequence[tuple[str, str, str, str]]) -> list[dict[str, Any]]:
        return [{"metadata": {"name": name}} for *_, name in wanted if name in self.there]


PROPS = {"context": "c", "stamp": "s", "manifest": "", "names": ["x", "y"], "sentinel": "x"}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> type[Cluster]:
    monkeypatch.setattr("components.charts.crds.Kubectl", Cluster)
    monkeypatch.setattr(Cluster, "done", [])
    monkeypatch.setattr(Cluster, "there", ["x", "y"])
    return Cluster


def test_the_handler_applies_what_there_is_and_remembers_no_file(cluster: type[Cluster]) -> None:
    assert CrdsHandler().create({**PROPS, "manifest": "/x"}).outs == PROPS
    CrdsHandler().update("", PROPS, PROPS)
    assert cluster.done == ["apply /x"]


def test_crds_that_have_gone_are_found_by_a_refresh_and_applied_by_the_run_after(
    cluster: type[Cluster],
) -> None:
    handler = CrdsHandler()
    assert handler.read("", PROPS).outs == PROPS
    cluster.there.remove("y")
    refreshed = handler.read("", PROPS).outs
    assert handler.diff("", refreshed, PROPS).changes
    with pytest.raises(LostCrdsError, match="CRDs have gone: y; run `pulumi up` again"):
        handler.update("", refreshed, PROPS)
    assert cluster.done == [f"label crd x {STAMP_LABEL}={LOST}"], "the next look reads all of them"


@pytest.mark.parametrize(
    ("news", "changes"),
    [
        ({"stamp": "s", "manifest": ""}, False),
        ({"stamp": "t", "manifest": ""}, True),
        ({"stamp": "s", "manifest": "/x"}, True),
    ],
)
def test_there_is_something_to_do_when_the_chart_changes_or_crds_have_gone(
    news: dict[str, Any], changes: bool
) -> None:
    assert CrdsHandler().diff("", PROPS, news).changes == changes
