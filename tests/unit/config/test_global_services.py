"""`global`, `weight` and `locality` in the stack file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config import stack_file
from tests.unit.support.stacks import service, stack

GLOBAL = {"global": True}


def parse(directory: Path, names: str = "ab", **clusters: Any) -> Any:
    raw = {**stack(names, **clusters), "kubeconfig": "kubeconfig"}
    return stack_file.parse(raw, directory, {}).clusters


def test_a_service_is_not_global_unless_it_is_said(workdir: Path) -> None:
    found = parse(workdir, a={"exposes": [service("web")]})["a"]
    assert (found.exposes[0].is_global, found.exposes[0].weight, found.locality) == (
        False,
        None,
        None,
    )


def test_every_value_arrives(workdir: Path) -> None:
    exposing = {"exposes": [service("web", **GLOBAL, weight=0)], "locality": "eu-west/1a"}
    found = parse(workdir, a=exposing)["a"]
    assert (found.exposes[0].is_global, found.exposes[0].weight) == (True, 0)
    assert found.locality == "eu-west/1a"


AT = "clusters.a.exposes[0]"
ALL = "give all members one, or none"
SAME = "members of a global service have the same one"
MISTAKES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    (
        {"exposes": [service("web", weight=3)]},
        {},
        [f"{AT}.weight: has a meaning for global services only; add `global: true`, or remove it"],
    ),
    (
        {"exposes": [service("web", **GLOBAL, weight=-1)]},
        {},
        [f"{AT}.weight: -1 is not a share; give a whole number from 0 to 1000"],
    ),
    (
        {"exposes": [service("web", **{"global": "yes"})]},
        {},
        [f"{AT}.global: 'yes' is not valid; write `true` or `false`"],
    ),
    (
        {"exposes": [service("web", protocol="tcp", **GLOBAL)]},
        {},
        [
            f"{AT}.global: is not possible for a service of protocol tcp; "
            "remove it; global services are http, http2 or grpc"
        ],
    ),
    (
        {"exposes": [service("web", **GLOBAL)]},
        {"exposes": [service("web", protocol="grpc", **GLOBAL)]},
        [f"clusters.b.exposes[0].protocol: 'grpc', but {AT}.protocol is 'http'; {SAME}"],
    ),
    (
        {"exposes": [service("web", **GLOBAL)]},
        {"exposes": [service("web", policy={"timeout": "1s"}, **GLOBAL)]},
        [f"clusters.b.exposes[0].policy: differs from {AT}.policy; {SAME}"],
    ),
    (
        {"exposes": [service("web", **GLOBAL)]},
        {"exposes": [service("web", **GLOBAL, weight=3)]},
        [f"{AT}.weight: is missing, but clusters.b.exposes[0] has one; {ALL}"],
    ),
    (
        {"exposes": [service("web", **GLOBAL, weight=3)]},
        {"exposes": [service("web", **GLOBAL)]},
        [f"clusters.b.exposes[0].weight: is missing, but {AT} has one; {ALL}"],
    ),
    (
        {"locality": "eu/1/rack"},
        {"locality": "EU"},
        [
            f"clusters.{name}.locality: {value!r} is not valid; write `region` or `region/zone` "
            "with lower-case letters, digits and '-'"
            for name, value in (("a", "eu/1/rack"), ("b", "EU"))
        ],
    ),
]


@pytest.mark.parametrize(("a", "b", "expected"), MISTAKES)
def test_a_mistake_is_told_with_its_fix(
    workdir: Path, a: dict[str, Any], b: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(stack_file.ConfigError) as caught:
        parse(workdir, a=a, b=b)
    assert caught.value.messages == expected


def test_other_ports_and_services_without_global_may_differ(workdir: Path) -> None:
    parse(
        workdir,
        a={"exposes": [service("web", **GLOBAL, weight=1), service("web", 81, protocol="grpc")]},
        b={"exposes": [service("web", protocol="grpc"), service("web", 81, **GLOBAL)]},
    )


@pytest.mark.parametrize("shared", [False, True])
def test_a_cluster_is_not_named_as_the_zone_of_global_services(workdir: Path, shared: bool) -> None:
    raw = {**stack("ab", b={"exposes": [service("web", **{"global": shared})]})}
    raw["clusters"]["global"] = raw["clusters"].pop("a")
    raw["kubeconfig"] = "kubeconfig"
    if not shared:
        assert "global" in stack_file.parse(raw, workdir, {}).clusters
        return
    with pytest.raises(stack_file.ConfigError) as caught:
        stack_file.parse(raw, workdir, {})
    assert caught.value.messages == [
        "clusters.global: is the name under which clusters offer services together "
        "(*.svc.global.remote); rename the cluster, or expose nothing with `global`"
    ]
