"""The sample application: calls both ways, seen in the page."""

from __future__ import annotations

import re

from tests.e2e.conftest import Mesh
from tests.support import workloads
from tests.support.wait import until


def page(mesh: Mesh) -> str:
    url = mesh.outputs["bookinfo"]
    return mesh.clusters["c"].shell(workloads.PLAIN, f"curl -s -m 10 '{url}'")


def test_the_page_has_parts_of_both_clusters(mesh: Mesh) -> None:
    until(
        lambda: page(mesh),
        lambda seen: "An extremely entertaining play" in seen and "Paperback" in seen.title(),
        120,
        "details and reviews, both of b, must be in the page of a",
    )


def test_reviews_ask_ratings_across_the_link(mesh: Mesh) -> None:
    seen = until(
        lambda: page(mesh),
        lambda text: bool(re.search(r"reviews-v[23]", text)) and "★" in text,
        60,
        "reviews v2 or v3 must show stars, which it has from ratings on a",
    )
    assert "currently unavailable" not in seen
