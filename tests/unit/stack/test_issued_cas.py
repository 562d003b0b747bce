"""Cluster CAs by way of a stack that has the root cluster alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.conftest import ProgramRunner
from tests.unit.support.parsing import mistakes, with_keys
from tests.unit.support.recorder import Run, private_key
from tests.unit.support.stacks import stack

ROOT = "organization/istio-multicluster/root"
ISSUING = {"rootCa": {"context": "ctx-root", "clusters": ["a", "b"]}}


@pytest.fixture(scope="session")
def issuing(program: ProgramRunner) -> Run:
    """The root's stack."""
    return program(ISSUING)


@pytest.fixture
def outputs(issuing: Run) -> dict[str, Any]:
    return {ROOT: issuing.exports}


def own(**further: Any) -> dict[str, Any]:
    return {**stack("a"), "rootCa": {"stack": ROOT}, **further}


def test_the_roots_stack_has_no_clusters_and_exports_their_cas_as_secrets(issuing: Run) -> None:
    assert set(issuing.providers) == {"root_ca"}
    assert set(issuing.components) == {"root-ca"}
    assert issuing.exports["cacerts"].keys() == {"a", "b"}
    assert issuing.exports["cacerts"]["a"]["caKey"] == private_key("a")
    assert "cacerts.a.caKey" in issuing.export_secrets
    assert issuing.exports["clusters"] == {}
    assert "TrustPhase trust-phase" not in issuing.objects


def test_a_stack_takes_the_ca_of_its_own_cluster_and_needs_no_root_cluster(
    try_program: ProgramRunner, outputs: dict[str, Any]
) -> None:
    run = try_program(own(), stacks=outputs)
    assert run.error is None
    assert set(run.providers) == {"a"}
    assert not run.kind("Certificate")
    secret = run["Secret a-cacerts"]
    assert secret.inputs["stringData"]["ca-key.pem"] == private_key("a")
    assert "stringData" in secret.secrets
    others = [item.inputs for item in run.objects.values() if item is not secret]
    assert private_key("a") not in str([others, run.exports])
    assert private_key("b") not in run.dump()


def test_both_ways_lead_to_the_same_certificates(
    try_program: ProgramRunner, program: ProgramRunner, outputs: dict[str, Any]
) -> None:
    direct = program(stack("ab"))["Secret a-cacerts"]
    by_way = try_program(own(), stacks=outputs)["Secret a-cacerts"]
    assert by_way.inputs == direct.inputs


@pytest.mark.parametrize(
    ("stacks", "what"),
    [
        ({}, f"rootCa.stack: stack '{ROOT}' does not exist; add a to its rootCa.clusters"),
        ({ROOT: {}}, f"rootCa.stack: stack '{ROOT}' has no cacerts.a; add a to"),
        ({ROOT: {"cacerts": {"b": {}}}}, f"rootCa.stack: stack '{ROOT}' has no cacerts.a"),
        ({ROOT: "403"}, f"rootCa.stack: '{ROOT}' cannot be read (403); check the name"),
    ],
)
def test_a_root_that_is_not_there_is_told_and_nothing_is_made(
    try_program: ProgramRunner, stacks: dict[str, Any], what: str
) -> None:
    run = try_program(own(), stacks=stacks)
    assert what in str(run.error)
    assert not run.objects


def test_a_root_may_issue_for_own_and_further_clusters(program: ProgramRunner) -> None:
    run = program({**stack("ab"), "rootCa": {"context": "ctx-root", "clusters": ["c"]}})
    assert run.exports["cacerts"].keys() == {"c"}
    assert run["TrustPhase trust-phase"].inputs["wanted"].keys() == {"a", "b"}
    assert "Certificate root-ca-c.root-ca-certificate" in run.objects
    assert "cacerts" not in program(stack("ab")).exports


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"stack": ROOT, "context": "ctx-root"}, "rootCa.stack: stands beside `context`"),
        ({"stack": "root"}, "rootCa.stack: 'root' is not valid; write ORGANIZATION/PROJECT/STACK"),
        ({"stack": ROOT, "clusters": ["c"]}, "rootCa.clusters: means nothing beside `stack`"),
        ({"context": "ctx-root", "clusters": ["a"]}, "rootCa.clusters: 'a' is a cluster of this"),
        ({"context": "ctx-root", "clusters": ["c", "c"]}, "rootCa.clusters: 'c' is listed twice"),
        ({"context": "ctx-root", "clusters": ["C"]}, "rootCa.clusters[0]: 'C' is not valid"),
    ],
)
def test_mistakes_are_told(workdir: Path, raw: dict[str, Any], message: str) -> None:
    messages = mistakes(workdir, with_keys(rootCa=raw))
    assert any(found.startswith(message) for found in messages), messages
