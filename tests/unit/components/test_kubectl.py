"""kubectl.py against a kubectl that is a file on PATH."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.kubectl import ConflictError, Kubectl, KubectlError
from components.names import FIELD_MANAGER
from tests.unit.support.fake_kubectl import FakeKubectl

KUBECTL = Kubectl("/some/kubeconfig", "ctx")


def test_the_context_and_the_kubeconfig_are_always_named(kubectl: FakeKubectl) -> None:
    KUBECTL.get("configmap", "kube-system", "coredns")
    Kubectl(None, "other").get("configmap", "kube-system", "coredns")
    with_file, without = kubectl.calls
    assert with_file[:4] == ["--kubeconfig", "/some/kubeconfig", "--context", "ctx"]
    assert without[:2] == ["--context", "other"]
    assert "--kubeconfig" not in without
    assert with_file[with_file.index("-n") + 1] == "kube-system"
    assert all(any("--request-timeout" in arg for arg in call) for call in kubectl.calls)


def test_a_config_map_is_created_read_replaced_and_deleted(kubectl: FakeKubectl) -> None:
    assert KUBECTL.get("configmap", "ns", "x") is None
    KUBECTL.put({"metadata": {"name": "x"}, "data": {"k": "1\r\n"}})
    written = KUBECTL.get("configmap", "ns", "x")
    assert written
    assert written["data"] == {"k": "1\r\n"}, "line ends are part of the data"
    written["data"]["k"] = "2"
    KUBECTL.put(written)
    assert kubectl.data("x") == {"k": "2"}
    KUBECTL.delete("configmap", "ns", "x")
    KUBECTL.delete("configmap", "ns", "x")
    assert kubectl.data("x") is None
    assert kubectl.verbs == ["get", "create", "get", "replace", "delete", "delete"]


@pytest.mark.parametrize("stale", [True, False], ids=["changed meanwhile", "created meanwhile"])
def test_somebody_elses_write_is_a_conflict(kubectl: FakeKubectl, stale: bool) -> None:
    kubectl.put("x", {})
    mine = KUBECTL.get("configmap", "ns", "x") if stale else {"metadata": {"name": "x"}}
    assert mine
    kubectl.put("x", {"theirs": "1"})
    with pytest.raises(ConflictError):
        KUBECTL.put(mine)
    assert kubectl.data("x") == {"theirs": "1"}


def test_an_error_says_verb_context_and_what_kubectl_said(kubectl: FakeKubectl) -> None:
    kubectl.behave(fail="error: You must be logged in to the server (Unauthorized)\n")
    with pytest.raises(KubectlError) as caught:
        KUBECTL.get("configmap", "ns", "x")
    assert str(caught.value) == (
        "kubectl get in context 'ctx': error: You must be logged in to the server (Unauthorized)"
    )
    assert not isinstance(caught.value, ConflictError), "it would be tried again in vain"


def test_a_call_that_hangs_is_given_up(
    kubectl: FakeKubectl,
) -> None:
    kubectl.behave(hang=600)
    with pytest.raises(KubectlError, match=r"kubectl get in context 'ctx' took over 1 s"):
        Kubectl(None, "ctx", seconds=1).get("configmap", "ns", "x")


def test_without_kubectl_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KubectlError) as caught:
        KUBECTL.get("configmap", "ns", "x")
    assert str(caught.value) == (
        "kubectl is not on PATH; it edits and restores what Pulumi's provider cannot: "
        "install kubectl"
    )


def test_what_is_tried_out_is_judged_by_the_server_and_not_kept(kubectl: FakeKubectl) -> None:
    KUBECTL.try_out({"kind": "Issuer", "metadata": {"name": "probe"}})
    (call,) = kubectl.calls
    assert {"apply", "--server-side", "--dry-run=server"} <= {*call}
    assert json.loads(kubectl.stdin[0])["kind"] == "Issuer"
    kubectl.behave(fail='failed calling webhook "webhook.cert-manager.io"')
    with pytest.raises(KubectlError, match="failed calling webhook"):
        KUBECTL.try_out({"kind": "Issuer", "metadata": {"name": "probe"}})


def test_crds_are_applied_under_our_name_and_waited_for(kubectl: FakeKubectl) -> None:
    KUBECTL.apply_crds("/x/crds.json")
    assert kubectl.verbs == ["apply", "wait"]
    apply, wait = kubectl.calls
    assert {"--server-side", f"--field-manager={FIELD_MANAGER}", "/x/crds.json"} <= {*apply}
    assert {"--for=condition=Established", "/x/crds.json"} <= {*wait}


def test_reachable_tells_whether_the_api_server_answers(kubectl: FakeKubectl) -> None:
    assert KUBECTL.reachable()
    kubectl.behave(fail="dial tcp 192.0.2.1:6443: i/o timeout")
    assert not KUBECTL.reachable()
