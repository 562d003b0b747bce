"""What a piece of work costs: time, processor time and memory of the processes that it starts."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Set
from pathlib import Path

INTERVAL_SECONDS = 0.5


class Usage:
    """Measures what is done in a `with`: what this process starts then, and what they start.

    Times of processes that were there before do not count, nor does their memory.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        """Of the processes that have ended by the end: user and system."""
        self.peak_bytes = 0
        """Largest sum of memory; what processes share is divided among them (PSS)."""

    def __enter__(self) -> Usage:
        self._before = _descendants(os.getpid())
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._cpu, self._started = _cpu(), time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._started
        self.cpu_seconds = _cpu() - self._cpu
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(INTERVAL_SECONDS):
            found = _descendants(os.getpid()) - self._before
            self.peak_bytes = max(self.peak_bytes, sum(_memory(pid) for pid in found))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _descendants(pid: int) -> Set[int]:
    found: set[int] = set()
    ahead = [pid]
    while ahead:
        for task in Path(f"/proc/{ahead.pop()}/task").glob("*/children"):
            children = {int(child) for child in _read(task).split()} - found
            found |= children
            ahead += children
    return found


def _memory(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""
