"""Run a command, hand on its output line by line, and explain a failure."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TAIL_LINES = 15

# What the output of a failed command says -> what its reader can do about it.
FIXES = (
    (r"no space left on device", "free some disk space (a full build needs about 12 GB)"),
    (
        r"signal: killed|out of memory|cannot allocate memory",
        "the machine ran out of memory: close other programs, or use 4 GB more",
    ),
    (
        r"checksum mismatch|missing go\.sum entry|SECURITY ERROR",
        "the go.sum of this family was changed: `git checkout tools`",
    ),
    (
        r"no such host|dial tcp|i/o timeout|TLS handshake|connection refused|Could not resolve"
        r"|Failed to fetch|NewConnectionError",
        "check the network and its proxy settings (`go env GOPROXY`, apt's and pip's sources)",
    ),
)
DEFAULT_FIX = "run the same command again: what was finished is kept"


class ToolError(Exception):
    """A failure that is explained to its reader; shown without a traceback."""


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Run `command`, call `on_line` for each line of its output, and return all lines.

    `env` is added to the environment. Whatever ends this process ends the command too.
    """
    words = [str(word) for word in command]
    # SIGINT rather than SIGKILL: `go` then waits for its compilers and removes its work directory.
    # What a shell starts in the background ignores SIGINT, and so would the command.
    guard = ["env", "--default-signal=INT", "setpriv", "--pdeathsig", "INT"]
    if shutil.which("setpriv") is None:
        guard = []
    if shutil.which(words[0]) is None:
        raise ToolError(f"{words[0]} is not installed, or not on PATH")
    process = subprocess.Popen(
        guard + words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            on_line(lines[-1])
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    if code:
        raise ToolError(_explain(words, code, lines))
    return lines


def _end(process: subprocess.Popen[str]) -> None:
    """End a command that nobody waits for any more, gently first."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _explain(words: list[str], code: int, lines: list[str]) -> str:
    output = "\n".join(lines)
    fix = next((fix for pattern, fix in FIXES if re.search(pattern, output)), DEFAULT_FIX)
    tail = [f"    {line}" for line in deque(lines, TAIL_LINES)] or ["    (no output)"]
    return "\n".join([f"exit code {code} from: {shlex.join(words)}", *tail, f"  To fix: {fix}."])
