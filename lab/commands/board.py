"""What each cluster is doing: live rows on a terminal, plain lines elsewhere. And bounded waits."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lab.errors import LabError
from lab.machine.processes import Process

_POLL = 0.2


class Board:
    """Shows one row per cluster; `cancelled` ends all waits."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.cancelled = threading.Event()
        self._started = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._live = Progress(*columns, console=console) if console.is_terminal else None

    def __enter__(self) -> "Board":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._started

    def row(self, name: str) -> "Row":
        """A new row."""
        return Row(self, name, self._live)


class Row:
    """What one cluster is doing."""

    def __init__(self, board: Board, name: str, live: Progress | None) -> None:
        self._board = board
        self._name = name
        self._live = live
        self._task = live.add_task(f"{name}: ", total=1) if live else None

    def say(self, text: str, *, done: bool = False) -> None:
        """Show what is under way; give up if all is cancelled."""
        if self._board.cancelled.is_set():
            raise LabError(f"{self._name}: given up")
        if self._live is not None and self._task is not None:
            description = f"{self._name}: {escape(text)}"
            self._live.update(self._task, description=description, completed=int(done))
        else:
            line = f"{self._board.seconds:6.1f} s  {self._name}: {text}"
            self._board.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def wait(
        self, what: str, check: Callable[[], bool], timeout: float, needs: Sequence[Process]
    ) -> None:
        """Poll `check` until it holds, while all processes that it `needs` are alive."""
        self.say(f"waiting for {what}")
        deadline = time.monotonic() + timeout
        while not check():
            for process in needs:
                if process.pid is None:
                    raise LabError(f"{self._name}: {process.name} ended:\n{process.explain()}")
            if time.monotonic() > deadline:
                logs = "\n".join(f"{process.name}:\n{process.explain()}" for process in needs)
                raise LabError(f"{self._name}: waited {timeout:.0f} s for {what}\n{logs}")
            if self._board.cancelled.wait(_POLL):
                raise LabError(f"{self._name}: given up while waiting for {what}")
