"""The configuration of the stack that runs: read from Pulumi, all mistakes before anything."""

from __future__ import annotations

import pulumi
import pytest

from config.problems import ConfigError
from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import PROJECT
from tests.unit.support.stacks import FULL, service, stack

BAD = {
    "clusters": {
        "a": {"context": "nope", "linkPort": 0},
        "b": {"context": "ctx-b", "exposes": [service("web", 0), service("web", 0)]},
    },
    "links": [["a", "b"], ["b", "a"], ["a", "z"]],
    "istio": {"verison": "1"},
    "unknwon": 1,
}


def test_all_mistakes_are_reported_in_one_error_and_nothing_is_registered(
    try_program: ProgramRunner,
) -> None:
    run = try_program(BAD)
    assert isinstance(run.error, pulumi.RunError), "Pulumi shows it without a traceback"
    assert isinstance(run.error.__cause__, ConfigError)
    assert str(run.error) == str(run.error.__cause__)
    text = str(run.error)
    assert text.startswith("10 mistakes in the configuration of this stack:\n  - ")
    for path in (
        "clusters.a.context: 'nope'",
        "clusters.a.linkPort: 0",
        "clusters.b.exposes[0].port: 0",
        "clusters.b.exposes[1].port: 0",
        "clusters.b.exposes[1]: ",
        "links[1]: ",
        "links[2]: there is no cluster 'z'",
        "rootCa: is missing",
        "istio.verison: ",
        "unknwon: ",
    ):
        assert f"  - {PROJECT}:{path}" in text, "the path is the one to search the file for"
    assert run.registrations == [], "not even a provider"
    assert run.exports == {}


@pytest.mark.parametrize("key", ["clusters", "links", "istio", "rootCa", "remoteDns", "bookinfo"])
def test_a_text_in_place_of_a_structure_is_a_mistake_like_any_other(
    try_program: ProgramRunner, key: str
) -> None:
    run = try_program({**stack("ab"), key: "some text", "unknwon": "1"})
    assert isinstance(run.error, pulumi.RunError), "other mistakes would not be shown"
    assert f"{PROJECT}:{key}: 'some text'" in str(run.error)
    assert run.registrations == []


def test_the_least_configuration_works(program: ProgramRunner) -> None:
    run = program(
        {
            "clusters": {"a": {"context": "ctx-a"}, "b": {"context": "ctx-b"}},
            "links": "all",
            "rootCa": {"context": "ctx-root"},
        }
    )
    assert set(run.components) == {"a", "b", "a-dns", "b-dns", "a_b", "root-ca"}


def test_the_program_works_under_any_name_of_the_project(
    try_program: ProgramRunner, program: ProgramRunner
) -> None:
    run = try_program(FULL, project="mesh")
    assert run.error is None
    ours = run.dump().replace("::mesh::", f"::{PROJECT}::").replace("::mesh-", f"::{PROJECT}-")
    ours = ours.replace("organization/mesh/test", f"organization/{PROJECT}/test")
    assert ours == program(FULL).dump(), "but for URNs and the name in the mark nothing changes"


def test_mistakes_are_told_with_the_name_of_the_project(try_program: ProgramRunner) -> None:
    run = try_program({**BAD, "rootCa": {"certificates": {}}}, project="mesh")
    assert "\n  - mesh:unknwon: is an unknown key; " in str(run.error)
    assert "--secret mesh:rootCa.certificates.a.KEY" in str(run.error)
    assert PROJECT not in str(run.error)


def test_keys_of_another_project_are_not_ours(try_program: ProgramRunner) -> None:
    run = try_program({**stack("ab"), "unknwon": 1}, other={"mesh:zzz": "1"})
    assert "zzz" not in str(run.error)


def test_what_is_said_of_other_stacks_has_the_name_of_the_project_too(
    try_program: ProgramRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    peers = {"b": {"stack": "organization/mesh/b"}}
    run = try_program({**stack("a"), "peers": peers}, project="mesh")
    assert run.error is None
    assert [message.partition(" ")[0] for message in said] == ["mesh:peers.b.stack:"]
    run = try_program({**stack("a"), "rootCa": {"stack": "organization/mesh/r"}}, project="mesh")
    assert "\n  - mesh:rootCa.stack: stack 'organization/mesh/r' does not exist" in str(run.error)
