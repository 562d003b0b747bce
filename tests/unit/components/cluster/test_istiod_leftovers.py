"""The clean-up after istiod, against a fake kubectl."""

from __future__ import annotations

import pytest

from components.cluster.istiod_leftovers import CONFIG_MAPS, IstiodLeftoversHandler
from components.kubectl import KubectlError
from tests.unit.support.fake_kubectl import FakeKubectl
from tests.unit.support.recorder import Run

HANDLER = IstiodLeftoversHandler()
PROPS = {"kubeconfig": None, "context": "ctx"}


def test_nothing_is_touched_before_destroy(kubectl: FakeKubectl) -> None:
    state = HANDLER.create(PROPS)
    HANDLER.update(state.id, state.outs, PROPS)
    assert kubectl.calls == []


def test_destroy_deletes_by_name_in_all_namespaces_and_nothing_else(
    kubectl: FakeKubectl,
) -> None:
    HANDLER.delete("", HANDLER.create(PROPS).outs)
    wanted = [["-A", "--field-selector", f"metadata.name={name}"] for name in CONFIG_MAPS]
    assert [call[-3:] for call in kubectl.calls] == wanted
    assert set(kubectl.verbs) == {"delete"}
    assert all(call[:2] == ["--context", "ctx"] for call in kubectl.calls)


def test_a_dead_cluster_is_forgotten_only_when_asked_for(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl.behave(fail="i/o timeout")
    with pytest.raises(KubectlError, match="i/o timeout"):
        HANDLER.delete("", PROPS)
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    HANDLER.delete("", PROPS)


@pytest.mark.parametrize(("key", "changes"), [("context", True), ("kubeconfig", True), ("", False)])
def test_the_state_follows_how_the_cluster_is_reached(key: str, changes: bool) -> None:
    assert HANDLER.diff("", PROPS, {**PROPS, **({key: "new"} if key else {})}).changes == changes


@pytest.mark.parametrize("cluster", ["a", "b", "c"])
def test_each_cluster_is_cleaned_up_with_its_own_context(full: Run, cluster: str) -> None:
    leftovers = full[f"IstiodLeftovers {cluster}-istiod-leftovers"]
    assert leftovers.inputs["context"] == f"ctx-{cluster}"
    assert leftovers.inputs["kubeconfig"] == "kubeconfig"
    (istiod,) = (
        r for r in full.registrations if (r.parent, r.kind) == (f"{cluster}-istiod", "Deployment")
    )
    assert leftovers.name in istiod.depends_on, "deleted after istiod"
