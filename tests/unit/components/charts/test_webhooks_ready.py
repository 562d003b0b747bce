"""The wait for webhooks: their CA first, then an object that they judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from components.charts import webhooks_ready
from components.charts.webhooks_ready import NotReadyError, WebhooksReadyHandler
from components.kubectl import Kubectl, KubectlError
from tests.unit.conftest import ProgramRunner
from tests.unit.support import dependencies
from tests.unit.support.fake_clock import FakeClock
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import stack

ONE, OTHER = "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"
PROPS: dict[str, Any] = {
    "kubeconfig": None,
    "context": "ctx-a",
    "what": "istiod",
    "installed": "a chart",
    "webhooks": [f"{ONE}/injector", f"{OTHER}/validator"],
    "probe": {"kind": "PeerAuthentication", "metadata": {"name": "default"}},
}


class Cluster(Kubectl):
    """A cluster with webhooks."""

    complete: set[str] = set()
    """Those that have a CA."""
    refusal: str = ""
    """Why an object is refused that is tried out; empty: it is not."""
    done: list[str] = []

    def get_all(self, wanted: Sequence[tuple[str, str, str, str]]) -> list[dict[str, Any]]:
        self.done.append("look")
        return [
            {
                "kind": kind,
                "metadata": {"name": name},
                "webhooks": [
                    {"clientConfig": {"caBundle": "a CA"}},
                    {"clientConfig": {"caBundle": "a CA"} if name in self.complete else {}},
                ],
            }
            for _, kind, _, name in wanted
        ]

    def try_out(self, manifest: Mapping[str, Any]) -> None:
        assert manifest == PROPS["probe"]
        self.done.append("try")
        if self.refusal:
            raise KubectlError(self.refusal)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> type[Cluster]:
    monkeypatch.setattr(webhooks_ready, "Kubectl", Cluster)
    monkeypatch.setattr(Cluster, "complete", {"injector", "validator"})
    monkeypatch.setattr(Cluster, "refusal", "")
    monkeypatch.setattr(Cluster, "done", [])
    return Cluster


def test_webhooks_that_answer_are_not_waited_for(cluster: type[Cluster]) -> None:
    clock = FakeClock()
    assert WebhooksReadyHandler(clock).create(PROPS).outs == PROPS
    assert cluster.done == ["look", "try"]
    assert clock.slept == []


def test_nothing_is_tried_out_before_every_webhook_has_its_ca(cluster: type[Cluster]) -> None:
    cluster.complete.clear()
    cas = iter(["injector", "validator"])
    said: list[str] = []
    clock = FakeClock(awake=lambda: cluster.complete.add(next(cas)))
    WebhooksReadyHandler(clock, said.append).create(PROPS)
    assert cluster.done == ["look", "look", "look", "try"]
    assert clock.slept == [webhooks_ready.INTERVAL_SECONDS] * 2
    assert said == ["waiting up to 120 s for the webhooks of istiod in context 'ctx-a'"], "once"


def test_an_object_that_is_refused_is_tried_again(
    cluster: type[Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "refusal", "no endpoints available")
    answering = FakeClock(awake=lambda: monkeypatch.setattr(cluster, "refusal", ""))
    WebhooksReadyHandler(answering).create(PROPS)
    assert cluster.done == ["look", "try"] * 2


@pytest.mark.parametrize(
    ("complete", "refusal", "missing"),
    [
        ({"injector"}, "", f"without caBundle: {OTHER}/validator"),
        ({"injector", "validator"}, "no endpoints available", "no endpoints available"),
    ],
)
def test_the_wait_is_bounded_and_says_what_is_missing_and_what_to_do(
    cluster: type[Cluster],
    monkeypatch: pytest.MonkeyPatch,
    complete: set[str],
    refusal: str,
    missing: str,
) -> None:
    monkeypatch.setattr(cluster, "complete", complete)
    monkeypatch.setattr(cluster, "refusal", refusal)
    clock = FakeClock()
    with pytest.raises(NotReadyError) as caught:
        WebhooksReadyHandler(clock).create(PROPS)
    assert sum(clock.slept) == webhooks_ready.WAIT_SECONDS
    assert str(caught.value) == (
        "context 'ctx-a': istiod runs, and its webhooks do not answer after 120 s "
        f"({missing}); look at the log of its pods, then run `pulumi up` again"
    )


@pytest.mark.parametrize(
    ("news", "changes"),
    [
        ({}, False),
        ({"kubeconfig": "elsewhere", "probe": {}, "webhooks": []}, False),
        ({"installed": "another chart"}, True),
    ],
)
def test_where_nothing_new_is_installed_nobody_waits(news: dict[str, Any], changes: bool) -> None:
    assert WebhooksReadyHandler().diff("", PROPS, {**PROPS, **news}).changes == changes


def test_neither_a_refresh_nor_a_destroy_asks_the_cluster(cluster: type[Cluster]) -> None:
    assert WebhooksReadyHandler().read("", PROPS).outs == PROPS
    WebhooksReadyHandler().delete("", PROPS)
    assert cluster.done == []


def test_istiod_is_waited_for_with_all_webhooks_of_both_charts(full: Run) -> None:
    made = full["WebhooksReady a-istiod-ready"]
    assert made.inputs["webhooks"] == [
        f"{ONE}/istio-sidecar-injector",
        f"{OTHER}/istiod-default-validator",
    ]
    assert made.inputs["probe"]["kind"] == "PeerAuthentication"
    charts = {"a-base", "a-istiod"}
    objects = {dependencies.identity(r) for r in full.registrations if r.parent in charts}
    assert objects <= dependencies.direct(made)
    assert "a-crds" in made.depends_on


def test_cert_manager_is_tried_out_where_its_issuers_are(full: Run) -> None:
    made = full["WebhooksReady root-ca-cert-manager-ready"]
    assert made.inputs["context"] == "ctx-root"
    assert made.inputs["webhooks"] == [f"{OTHER}/cert-manager-webhook"]
    assert made.inputs["probe"]["kind"] == "Issuer"
    assert made.inputs["probe"]["metadata"]["namespace"] == "istio-root-ca"


def test_there_is_a_wait_again_after_a_change_of_what_is_installed(program: ProgramRunner) -> None:
    def installed(config: dict[str, Any]) -> str:
        found: str = program(config)["WebhooksReady a-istiod-ready"].inputs["installed"]
        return found

    as_it_was = installed(stack("ab"))
    exposing = [{"service": "web", "namespace": "shop", "port": 80}]
    assert installed(stack("ab", a={"exposes": exposing})) == as_it_was
    values = {"values": {"istiod": {"env": {"X": "1"}}}}
    for istio in ({"version": "9.9.9"}, values):
        assert installed({**stack("ab"), "istio": istio}) != as_it_was
