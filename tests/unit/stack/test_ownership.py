"""Whose the clusters are, asked before anything is registered."""

from __future__ import annotations

import pulumi
import pytest

from components.kubectl import ForbiddenError, Kubectl, KubectlError, MissingError
from components.ownership.look import OWNER_LABEL, Mark, Seen
from stack import freeze
from tests.unit.conftest import ProgramRunner
from tests.unit.support import dependencies
from tests.unit.support.recorder import PROJECT, STACK_ID, Run
from tests.unit.support.stacks import FULL, stack

Look = dict[str, Seen | KubectlError]


def seeing(seen: Look) -> object:
    """Return a look by context, or what goes wrong with it; other clusters are new."""

    def look(kubectl: Kubectl, *_: object) -> Seen:
        found = seen.get(kubectl.context, Seen(f"uid of {kubectl.context}"))
        if isinstance(found, KubectlError):
            raise found
        return found

    return look


def theirs(name: str) -> Seen:
    return Seen(f"uid of {name}", Mark("f0reign", "o/p/prod", name, "2026-01-02"))


@pytest.mark.parametrize("preview", [True, False])
def test_all_is_refused_together_before_anything_is_registered(
    try_program: ProgramRunner, preview: bool
) -> None:
    look = seeing({"ctx-a": theirs("a"), "ctx-root": theirs("root")})
    run = try_program(stack("ab"), look=look, preview=preview)
    assert isinstance(run.error, pulumi.RunError)
    for path in ("clusters.a.context: context 'ctx-a'", "rootCa.context: context 'ctx-root'"):
        assert f"{path} belongs to stack o/p/prod (ID f0reign) since 2026-01-02" in str(run.error)
    made = {r.kind for r in run.registrations} - {"Identity", "TrustPhase"}
    assert made <= {"IstioCluster", "ClusterLink", "RootCa", "RemoteDns", "RenderedChart"}, (
        "components are names; nothing of theirs is registered"
    )


def test_what_does_not_answer_is_told_and_holds_nobody_up(
    try_program: ProgramRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    run = try_program(stack("ab"), look=seeing({"ctx-b": KubectlError("i/o timeout")}))
    assert run.error is None
    (text,) = said
    assert "clusters.b.context: whose the cluster is cannot be seen (i/o timeout); if it" in text
    assert "write `unreachable: true` into clusters.b" in text
    assert run["Identity b-identity"].inputs["value"] == ""


def test_a_preview_asks_what_does_not_answer_for_nothing_more(try_program: ProgramRunner) -> None:
    look = seeing({"ctx-b": KubectlError("i/o timeout")})
    preview = try_program(stack("ab"), look=look, preview=True)
    assert preview.error is None
    assert preview.providers["b"].inputs["kubeconfig"] == freeze.KUBECONFIG
    up = try_program(stack("ab"), look=look)
    assert up.providers["b"].inputs["kubeconfig"] == "kubeconfig"


@pytest.mark.parametrize("error", [ForbiddenError("(Forbidden)"), MissingError("no kubectl")])
def test_who_cannot_look_changes_nothing(try_program: ProgramRunner, error: KubectlError) -> None:
    run = try_program(stack("ab"), look=seeing({"ctx-b": error}))
    assert isinstance(run.error, pulumi.RunError)
    assert f"clusters.b.context: whose the cluster is cannot be seen ({error})" in str(run.error)
    assert run.registrations == []


def test_what_a_namespace_says_whose_it_is(full: Run) -> None:
    for name in ("a-istio-system", "a-istio-gateways", "root-ca-namespace", "bookinfo-a-namespace"):
        labels = full[f"Namespace {name}"].inputs["metadata"]["labels"]
        assert labels[OWNER_LABEL] == STACK_ID
        assert not full[f"Namespace {name}"].retain_on_delete


def test_what_was_there_before_is_neither_changed_nor_deleted(try_program: ProgramRunner) -> None:
    there = Seen("uid of ctx-a", namespaces={"istio-gateways": None, "istio-system": STACK_ID})
    run = try_program(stack("ab"), look=seeing({"ctx-a": there}))
    strange, own = run["Namespace a-istio-gateways"], run["Namespace a-istio-system"]
    assert strange.inputs["metadata"] == {"name": "istio-gateways"}
    assert strange.retain_on_delete
    assert own.inputs["metadata"]["labels"][OWNER_LABEL] == STACK_ID
    assert not own.retain_on_delete


def test_every_object_waits_for_the_mark_of_its_cluster(full: Run) -> None:
    mark = dependencies.identity(full["ClusterMark a-mark"])
    on_a = [
        r
        for r in full.registrations
        if r.parent and (r.provider == "a" or r.inputs.get("context") == "ctx-a")
    ]
    assert "WebhooksReady a-istiod-ready" in {r.key for r in on_a}, "and those that use kubectl"
    early = {r.key for r in on_a if mark not in dependencies.also_through_others(full, r)}
    assert early == {"Namespace a-istio-gateways", "ClusterMark a-mark"}, "it is in that namespace"


def test_the_guard_is_the_first_that_destroy_deletes(full: Run) -> None:
    guard = full["OwnershipGuard ownership-guard"]
    before = {"Identity", "TrustPhase", guard.kind}
    made = {
        dependencies.identity(r)
        for r in full.registrations
        if r.kind not in before and not r.read and not r.type.startswith(("pulumi:", f"{PROJECT}:"))
    }
    assert len(made) > 100
    assert made <= dependencies.also_through_others(full, guard), "objects of charts as well"
    assert guard.inputs["places"]["root_ca"]["namespace"] == FULL["rootCa"].get(
        "namespace", "istio-root-ca"
    )
