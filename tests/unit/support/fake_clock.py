"""A clock for waits: nobody sleeps, and time passes all the same."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Time that passes in sleeps only.

    Args:
        awake: what happens in each sleep.
    """

    def __init__(self, awake: Callable[[], None] = lambda: None) -> None:
        self.slept: list[float] = []
        self.awake = awake

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.awake()
