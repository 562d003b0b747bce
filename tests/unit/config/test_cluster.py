"""Clusters: every mistake in one of them, and what by default is linked and called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.support.parsing import Mistakes, each, mistakes, parse, with_a, with_keys
from tests.unit.support.stacks import service, stack

OF_HOST_NAMES = "it becomes part of host names: use at most 63 lower-case letters, digits and '-'"
PORTS = "give a whole number from 1 to 65535"

MISTAKES: Mistakes = [
    (
        {"links": "all"},
        ["clusters: is empty; name at least one cluster, each with its kube `context`"],
    ),
    (
        with_keys(clusters={"a": "ctx-a", "b": {"context": "ctx-b"}}),
        [
            "clusters.a: 'ctx-a' is not a mapping; write `key: value` lines under it",
            "clusters.a.context: is missing; name a context of the kubeconfig",
        ],
    ),
    (
        with_keys(clusters={"a": {}, "b": {"context": "ctx-b"}}),
        ["clusters.a.context: is missing; name a context of the kubeconfig"],
    ),
    (
        with_a(context="nope"),
        ["clusters.a.context: 'nope' is not in the kubeconfig; it has: ctx-a, ctx-b, ctx-root"],
    ),
    (with_a(context=7), ["clusters.a.context: 7 is not valid; give a string"]),
    (
        with_a(context="ctx-b"),
        [
            "clusters.b.context: 'ctx-b' is another cluster's too; "
            "each cluster needs a context of its own"
        ],
    ),
    (
        with_a(trustDomain="b.remote"),
        [
            "clusters.b.trustDomain: 'b.remote' is another cluster's too; "
            "give each cluster its own, or a workload of one passes for the other's"
        ],
    ),
    (
        with_a(trustDomain="B_!"),
        ["clusters.a.trustDomain: 'B_!' is not valid; use a lower-case DNS name"],
    ),
    (
        with_keys(clusters={"A_1": {"context": "ctx-a"}, "b": {"context": "ctx-b"}}),
        [f"clusters.A_1: 'A_1' is not a legal cluster name; {OF_HOST_NAMES}"],
    ),
    (
        with_keys(clusters={"B": {"context": "ctx-a"}, "b": {"context": "ctx-b"}}),
        [
            f"clusters.B: 'B' is not a legal cluster name; {OF_HOST_NAMES}",
            "clusters.b: differs from another cluster's name in case only; rename one of them",
        ],
    ),
    (
        with_a(dns="bind"),
        [
            "clusters.a.dns: 'bind' is unknown; use one of coredns, coredns-custom, kube-dns, "
            "istio, none"
        ],
    ),
    (
        with_a(replicas=0),
        ["clusters.a.replicas: 0 is not a number of replicas; give a whole number from 1 to 100"],
    ),
    (with_a(linkPort=0), [f"clusters.a.linkPort: 0 is not a port number; {PORTS}"]),
    (with_a(linkPort=65536), [f"clusters.a.linkPort: 65536 is not a port number; {PORTS}"]),
    (with_a(linkPort="80"), [f"clusters.a.linkPort: '80' is not a port number; {PORTS}"]),
    (with_a(linkPort=True), [f"clusters.a.linkPort: True is not a port number; {PORTS}"]),
    (
        with_a(linkPort=15001),
        ["clusters.a.linkPort: 15001 is used by Istio's proxy itself; choose another port"],
    ),
    (
        with_a(httpPorts=80),
        ["clusters.a.httpPorts: 80 is not a list; write `- item` lines under it"],
    ),
]


@each(MISTAKES)
def test_the_message_has_path_value_and_fix(
    written: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, written) == messages


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(with_a(httpPorts=[80, 15021]), id="reserved http port"),
        pytest.param(with_a(httpPorts=[80, 70000]), id="http port out of range"),
        pytest.param(with_a(httpPorts=[80, 15443]), id="the link port again as http port"),
    ],
)
def test_this_is_a_mistake(written: Any, directory: Path) -> None:
    assert mistakes(directory, written)


def test_by_default_every_linked_cluster_may_call(workdir: Path) -> None:
    own = stack("abc", a={"exposes": [service("web"), service("api", allow=["b"])]})
    settings = parse(workdir, {**own, "links": [["a", "c"], ["b", "a"]]})
    assert [e.allow for e in settings.clusters["a"].exposes] == [("b", "c"), ("b",)]
    assert settings.clusters["b"].linked == ("a",)
    assert settings.links == (("a", "b"), ("a", "c")), "sorted"
