"""The key of a root is not deleted unless its namespace is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from components.confirmations import REMOVED
from components.kubectl import Kubectl, KubectlError
from components.ownership.root_keys import RootKeyError, RootKeysHandler
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import FULL

PROPS = {"context": "root", "namespace": "istio-root-ca"}
NAMED = "other,istio-root-ca"


def cluster(monkeypatch: pytest.MonkeyPatch, *, there: bool | None) -> None:
    """Let the namespace be there or not; None: nobody answers."""

    class Cluster(Kubectl):
        def get_all(self, wanted: Sequence[tuple[str, str, str, str]]) -> list[dict[str, Any]]:
            if there is None:
                raise KubectlError("no answer")
            assert [*wanted] == [("v1", "Namespace", "", "istio-root-ca")]
            return [{}] if there else []

    monkeypatch.setattr("components.ownership.root_keys.Kubectl", Cluster)


def test_it_is_deleted_only_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(monkeypatch, there=True)
    for named in ("", "root-ca", "istio"):
        monkeypatch.setenv(REMOVED, named)
        with pytest.raises(RootKeyError, match=f"name it: `{REMOVED}=istio-root-ca`"):
            RootKeysHandler().delete("", PROPS)
    monkeypatch.setenv(REMOVED, NAMED)
    RootKeysHandler().delete("", PROPS)


def test_where_there_is_nothing_to_lose_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(monkeypatch, there=False)
    RootKeysHandler().delete("", PROPS)


def test_what_cannot_be_seen_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(monkeypatch, there=None)
    with pytest.raises(KubectlError):
        RootKeysHandler().delete("", PROPS)
    monkeypatch.setenv(REMOVED, NAMED)
    RootKeysHandler().delete("", PROPS)


def test_another_namespace_is_refused_in_a_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    news = {**PROPS, "namespace": "elsewhere"}
    with pytest.raises(RootKeyError, match="put `rootCa` back as it was"):
        RootKeysHandler().diff("", PROPS, news)
    monkeypatch.setenv(REMOVED, NAMED)
    assert RootKeysHandler().diff("", PROPS, news).changes
    assert not RootKeysHandler().diff("", PROPS, PROPS).changes


def test_both_guards_know_of_the_namespace(full: Run) -> None:
    namespace = FULL["rootCa"].get("namespace", "istio-root-ca")
    keys = full["RootKeys root-ca-keys"]
    assert keys.inputs["namespace"] == namespace
    assert "root-ca-namespace" in keys.depends_on, "so it is deleted before it"
    assert full["OwnershipGuard ownership-guard"].inputs["keys"] == namespace
