"""Say what is under way: a live line on a terminal, elsewhere a plain line now and then."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.text import Text

PLAIN_INTERVAL = 20.0  # seconds between lines where nothing can be redrawn


def elapsed(seconds: float) -> str:
    """Seconds as people read them: `8:11`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Step:
    """One long piece of work; `say` tells what it is doing at the moment."""

    def __init__(self, console: Console, title: str) -> None:
        self.console = console
        self.title = title
        self.started = time.monotonic()
        self._detail = "starting"
        self._shown = 0.0
        self._status = console.status("") if console.is_terminal else None

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.started

    def say(self, detail: str) -> None:
        """Set what is under way."""
        self._detail = detail

    def announce(self, detail: str) -> None:
        """Set what is under way, and print it at once where lines are plain."""
        self._detail = detail
        if self._status is None:
            self._print()

    def _print(self) -> None:
        self._shown = time.monotonic()
        self.console.print(escape(self._line()), highlight=False, soft_wrap=True)

    def _line(self) -> str:
        return f"{self.title} ({elapsed(self.seconds)}): {self._detail}"

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(1.0):
            if self._status is not None:
                # One line, whatever the terminal's width.
                self._status.update(Text(self._line(), no_wrap=True, overflow="ellipsis"))
            elif time.monotonic() - self._shown >= PLAIN_INTERVAL:
                self._print()


@contextmanager
def step(console: Console | None, title: str) -> Iterator[Step]:
    """Show `title` until the block ends, then one line with how long it took."""
    work = Step(console or Console(stderr=True), title)
    stop = threading.Event()
    ticker = threading.Thread(target=work._tick, args=(stop,), daemon=True)
    if work._status is not None:
        work._status.start()
    else:
        work._print()
    ticker.start()
    try:
        yield work
    finally:
        stop.set()
        ticker.join()
        if work._status is not None:
            work._status.stop()
    done = escape(f"{title}: done in {elapsed(work.seconds)}")
    work.console.print(done, highlight=False, soft_wrap=True)
