"""Wait for something with a bound, and say what was last seen when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

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
