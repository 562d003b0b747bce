"""Pulumi, killed in the middle of what it does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.stack import Stack

STEP = re.compile(r"(?:\+|~|-|\+-|-\+|\+\+|--) +\S+ (\S+) (?:creating|updating|deleting|replacing)")
PLUGIN = "pulumi.dynamic"
"""Part of the command line of the plugin that runs this program's dynamic resources."""


def killed_at(stack: Stack, command: Sequence[str], moment: int, *, whole: bool) -> list[int]:
    """Run Pulumi, and kill it once that many resources are in work.

    Args:
        stack: the stack.
        command: what is run: `up` or `destroy`, and options.
        moment: the number of resources that it has begun with.
        whole: kill all its descendants too; else the CLI alone, as the kernel does when memory is
            short, so that plugins go on.

    Returns:
        The processes of the plugins that it has left.
    """
    args = ["pulumi", *command, "--stack", stack.name, "--yes", "--skip-preview"]
    env = {**os.environ, **(stack.stack.workspace.env_vars or {})}
    begun: set[str] = set()
    with subprocess.Popen(
        [*args, "--non-interactive"],
        cwd=stack.directory,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as cli:
        assert cli.stdout
        for line in cli.stdout:
            if found := STEP.search(line):
                begun.add(found[1])
            if len(begun) >= moment:
                break
        else:
            raise AssertionError(f"it has ended before the moment, after {len(begun)} resources")
        left = descendants(cli.pid)
        cli.kill()
        for pid in left if whole else ():
            _kill(pid)
    return [] if whole else left


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those of these."""
    parents: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        parents.setdefault(parent, []).append(int(process.name))
    found = [*parents.get(pid, ())]
    for child in found:
        found.extend(parents.get(child, ()))
    return found


def plugins_of_ours(pids: Iterable[int]) -> list[int]:
    """Return those of some processes that run this program's dynamic resources, and still run."""
    return [pid for pid in pids if PLUGIN in _command(pid)]


def end(pids: Iterable[int]) -> None:
    """End what is left: the provider for Kubernetes, which takes its time."""
    for pid in pids:
        if "pulumi" in _command(pid):
            _kill(pid)


def gone_after(pids: Sequence[int], seconds: float) -> bool:
    """Tell whether none of our plugins is left after at most that time."""
    until = time.monotonic() + seconds
    while plugins_of_ours(pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
