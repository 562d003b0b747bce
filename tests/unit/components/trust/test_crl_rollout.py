"""The wait for a revocation list to be in force, against a fake kubectl."""

from __future__ import annotations

from typing import Any

import pytest

from components.cluster.istiod_leftovers import CONFIG_MAPS
from components.kubectl import KubectlError
from components.model import CA_CRL
from components.names import REVOCATION_LISTS
from components.trust import crl_rollout
from components.trust.crl_rollout import RevocationHandler
from tests.unit.support.fake_clock import FakeClock
from tests.unit.support.fake_kubectl import FakeKubectl
from tests.unit.support.recorder import Run

HANDLER = RevocationHandler(FakeClock())
OLD, NEW = "the old list\n", "the new list\n"


def props(crl: str) -> dict[str, Any]:
    return {"crl": crl, "kubeconfig": None, "context": "ctx"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that is over after the first look."""
    monkeypatch.setattr(crl_rollout, "WAIT_SECONDS", -1)


def test_it_is_over_when_istiod_has_put_the_very_list_beside_the_gateways(
    kubectl: FakeKubectl,
) -> None:
    kubectl.put(REVOCATION_LISTS, {CA_CRL: NEW})
    assert HANDLER.create(props(NEW)).outs == props(NEW)
    assert HANDLER.update("id", props(OLD), props(NEW)).outs == props(NEW)
    (call, again) = kubectl.calls
    assert call == again
    assert call[call.index("-n") + 1] == "istio-gateways"
    assert kubectl.verbs == ["get", "get"], "it looks and touches nothing"


@pytest.mark.parametrize("data", [{CA_CRL: OLD}, {"another": NEW}, {}, None])
def test_it_says_what_it_has_waited_for(kubectl: FakeKubectl, data: dict[str, str] | None) -> None:
    kubectl.put(REVOCATION_LISTS, data)
    with pytest.raises(KubectlError) as caught:
        HANDLER.create(props(NEW))
    text = str(caught.value)
    assert "in context 'ctx' istiod has not put the revocation list into ConfigMap" in text
    assert "istio-gateways/istio-ca-crl" in text
    assert "kubectl logs -n istio-system deploy/istiod" in text
    assert NEW not in text


def test_it_waits_for_a_config_map_that_is_still_to_come(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crl_rollout, "WAIT_SECONDS", 30)
    kubectl.behave(rivals=[{}, {CA_CRL: OLD}, {CA_CRL: NEW}])
    HANDLER.update("id", props(OLD), props(NEW))
    assert kubectl.verbs == ["get"] * 4


def test_a_revoked_cluster_has_nothing_to_wait_for(kubectl: FakeKubectl) -> None:
    HANDLER.create(props(""))
    assert kubectl.calls == []


def test_a_cluster_that_does_not_answer_is_an_error(kubectl: FakeKubectl) -> None:
    kubectl.behave(fail="i/o timeout")
    with pytest.raises(KubectlError, match="i/o timeout"):
        HANDLER.create(props(NEW))


@pytest.mark.parametrize(("crl", "changes"), [(NEW, True), (OLD, False), ("", True)])
def test_it_waits_anew_for_another_list_only(crl: str, changes: bool) -> None:
    olds = props(OLD)
    assert HANDLER.diff("id", olds, {**props(crl), "context": "renamed"}).changes is changes


def test_what_istiod_leaves_behind_is_cleaned_up() -> None:
    assert REVOCATION_LISTS in CONFIG_MAPS


@pytest.mark.parametrize("cluster", ["a", "b", "c"])
def test_each_cluster_waits_for_its_own_list(full: Run, cluster: str) -> None:
    inputs = full[f"Revocation {cluster}-revocation"].inputs
    secret = full[f"Secret {cluster}-cacerts"].inputs["stringData"]
    assert inputs["crl"] == secret["ca-crl.pem"]
    assert (inputs["context"], inputs["kubeconfig"]) == (f"ctx-{cluster}", "kubeconfig")
