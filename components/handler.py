"""What all handlers of dynamic resources share: how they remember, wait and speak.

A handler runs in the process of Pulumi's plugin for dynamic resources, or in that of a test. It
gets nothing but properties, as they are in the state, so it looks at clusters with kubectl itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

from pulumi.dynamic import (
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    UpdateResult,
)

T = TypeVar("T")

Props = dict[str, Any]
"""Properties of a dynamic resource: inputs, or what is in the state."""

INTERVAL_SECONDS = 2.0
"""Between two looks at something that is waited for."""


class Clock(Protocol):
    """What a wait needs of time; module `time` is one."""

    def monotonic(self) -> float:
        """Return the seconds since some moment."""

    def sleep(self, seconds: float, /) -> None:
        """Let that time pass."""


def say(message: str) -> None:
    """Tell the user; Pulumi shows what a provider writes to stderr."""
    print(message, file=sys.stderr, flush=True)


class Created(CreateResult):
    """What the state is to have of a new resource."""

    outs: Props


class Seen(ReadResult):
    """What a refresh has seen of a resource."""

    outs: Props


class Updated(UpdateResult):
    """What the state is to have of a resource from now on."""

    outs: Props


class Handler:
    """What is done for one kind of dynamic resource. As it is, it keeps the inputs and no more."""

    id: ClassVar[str]
    """The id of a resource of this kind."""
    compared: ClassVar[tuple[str, ...]] = ()
    """The properties of which another value is a change."""

    def __init__(self, clock: Clock = time, say: Callable[[str], None] = say) -> None:
        self.clock = clock
        self.say = say

    def configure(self, request: ConfigureRequest) -> None:
        """Take what is needed of the stack's configuration."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Accept all inputs: they were checked when the configuration was read."""
        return CheckResult(news, [])

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare the properties that count."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in self.compared))

    def create(self, props: Props) -> Created:
        """Do what there is to do, and remember it."""
        return Created(self.id_of(props), self.outputs(props, {}))

    def read(self, id_: str, props: Props) -> Seen:
        """Trust the state."""
        return Seen(id_, props)

    def update(self, _id: str, olds: Props, news: Props) -> Updated:
        """Do what there is to do, and remember it."""
        return Updated(self.outputs(news, olds))

    def delete(self, _id: str, props: Props) -> None:
        """Forget it."""

    def id_of(self, props: Props) -> str:
        """Return the id of the resource with these properties."""
        return self.id

    def outputs(self, props: Props, olds: Props) -> Props:
        """Do what there is to do; return what the state is to remember.

        Args:
            props: the inputs.
            olds: what the state has; empty: the resource is new.
        """
        return props

    def poll(
        self,
        look: Callable[[], T | None],
        seconds: float,
        what: str,
        interval: float = INTERVAL_SECONDS,
    ) -> T | None:
        """Look until there is something to see; if not at once, say what is waited for.

        Args:
            look: returns None as long as there is nothing.
            seconds: the longest wait; there is always one look.
            what: what is waited for.
            interval: seconds between two looks.

        Returns:
            What was seen; None: nothing in that time.
        """
        end = self.clock.monotonic() + seconds
        waiting = False
        while (seen := look()) is None:
            left = end - self.clock.monotonic()
            if left <= 0:
                return None
            if not waiting:
                self.say(f"waiting up to {seconds} s for {what}")
            waiting = True
            self.clock.sleep(min(interval, left))
        return seen


def retry(work: Callable[[], T], error: type[Exception], attempts: int) -> T:
    """Return what some work returns, done again while it fails in one way.

    Args:
        work: what is done.
        error: after this one it is tried again, at once.
        attempts: how often in all; the last error is raised.
    """
    for _ in range(attempts - 1):
        try:
            return work()
        except error:
            continue
    return work()
