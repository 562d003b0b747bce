"""`links`, `peers` and `removed`: every mistake in them, and what is linked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.support.parsing import Mistakes, each, mistakes, parse, with_keys
from tests.unit.support.stacks import service, stack

PROD_C = "organization/istio-multicluster/prod-c"
PROD_D = "organization/istio-multicluster/prod-d"

MISTAKES: Mistakes = [
    (with_keys(links=[["a", "x"]]), ["links[0]: there is no cluster 'x'; use two of: a, b"]),
    (with_keys(links=[["a", "a"]]), ["links[0]: links 'a' to itself; name two different clusters"]),
    (
        with_keys(links=[["a", "b"], ["b", "a"]]),
        ["links[1]: 'a' and 'b' are linked already; remove this line"],
    ),
    (
        with_keys(links=[["a", "b", "a"], "ab"]),
        [
            "links[0]: ['a', 'b', 'a'] is not a pair; name two clusters: `- [a, b]`",
            "links[1]: 'ab' is not a pair; name two clusters: `- [a, b]`",
        ],
    ),
    (
        with_keys(links={"a": "b"}),
        ["links: {'a': 'b'} is not valid; write `all` or a list of pairs `- [a, b]`"],
    ),
]


@each(MISTAKES)
def test_the_message_has_path_value_and_fix(
    written: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, written) == messages


def test_all_links_own_clusters_to_each_other_and_to_every_peer(workdir: Path) -> None:
    settings = parse(workdir, with_keys(peers={"d": {"stack": PROD_D}, "c": {"stack": PROD_C}}))
    assert settings.peers == {"c": PROD_C, "d": PROD_D}
    assert settings.links == (("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"))
    assert settings.clusters["a"].linked == ("b", "c", "d")


def test_a_list_of_links_may_name_peers(workdir: Path) -> None:
    peers = {"c": {"stack": PROD_C}, "d": {"stack": PROD_D}}
    settings = parse(workdir, with_keys(peers=peers, links=[["c", "a"], ["d", "b"]]))
    assert settings.links == (("a", "c"), ("b", "d"))
    assert settings.clusters["a"].linked == ("c",)


def test_allow_may_name_a_linked_peer_and_no_other(workdir: Path) -> None:
    peers = {"c": {"stack": PROD_C}, "d": {"stack": PROD_D}}
    own = stack("ab", a={"exposes": [service("web", allow=["c"])]})
    settings = parse(workdir, own | {"peers": peers})
    assert settings.clusters["a"].exposes[0].allow == ("c",)
    (message,) = mistakes(workdir, own | {"peers": peers, "links": [["a", "d"]]})
    assert message.startswith("clusters.a.exposes[0].allow: 'c' is not linked")


@pytest.mark.parametrize(
    ("peers", "path", "what"),
    [
        ({"c": {}}, "peers.c.stack", "is missing"),
        ({"c": {"stack": "prod-c"}}, "peers.c.stack", "'prod-c'"),
        ({"c": {"stack": "a/b/c/d"}}, "peers.c.stack", "'a/b/c/d'"),
        ({"c": {"stack": 7}}, "peers.c.stack", "7"),
        ({"c": PROD_C}, "peers.c", "not a mapping"),
        ({"c": {"stack": PROD_C, "cluster": "x"}}, "peers.c.cluster", "unknown key"),
        ({"C": {"stack": PROD_C}}, "peers.C", "not a legal cluster name"),
        ({"a": {"stack": PROD_C}}, "peers.a", "is a cluster of this stack, too"),
    ],
)
def test_a_mistake_in_peers_names_path_value_and_fix(
    workdir: Path, peers: Any, path: str, what: str
) -> None:
    found = [m for m in mistakes(workdir, with_keys(peers=peers)) if m.startswith(f"{path}: ")]
    assert found, "the path is told"
    assert what in found[0]
    assert "; " in found[0], "the fix is told"


def test_a_link_of_two_peers_is_refused(workdir: Path) -> None:
    peers = {"c": {"stack": PROD_C}, "d": {"stack": PROD_D}}
    (message,) = mistakes(workdir, with_keys(peers=peers, links=[["c", "d"]]))
    assert message.startswith("links[0]: links 'c' and 'd', both of other stacks; ")


def test_a_link_to_an_unknown_name_tells_the_peers_too(workdir: Path) -> None:
    (message,) = mistakes(workdir, with_keys(peers={"c": {"stack": PROD_C}}, links=[["a", "x"]]))
    assert message == "links[0]: there is no cluster 'x'; use two of: a, b, c"


def test_removed_names_clusters_that_are_gone(workdir: Path) -> None:
    assert parse(workdir, with_keys(removed=["y", "x"])).removed == ("x", "y")
    (message,) = mistakes(workdir, with_keys(removed=["a"]))
    assert message == "removed: 'a' is in `clusters`, too; take it out of one of them"
    assert mistakes(workdir, with_keys(removed=["x", "x"]))[0].startswith(
        "removed: 'x' is listed twice"
    )
    assert mistakes(workdir, with_keys(removed="x"))[0].startswith("removed: 'x' is not a list")
