"""`peers`, `removed`, and links to clusters of other stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config import stack_file
from config.settings import Settings
from tests.unit.support.stacks import service, stack

PROD_C = "organization/istio-multicluster/prod-c"
PROD_D = "organization/istio-multicluster/prod-d"


def parsed(workdir: Path, **further: Any) -> Settings:
    return stack_file.parse({"kubeconfig": "kubeconfig", **stack("ab"), **further}, workdir, {})


def mistakes(workdir: Path, **further: Any) -> list[str]:
    with pytest.raises(stack_file.ConfigError) as error:
        parsed(workdir, **further)
    return error.value.messages


def test_all_links_own_clusters_to_each_other_and_to_every_peer(workdir: Path) -> None:
    settings = parsed(workdir, peers={"d": {"stack": PROD_D}, "c": {"stack": PROD_C}})
    assert settings.peers == {"c": PROD_C, "d": PROD_D}
    assert settings.links == (("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"))
    assert settings.clusters["a"].peers == ("b", "c", "d")


def test_a_list_of_links_may_name_peers(workdir: Path) -> None:
    settings = parsed(
        workdir,
        peers={"c": {"stack": PROD_C}, "d": {"stack": PROD_D}},
        links=[["c", "a"], ["d", "b"]],
    )
    assert settings.links == (("a", "c"), ("b", "d"))
    assert settings.clusters["a"].peers == ("c",)


def test_allow_may_name_a_linked_peer_and_no_other(workdir: Path) -> None:
    peers = {"c": {"stack": PROD_C}, "d": {"stack": PROD_D}}
    own = stack("ab", a={"exposes": [service("web", allow=["c"])]})
    settings = parsed(workdir, **own | {"peers": peers})
    assert settings.clusters["a"].exposes[0].allow == ("c",)
    (message,) = mistakes(workdir, **own | {"peers": peers, "links": [["a", "d"]]})
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
    found = [m for m in mistakes(workdir, peers=peers) if m.startswith(f"{path}: ")]
    assert found, "the path is told"
    assert what in found[0]
    assert "; " in found[0], "the fix is told"


def test_a_link_of_two_peers_is_refused(workdir: Path) -> None:
    peers = {"c": {"stack": PROD_C}, "d": {"stack": PROD_D}}
    (message,) = mistakes(workdir, peers=peers, links=[["c", "d"]])
    assert message.startswith("links[0]: links 'c' and 'd', both of other stacks; ")


def test_a_link_to_an_unknown_name_tells_the_peers_too(workdir: Path) -> None:
    (message,) = mistakes(workdir, peers={"c": {"stack": PROD_C}}, links=[["a", "x"]])
    assert message == "links[0]: there is no cluster 'x'; use two of: a, b, c"


def test_removed_names_clusters_that_are_gone(workdir: Path) -> None:
    assert parsed(workdir, removed=["y", "x"]).removed == ("x", "y")
    (message,) = mistakes(workdir, removed=["a"])
    assert message == "removed: 'a' is in `clusters`, too; take it out of one of them"
    assert mistakes(workdir, removed=["x", "x"])[0].startswith("removed: 'x' is listed twice")
    assert mistakes(workdir, removed="x")[0].startswith("removed: 'x' is not a list")
