"""`istio`: every mistake in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.support.parsing import Mistakes, each, mistakes, with_keys

MISTAKES: Mistakes = [
    (
        with_keys(istio={"values": {"base": []}}),
        ["istio.values.base: [] is not a mapping; write `key: value` lines under it"],
    ),
    (
        with_keys(istio={"images": {"proxy": "proxyv2"}}),
        [
            "istio.images.proxy: 'proxyv2' is not valid; "
            "give a whole reference, e.g. registry.example.com/istio/pilot@sha256:…"
        ],
    ),
]


@each(MISTAKES)
def test_the_message_has_path_value_and_fix(
    written: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, written) == messages
