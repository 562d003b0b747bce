"""The edit of the cluster's DNS when somebody else changes it: previews, `up` and refresh."""

from __future__ import annotations

from typing import Any

import pytest

from components.dns import cluster_dns
from components.dns.platforms import LAYOUTS
from components.kubectl import UNREACHABLE, KubectlError
from tests.unit.support.dns_edit import (
    COREFILE,
    HANDLER,
    TEXTS,
    current,
    edited_by_hand,
    has_edit,
    modes,
    props,
    put,
)
from tests.unit.support.fake_kubectl import FakeKubectl


@modes
def test_a_refresh_notices_that_the_edit_is_gone(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode])
    state = HANDLER.create(props(mode))
    intact = HANDLER.read(state.id, state.outs).outs
    assert not HANDLER.diff(state.id, intact, props(mode)).changes
    put(kubectl, mode, TEXTS[mode])
    gone = HANDLER.read(state.id, state.outs).outs
    assert gone != intact
    HANDLER.update(state.id, gone, props(mode))
    assert has_edit(mode, current(kubectl, mode)), "the next up repairs it"


@modes
@pytest.mark.parametrize("gone", ["text", "key", "map"])
def test_an_up_notices_that_the_edit_is_gone_without_a_refresh(
    kubectl: FakeKubectl, capfd: pytest.CaptureFixture[str], mode: str, gone: str
) -> None:
    put(kubectl, mode, TEXTS[mode])
    state = HANDLER.create(props(mode))
    assert not HANDLER.diff(state.id, state.outs, props(mode)).changes
    assert capfd.readouterr().err == ""
    if gone == "text":
        put(kubectl, mode, TEXTS[mode])
    else:
        kubectl.put(LAYOUTS[mode].config_map, {"other": "1"} if gone == "key" else None)
    assert HANDLER.diff(state.id, state.outs, props(mode)).changes
    said = f"kube-system/{LAYOUTS[mode].config_map} in context 'ctx' has lost its edit"
    assert said in capfd.readouterr().err


def test_an_up_does_not_stumble_over_stub_domains_that_are_none(kubectl: FakeKubectl) -> None:
    state = HANDLER.create(props("kube-dns"))
    put(kubectl, "kube-dns", "nonsense")
    assert HANDLER.diff(state.id, state.outs, props("kube-dns")).changes
    with pytest.raises(ValueError, match="is not a JSON object: 'nonsense'"):
        HANDLER.update(state.id, state.outs, props("kube-dns"))


@modes
def test_what_the_platform_put_back_is_what_destroy_restores(
    kubectl: FakeKubectl, mode: str
) -> None:
    put(kubectl, mode, TEXTS[mode])
    state = HANDLER.create(props(mode))
    newer = edited_by_hand(mode, TEXTS[mode])
    put(kubectl, mode, newer)
    repaired = HANDLER.update(state.id, state.outs, props(mode))
    assert has_edit(mode, current(kubectl, mode))
    HANDLER.delete(state.id, repaired.outs)
    assert current(kubectl, mode) == newer


@modes
def test_a_preview_changes_nothing(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode])
    HANDLER.diff("", props(mode), props(mode))
    assert kubectl.verbs == ["get"], "one command for each cluster"


@pytest.mark.parametrize("behaviour", [{"fail": "dial tcp: i/o timeout"}, {"hang": 60}])
def test_a_preview_goes_on_when_a_cluster_does_not_answer(
    kubectl: FakeKubectl,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    behaviour: dict[str, Any],
) -> None:
    monkeypatch.setattr(cluster_dns, "LOOK_SECONDS", 1)
    kubectl.behave(**behaviour)
    assert not HANDLER.diff("", props("coredns"), props("coredns")).changes
    said = capfd.readouterr().err
    assert "warning: cannot see whether ConfigMap kube-system/coredns" in said
    assert ("took over 1 s" if "hang" in behaviour else "i/o timeout") in said


def test_a_preview_looks_at_no_cluster_when_it_knows_already(kubectl: FakeKubectl) -> None:
    assert HANDLER.diff("", props("coredns"), props("coredns", "10.0.0.9")).changes
    assert kubectl.calls == []


@modes
def test_an_up_without_changes_writes_nothing(kubectl: FakeKubectl, mode: str) -> None:
    put(kubectl, mode, TEXTS[mode])
    state = HANDLER.create(props(mode))
    again = HANDLER.update(state.id, state.outs, props(mode))
    looks = ["get"] * (2 if mode == "coredns-custom" else 1)
    assert kubectl.verbs == [*looks, "replace", *looks]
    assert again.outs["before"] == TEXTS[mode]


@pytest.mark.parametrize(
    ("change", "changes", "replaces"),
    [
        ({}, False, []),
        ({"address": "10.0.0.9"}, True, []),
        ({"context": "renamed"}, True, []),
        ({"kubeconfig": "/elsewhere"}, True, []),
        ({"mode": "kube-dns"}, True, ["mode"]),
    ],
)
def test_only_another_mode_replaces(
    kubectl: FakeKubectl, change: dict[str, str], changes: bool, replaces: list[str]
) -> None:
    put(kubectl, "coredns", COREFILE)
    HANDLER.create(props("coredns"))
    found = HANDLER.diff("", props("coredns"), {**props("coredns"), **change})
    assert (found.changes, found.replaces) == (changes, replaces)
    assert found.delete_before_replace, "both edits at once would send queries in a circle"


DEAD = "Unable to connect to the server: dial tcp 192.0.2.1:6443: i/o timeout"


def test_a_preview_does_not_ask_a_cluster_that_is_known_to_be_away(
    kubectl: FakeKubectl, capfd: pytest.CaptureFixture[str]
) -> None:
    put(kubectl, "coredns", COREFILE)
    state = HANDLER.create(props("coredns"))
    kubectl.behave(fail=DEAD)
    wanted = {**props("coredns"), UNREACHABLE: True}
    assert not HANDLER.diff(state.id, state.outs, wanted).changes
    assert capfd.readouterr().err == "", "and says nothing of it"


def test_a_refresh_goes_on_without_a_dead_cluster_only_when_asked_for(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(kubectl, "coredns", COREFILE)
    state = HANDLER.create(props("coredns"))
    kubectl.behave(fail=DEAD)
    with pytest.raises(KubectlError, match="i/o timeout"):
        HANDLER.read(state.id, state.outs)
    monkeypatch.setenv("PULUMI_K8S_SKIP_UPDATE_UNREACHABLE", "true")
    assert HANDLER.read(state.id, state.outs).outs == state.outs
    kubectl.remove()
    with pytest.raises(KubectlError, match="kubectl is not on PATH"):
        HANDLER.read(state.id, state.outs)
