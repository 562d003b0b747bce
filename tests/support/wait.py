"""Wait for something with a bound, and for several things side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Seen = TypeVar("Seen")
Item = TypeVar("Item")

INTERVAL_SECONDS = 0.5


def until(
    look: Callable[[], Seen], wanted: Callable[[Seen], bool], seconds: float, what: str
) -> Seen:
    """Look again and again until what is seen is wanted, and return it.

    Raises:
        AssertionError: it was not within `seconds`; the message holds what was seen last.
    """
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if wanted(seen):
            return seen
        assert time.monotonic() < end, f"after {seconds:g} s: {what}; last seen: {seen!r}"
        time.sleep(INTERVAL_SECONDS)


def at_once(work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Do the same for several things side by side, to the end of all; then raise what failed."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(work, item) for item in items]:
            done.result()
