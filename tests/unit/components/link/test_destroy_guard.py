"""A cluster that others import from does not go unless it is named, nor does trust part peers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from components.confirmations import REMOVED
from components.link.destroy_guard import ImportersHandler, InUseError
from components.trust import removal_rules
from components.trust.rotation_guard import TrustPhaseHandler
from tests.unit.components.trust.test_rotation_guard import NEW, OLD, trust
from tests.unit.conftest import ProgramRunner
from tests.unit.support.stacks import stack

PROJECT = "istio-multicluster"


def handler(**config: Any) -> ImportersHandler:
    """Return the handler as `destroy` starts it, with what the stack file says."""
    raw = {f"{PROJECT}:{key}": json.dumps(value) for key, value in config.items()}
    importers = ImportersHandler()
    importers.configure(ConfigureRequest(Config(raw, PROJECT)))
    return importers


PEERS = {"b": {"stack": "o/p/b"}, "c": {"stack": "o/p/c"}}


def test_destroy_is_refused_with_the_names_of_both_sides() -> None:
    with pytest.raises(InUseError) as error:
        handler(peers=PEERS).delete("", {"imported": {"a": ["b", "c"], "z": []}})
    assert "cluster a is not destroyed: b and c of another stack import from it" in str(error.value)
    assert "`ISTIO_MULTICLUSTER_REMOVED=a pulumi destroy`" in str(error.value)
    assert "cluster z" not in str(error.value)


@pytest.mark.parametrize("named", ["a", "x,a", "a, x"])
def test_destroy_goes_on_when_the_cluster_is_named(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REMOVED, named)
    handler(peers=PEERS).delete("", {"imported": {"a": ["b", "c"]}})  # does not raise


@pytest.mark.parametrize("config", [{"peers": {}}, {}, {"peers": {"d": {"stack": "o/p/d"}}}])
def test_an_up_goes_on_when_no_importer_is_configured_any_more(config: dict[str, Any]) -> None:
    handler(**config).delete("", {"imported": {"a": ["b", "c"]}})  # does not raise


def test_another_name_does_not_let_a_cluster_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REMOVED, "x,aa")
    with pytest.raises(InUseError):
        handler(peers=PEERS).delete("", {"imported": {"a": ["b"]}})
    monkeypatch.setenv(REMOVED, "a")
    with pytest.raises(InUseError) as error:
        handler(peers=PEERS).delete("", {"imported": {"a": ["b"], "d": ["c"]}})
    assert "cluster d is" in str(error.value)
    assert "cluster a is" not in str(error.value)
    monkeypatch.delenv(REMOVED)
    with pytest.raises(InUseError):
        handler(peers={"c": PEERS["c"]}).delete("", {"imported": {"a": ["b", "c"]}})


def test_the_guard_is_updated_when_somebody_else_imports() -> None:
    guard = handler(peers=PEERS)
    assert guard.diff("", {"imported": {"a": []}}, {"imported": {"a": ["b"]}}).changes
    assert not guard.diff("", {"imported": {"a": ["b"]}}, {"imported": {"a": ["b"]}}).changes
    assert guard.create({"imported": {}}).outs == {"imported": {}}
    assert guard.update("", {}, {"imported": {}}).outs == {"imported": {}}


@pytest.mark.parametrize(
    ("before", "clusters", "importers", "removed", "named"),
    [
        ({"a": ["b"], "b": ["a"]}, "a", "a", "", ["b"]),
        ({"a": ["b"], "b": ["a"]}, "a", "a", "b", []),
        ({"a": ["b"], "b": ["a"]}, "", "", "", []),
        ({"a": ["b"], "b": ["a"]}, "ab", "ab", "", []),
        ({"a": [], "b": []}, "a", "a", "", []),
        ({"a": ["b", "c"], "b": ["a"], "c": ["a"]}, "bc", "bc", "", ["a"]),
        ({"a": ["b", "c"], "b": ["a"], "c": ["a"]}, "c", "c", "a", []),
        ({"a": ["x"], "d": []}, "d", "dx", "", ["a"]),
        ({}, "a", "a", "", []),
    ],
)
def test_a_cluster_is_removed_when_nobody_is_left_or_it_is_named(
    before: dict[str, list[str]], clusters: str, importers: str, removed: str, named: list[str]
) -> None:
    reasons = removal_rules.refusals(before, clusters, importers, removed)
    assert [reason.split()[1] for reason in reasons] == named
    assert all(f"`removed: [{name}]`" in " ".join(reasons) for name in named)


def guarded(names: str, peers: dict[str, list[str]], **further: Any) -> dict[str, Any]:
    return {
        "wanted": {name: trust("[1]") for name in names},
        "peers": peers,
        "access": {name: {"kubeconfig": None, "context": f"ctx-{name}"} for name in names},
        **further,
    }


def failures(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    return [item.reason for item in TrustPhaseHandler().check(olds, news).failures]


def test_a_preview_refuses_to_leave_out_a_linked_cluster() -> None:
    olds = guarded("ab", {"a": ["b"], "b": ["a"]})
    (reason,) = failures(olds, guarded("a", {"a": []}))
    assert reason.startswith("cluster b is not in `clusters` any more, and a still imports from it")
    assert not failures(olds, guarded("a", {"a": []}, removed=["b"]))
    assert not failures({}, guarded("a", {"a": []}))


def abroad(root: str, **links: list[str]) -> dict[str, Any]:
    theirs = trust(root)
    return {"links": links, "trust": {"x": {"roots": theirs["roots"], "signer": theirs["signer"]}}}


def test_a_cluster_that_another_stack_imports_from_is_not_left_out_either() -> None:
    olds = guarded("ab", {"a": [], "b": []}, abroad=abroad("[1]", a=["x"], b=["x"]))
    news = guarded("a", {"a": []}, abroad=abroad("[1]", a=["x"]))
    (reason,) = failures(olds, news)
    assert "cluster b" in reason
    assert "x still imports" in reason
    assert not failures(olds, {**news, "removed": ["b"]})
    assert not failures(olds, guarded("a", {"a": []})), "x is no peer any more"


@pytest.mark.parametrize(
    ("theirs", "fault"),
    [
        ("[1]", ""),
        ("[1,2]", ""),
        ("[2,1]", f"cluster a is not to trust root {NEW[:23]}"),
        ("[2]", f"peer x does not trust root {OLD[:23]}"),
    ],
)
def test_a_peer_with_which_no_handshake_is_possible_is_refused(theirs: str, fault: str) -> None:
    reasons = failures({}, guarded("a", {"a": []}, abroad=abroad(theirs, a=["x"])))
    assert any(fault in reason for reason in reasons) if fault else not reasons


def test_what_is_not_known_yet_is_not_judged() -> None:
    news = guarded("a", {"a": []}, abroad=abroad("[2]", a=["x"]))
    assert not failures({}, {**news, "wanted": {"a": "unknown"}})


def test_the_guard_is_not_changed_for_stacks_that_use_none_of_it(program: ProgramRunner) -> None:
    plain = program(stack("ab"))["TrustPhase trust-phase"]
    assert plain.inputs.keys() & {"abroad", "removed"} == set()
    removing = program({**stack("ab"), "removed": ["x"]})["TrustPhase trust-phase"]
    assert removing.inputs["removed"] == ["x"]
