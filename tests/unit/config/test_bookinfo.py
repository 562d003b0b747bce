"""`bookinfo`: every mistake in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.support.parsing import Mistakes, each, mistakes, with_keys
from tests.unit.support.stacks import FULL

ENTRY = "{{service: {}, namespace: bookinfo, port: 9080}}"

MISTAKES: Mistakes = [
    (
        with_keys(bookinfo={"frontend": "a", "backend": "b"}),
        [
            "bookinfo.frontend: 'a' does not expose ratings to 'b'; "
            f"add {ENTRY.format('ratings')} to clusters.a.exposes",
            *(
                f"bookinfo.backend: 'b' does not expose {name} to 'a'; "
                f"add {ENTRY.format(name)} to clusters.b.exposes"
                for name in ("details", "reviews")
            ),
            "bookinfo.frontend: 'a' has no port for the page on its ingress gateway; "
            "add 80 to clusters.a.httpPorts",
        ],
    ),
    (
        with_keys(bookinfo={"frontend": "x"}),
        [
            "bookinfo.backend: is missing; name the cluster of details and reviews",
            "bookinfo.frontend: there is no cluster 'x'; use one of a, b",
        ],
    ),
]


@each(MISTAKES)
def test_the_message_has_path_value_and_fix(
    written: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, written) == messages


def test_it_is_spread_over_two_clusters(directory: Path) -> None:
    assert mistakes(directory, with_keys(bookinfo={"frontend": "a", "backend": "a"}))


def test_the_page_wants_port_80(workdir: Path) -> None:
    nodes = {"service": "NodePort", "addresses": ["192.0.2.7", "192.0.2.8"], "nodePort": 31443}
    clusters = {**FULL["clusters"], "a": {**FULL["clusters"]["a"], "ingress": nodes}}
    assert mistakes(workdir, {**FULL, "clusters": clusters}) == [
        "bookinfo.frontend: 'a' has no address with port 80: its ingress is a NodePort; "
        "name another cluster"
    ]
