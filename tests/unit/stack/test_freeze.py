"""A cluster that is away: everything of it stays as it is, and nothing else is touched."""

from __future__ import annotations

import pytest

from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import CHART, Registration, Run
from tests.unit.support.stacks import service, stack


@pytest.fixture(scope="module")
def away(program: ProgramRunner) -> Run:
    """B is away; a and c are not."""
    exposing = {"exposes": [service("web", 80)], "networkPolicy": ["shop"]}
    return program(stack("abc", a=exposing, b={**exposing, "unreachable": True}))


def of(run: Run, cluster: str) -> list[Registration]:
    """Return what is on a cluster: by its provider, or by the context that a resource is told."""
    return [
        r
        for r in run.registrations
        if not r.type.startswith(("pulumi:", "istio-multicluster:"))
        and (r.provider == cluster or r.inputs.get("context") == f"ctx-{cluster}")
    ]


def test_every_resource_of_it_is_left_alone(away: Run) -> None:
    found = of(away, "b")
    kinds = {r.kind for r in found}
    assert {"Deployment", "Service", "VirtualService", "ConfigMap", "NetworkPolicy"} <= kinds
    assert {"ClusterRole", "RoleBinding", "MutatingWebhookConfiguration"} <= kinds, "of charts too"
    kubectl = {"ClusterDns", "ClusterMark", "Crds", "IstiodLeftovers", "WebhooksReady"}
    assert kubectl <= kinds, "and those that use kubectl"
    for r in found:
        assert r.retain_on_delete, f"{r.key}: it can be removed while the cluster is away"
        if r.dynamic:
            assert r.inputs["unreachable"] is True
            assert set(r.ignore_changes) >= set(r.inputs) - {"unreachable"}, r.key
            assert "unreachable" not in r.ignore_changes
        else:
            assert r.ignore_changes == ("*",), r.key


def test_nothing_of_the_others_changes(away: Run, program: ProgramRunner) -> None:
    exposing = {"exposes": [service("web", 80)], "networkPolicy": ["shop"]}
    there = program(stack("abc", a=exposing, b=exposing))
    for cluster in ("a", "c", "root_ca"):
        found, expected = of(away, cluster), of(there, cluster)
        assert len(found) == len(expected) > 0
        for one, other in zip(found, expected, strict=True):
            assert one.same(other), one.key
            assert not one.retain_on_delete
            assert not one.ignore_changes
    assert of(away, "a")[0].inputs == of(there, "a")[0].inputs


def test_its_provider_reaches_nothing_and_is_the_same(away: Run, program: ProgramRunner) -> None:
    there = program(stack("abc"))
    provider, was = away.providers["b"].inputs, there.providers["b"].inputs
    assert provider["clusterIdentifier"] == was["clusterIdentifier"], "or all would be replaced"
    assert provider["kubeconfig"] == '{"apiVersion": "v1", "kind": "Config"}'
    assert away.providers["a"].inputs == there.providers["a"].inputs


def test_a_stack_without_such_a_cluster_has_no_such_options(full: Run) -> None:
    for r in full.registrations:
        assert not r.ignore_changes
        assert not r.retain_on_delete
        assert "unreachable" not in r.inputs
        assert r.type == CHART or not r.hooks


def test_new_objects_for_it_are_refused(away: Run) -> None:
    assert {r.hooks for r in of(away, "b")} == {("unreachable",)}
    assert {r.hooks for r in of(away, "a")} == {()}


def test_the_root_cluster_cannot_be_away(try_program: ProgramRunner) -> None:
    config = stack("ab", b={"unreachable": True})
    config["rootCa"] = {"context": "ctx-b"}
    error = str(try_program(config).error)
    assert "clusters.b.unreachable: it is the root cluster too" in error


def test_the_flag_is_true_or_false(try_program: ProgramRunner) -> None:
    error = str(try_program(stack("ab", b={"unreachable": "yes"})).error)
    assert "clusters.b.unreachable: 'yes' is not valid; write `true` or `false`" in error
