"""A look at a cluster that needs CRDs: when it takes a second process, and what that one reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.charts.crds import STAMP_LABEL, ChartCrds, Crd, WantedCrds
from components.kubectl import Kubectl
from components.ownership.look import Seen, look
from tests.unit.support.fake_kubectl import FakeKubectl

SENTINEL, OTHER = "xes.example", "ys.example"
WANTED = WantedCrds(ChartCrds(frozenset({SENTINEL, OTHER}), SENTINEL), "stamp")
KUBE_SYSTEM = {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "uid-a"}}


def crd(name: str, kind: str, stamp: str | None) -> dict[str, Any]:
    versions = [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": False}]
    return {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, **({"labels": {STAMP_LABEL: stamp}} if stamp else {})},
        "spec": {"names": {"kind": kind}, "versions": versions},
    }


def asked(kubectl: FakeKubectl) -> list[set[str]]:
    """Return the CRDs that each process has asked for."""
    lists = [json.loads(stdin)["items"] for stdin in kubectl.stdin]
    kind = "CustomResourceDefinition"
    return [{i["metadata"]["name"] for i in items if i["kind"] == kind} for items in lists]


def test_a_sentinel_with_the_stamp_stands_for_all(kubectl: FakeKubectl) -> None:
    kubectl.put_objects(KUBE_SYSTEM, crd(SENTINEL, "X", "stamp"))
    assert look(Kubectl(None, "ctx"), "istio-gateways", wanted=WANTED) == Seen("uid-a")
    assert kubectl.verbs == ["get"], "one process"
    assert asked(kubectl) == [{SENTINEL}]


@pytest.mark.parametrize("stamp", ["old", None], ids=["of another version", "somebody else's"])
def test_another_sentinel_has_all_read(kubectl: FakeKubectl, stamp: str | None) -> None:
    kubectl.put_objects(KUBE_SYSTEM, crd(SENTINEL, "X", stamp), crd(OTHER, "Y", "stamp"))
    seen = look(Kubectl(None, "ctx"), "istio-gateways", wanted=WANTED)
    served = frozenset({"v1"})
    assert seen.crds == {SENTINEL: Crd("X", stamp, served), OTHER: Crd("Y", "stamp", served)}
    assert kubectl.verbs == ["get", "get"], "a second process"
    assert asked(kubectl) == [{SENTINEL}, {SENTINEL, OTHER}]


def test_without_a_sentinel_nothing_is_taken_for_granted(kubectl: FakeKubectl) -> None:
    kubectl.put_objects(KUBE_SYSTEM, crd(OTHER, "Y", "stamp"))
    seen = look(Kubectl(None, "ctx"), "istio-gateways", wanted=WANTED)
    assert seen.crds == {OTHER: Crd("Y", "stamp", frozenset({"v1"}))}
    kubectl.put_objects(KUBE_SYSTEM)
    assert look(Kubectl(None, "ctx"), "istio-gateways", wanted=WANTED).crds == {}, "a new cluster"


def test_where_none_are_needed_none_are_asked_for(kubectl: FakeKubectl) -> None:
    kubectl.put_objects(KUBE_SYSTEM, crd(SENTINEL, "X", None))
    assert look(Kubectl(None, "ctx"), "istio-root-ca").crds is None
    assert asked(kubectl) == [set()]
