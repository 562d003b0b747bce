"""The mark, the identity and the guard, against a kubectl that keeps objects."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from components.confirmations import REBUILT, TAKE_OVER
from components.kubectl import Kubectl, KubectlError
from components.ownership.cluster_mark import ClusterMarkHandler, MarkedError
from components.ownership.guard import NotOursError, OwnershipGuardHandler
from components.ownership.identity import IdentityHandler
from components.ownership.look import MARK, OWNER_LABEL, Mark, Seen, look
from tests.unit.support.fake_kubectl import FakeKubectl

PROPS: dict[str, Any] = {
    "kubeconfig": None,
    "context": "ctx-a",
    "stackId": "0wn",
    "stack": "o/p/dev",
    "cluster": "a",
    "namespace": "istio-gateways",
    "uid": "uid-a",
}
MINE = Mark("0wn", "o/p/dev", "a", "2026-01-02")
THEIRS = Mark("f0reign", "o/p/prod", "west", "2026-01-02")
PLACE = {
    "kubeconfig": None,
    "context": "ctx-a",
    "label": "cluster a",
    "path": "clusters.a.context",
    "namespace": "istio-gateways",
    "uid": "uid-a",
}


class TestMark:
    HANDLER = ClusterMarkHandler()

    def test_it_is_created_and_never_applied(self, kubectl: FakeKubectl) -> None:
        made = self.HANDLER.create(PROPS)
        today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
        assert kubectl.verbs == ["create"]
        assert kubectl.data(MARK) == Mark("0wn", "o/p/dev", "a", today).to_data()
        assert made.outs["since"] == today

    def test_of_two_stacks_at_once_one_is_refused(self, kubectl: FakeKubectl) -> None:
        kubectl.put(MARK, THEIRS.to_data())
        with pytest.raises(MarkedError, match=r"marked meanwhile by stack o/p/prod \(ID f0reign\)"):
            self.HANDLER.create(PROPS)
        assert kubectl.data(MARK) == THEIRS.to_data()

    def test_the_mark_of_an_up_that_died_is_taken_up(self, kubectl: FakeKubectl) -> None:
        kubectl.put(MARK, MINE.to_data())
        self.HANDLER.create(PROPS)
        data = kubectl.data(MARK)
        assert data
        assert Mark.from_data(data).stack_id == "0wn"

    def test_that_of_a_stack_whose_state_is_lost_is_replaced_where_it_is_named(
        self, kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kubectl.put(MARK, THEIRS.to_data())
        monkeypatch.setenv(TAKE_OVER, "an0ther")
        with pytest.raises(MarkedError):
            self.HANDLER.create(PROPS)
        monkeypatch.setenv(TAKE_OVER, THEIRS.stack_id)
        self.HANDLER.create(PROPS)
        assert (kubectl.data(MARK) or {})["stackId"] == "0wn"

    def test_a_stack_that_was_renamed_says_so(self, kubectl: FakeKubectl) -> None:
        kubectl.put(MARK, MINE.to_data())
        olds = {**PROPS, "since": "2026-01-02"}
        news = {**PROPS, "stack": "o/p/new"}
        assert self.HANDLER.diff("", olds, news).changes
        self.HANDLER.update("", olds, news)
        assert kubectl.data(MARK) == {**MINE.to_data(), "stack": "o/p/new"}

    def test_destroy_takes_it_off(self, kubectl: FakeKubectl) -> None:
        kubectl.put(MARK, MINE.to_data())
        self.HANDLER.delete("", PROPS)
        assert kubectl.data(MARK) is None

    def test_destroy_leaves_another_ones(self, kubectl: FakeKubectl) -> None:
        kubectl.put(MARK, THEIRS.to_data())
        self.HANDLER.delete("", PROPS)
        assert kubectl.data(MARK) == THEIRS.to_data()


class TestIdentity:
    HANDLER = IdentityHandler()

    @pytest.mark.parametrize(
        ("olds", "news", "kept"),
        [
            ({}, {"value": "new"}, "new"),
            ({"value": "old"}, {"value": "new"}, "old"),
            ({"value": "old"}, {"value": ""}, "old"),
            ({"value": ""}, {"value": "new"}, "new"),
            ({"value": "old"}, {"value": "new", "replace": True}, "new"),
        ],
    )
    def test_the_first_value_stays(
        self, olds: dict[str, Any], news: dict[str, Any], kept: str
    ) -> None:
        checked = self.HANDLER.check(olds, news).inputs
        assert checked["value"] == kept
        assert self.HANDLER.diff("", olds, checked).changes is (kept != olds.get("value"))


class TestGuard:
    HANDLER = OwnershipGuardHandler()

    def props(self) -> dict[str, Any]:
        return {"stackId": "0wn", "places": {"a": PLACE}, "keys": ""}

    def test_what_is_ours_is_refreshed_and_destroyed(self, kubectl: FakeKubectl) -> None:
        kubectl.put_objects(kube_system("uid-a"), mark(MINE))
        assert self.HANDLER.read("id", self.props()).outs == self.props()
        self.HANDLER.delete("id", self.props())

    @pytest.mark.parametrize(("uid", "whose"), [("uid-b", MINE), ("uid-a", THEIRS)])
    def test_what_is_not_is_neither(self, kubectl: FakeKubectl, uid: str, whose: Mark) -> None:
        kubectl.put_objects(kube_system(uid), mark(whose))
        with pytest.raises(NotOursError, match="the state would be told"):
            self.HANDLER.read("id", self.props())
        with pytest.raises(NotOursError, match=r"nothing has been deleted:\nclusters\.a\.context"):
            self.HANDLER.delete("id", self.props())

    def test_it_lets_go_what_the_user_names(
        self, kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kubectl.put_objects(kube_system("uid-b"))
        monkeypatch.setenv(REBUILT, "a=uid-b")
        self.HANDLER.read("id", self.props())

    def test_a_dead_cluster_is_the_providers_business(self, kubectl: FakeKubectl) -> None:
        kubectl.behave(fail="i/o timeout")
        self.HANDLER.delete("id", self.props())


def kube_system(uid: str) -> dict[str, Any]:
    return {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": uid}}


def mark(whose: Mark) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": MARK}, "data": whose.to_data()}


def test_a_look_is_one_process_and_asks_for_names_only(kubectl: FakeKubectl) -> None:
    kubectl.put_objects(
        kube_system("uid-a"),
        {"kind": "Namespace", "metadata": {"name": "istio-gateways"}},
        {
            "kind": "Namespace",
            "metadata": {"name": "istio-system", "labels": {OWNER_LABEL: "0wn"}},
        },
        mark(MINE),
        {
            "kind": "Deployment",
            "metadata": {
                "name": "istiod",
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
            },
            "spec": {"template": {"spec": {"containers": [{"image": "pilot:1"}]}}},
        },
    )
    assert look(Kubectl(None, "ctx"), "istio-gateways", ["bookinfo"]) == Seen(
        "uid-a",
        MINE,
        {"istio-gateways": None, "istio-system": "0wn"},
        "Deployment istio-system/istiod (pilot:1), managed by Helm",
    )
    assert kubectl.verbs == ["get"]
    asked = {(i["kind"], i["metadata"]["name"]) for i in json.loads(kubectl.stdin[-1])["items"]}
    assert ("Namespace", "bookinfo") in asked


def test_on_a_root_cluster_nobody_asks_for_istio(kubectl: FakeKubectl) -> None:
    kubectl.put_objects(kube_system("uid-r"))
    assert look(Kubectl(None, "ctx"), "istio-root-ca") == Seen("uid-r")
    assert "istiod" not in kubectl.stdin[-1]


def test_a_cluster_that_does_not_answer_is_an_error(kubectl: FakeKubectl) -> None:
    kubectl.behave(fail="i/o timeout")
    with pytest.raises(KubectlError):
        look(Kubectl(None, "ctx"), "istio-gateways")
