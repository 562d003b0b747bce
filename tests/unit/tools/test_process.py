"""tools/process.py and tools/progress.py: what a user sees of a long command."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from tools import process, progress
from tools.process import DEFAULT_FIX, FIXES, TAIL_LINES, ToolError, run
from tools.progress import step

from . import CHECKOUT


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def explained(script: str) -> str:
    """What is said of a script that fails."""
    with pytest.raises(ToolError) as error:
        run(sh(script))
    return str(error.value)


def test_lines_of_both_streams_are_returned_and_handed_on_as_they_come() -> None:
    seen: list[str] = []
    script = "echo one; echo two >&2; printf 'three  '"
    assert run(sh(script), on_line=seen.append) == ["one", "two", "three"]
    assert seen == ["one", "two", "three"]


def test_a_line_is_handed_on_before_the_command_ends(tmp_path: Path) -> None:
    release = tmp_path / "release"
    # The command ends only once its first line has arrived here.
    script = f"echo begun; while [ ! -e {release} ]; do sleep 0.01; done; echo ended"
    assert run(sh(script), on_line=lambda line: release.touch()) == ["begun", "ended"]


def test_output_that_is_no_text_does_not_matter() -> None:
    assert run(sh(r"printf 'a\377b\n'")) == ["a\ufffdb"]


def test_the_environment_is_added_to_and_the_folder_is_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEPT", "kept")
    lines = run(sh('echo "$KEPT $ADDED"; pwd -P'), env={"ADDED": "added"}, cwd=tmp_path)
    assert lines == ["kept added", str(tmp_path.resolve())]


def test_a_command_never_waits_for_input() -> None:
    assert run(["cat"]) == []


def test_a_failure_names_code_command_last_lines_and_a_fix() -> None:
    text = explained("seq 40; exit 3").splitlines()
    assert text[0] == "exit code 3 from: sh -c 'seq 40; exit 3'", "to be pasted into a shell"
    assert text[1:-1] == [f"    {number}" for number in range(41 - TAIL_LINES, 41)]
    assert text[-1] == f"  To fix: {DEFAULT_FIX}."


def test_a_failure_without_output_says_so() -> None:
    assert "(no output)" in explained("exit 1")


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("write /tmp/x: no space left on device", 0),
        ("go: compile: signal: killed", 1),
        ("fork/exec: cannot allocate memory", 1),
        ("verifying x@v1: checksum mismatch", 2),
        ("missing go.sum entry for module", 2),
        ("dial tcp: lookup proxy.golang.org: no such host", 3),
        ("E: Failed to fetch http://deb.debian.org/", 3),
        ("NewConnectionError: pypi.org", 3),
    ],
)
def test_the_fix_goes_with_the_output_even_if_the_tail_does_not_show_it(
    output: str, number: int
) -> None:
    script = f"echo '{output}'; seq {TAIL_LINES}; exit 1"
    assert explained(script).endswith(f"To fix: {FIXES[number][1]}.")


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)  # no setpriv, as on a Mac
    with pytest.raises(ToolError, match="no-such-program is not installed, or not on PATH"):
        run(["no-such-program"])


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
def test_a_missing_program_is_named_behind_setpriv_too() -> None:
    with pytest.raises(ToolError, match="no-such-program is not installed, or not on PATH"):
        run(["no-such-program"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_command_does_not_outlive_an_interrupted_reader(error: type[BaseException]) -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise error

    with pytest.raises(error):
        run(sh("echo $$; exec sleep 300"), on_line=interrupt)
    assert not Path(f"/proc/{pids[0]}").exists(), "ended, and collected"


OUTLIVED = """
from tools.process import run
run(["sh", "-c", "echo $$; exec sleep 300"], on_line=lambda line: print(line, flush=True))
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
def test_a_command_does_not_outlive_a_killed_reader() -> None:
    reader = subprocess.Popen(
        [sys.executable, "-c", OUTLIVED], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    pid = int(reader.stdout.readline())
    reader.send_signal(signal.SIGKILL)
    state = Path(f"/proc/{pid}/stat")
    over = threading.Event()
    for _ in range(500):
        try:
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                break  # dead; whether init collects it is not ours
        except OSError:
            break
        over.wait(0.02)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail(f"process {pid} outlived its reader")
    reader.wait()


def plain(width: int = 80) -> tuple[Console, io.StringIO]:
    """A console that is no terminal."""
    text = io.StringIO()
    return Console(file=text, force_terminal=False, width=width), text


def test_plain_progress_is_one_line_at_the_start_and_one_at_the_end() -> None:
    console, text = plain()
    with step(console, "etcd 3.7.3") as work:
        for number in range(100):
            work.say(f"compiled {number}")
    assert text.getvalue().splitlines() == [
        "etcd 3.7.3 (0:00): starting",
        "etcd 3.7.3: done in 0:00",
    ], "not a line for each detail: a CI log is read by people"


def test_plain_progress_announces_at_once() -> None:
    console, text = plain()
    with step(console, "etcd") as work:
        work.announce("linking etcd")
        assert text.getvalue().endswith("etcd (0:00): linking etcd\n")


def test_plain_progress_shows_a_sign_of_life_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.0)
    console, text = plain()
    shown = threading.Event()
    write = text.write

    def watch(written: str) -> int:
        if "compiled 7" in written:
            shown.set()
        return write(written)

    monkeypatch.setattr(text, "write", watch)
    with step(console, "etcd") as work:
        work.say("compiled 7")
        assert shown.wait(20), "nobody announced it: the clock did"


def test_plain_progress_has_no_escape_codes_and_does_not_read_markup() -> None:
    console, text = plain()
    with step(console, "[1/2] etcd") as work:
        work.announce("[red]line[/red]")
    assert "\x1b" not in text.getvalue()
    assert "[1/2] etcd (0:00): [red]line[/red]\n" in text.getvalue()


def test_a_long_detail_stays_one_line() -> None:
    console, text = plain(width=20)
    with step(console, "etcd") as work:
        work.announce("word " * 20)
    assert len(text.getvalue().splitlines()) == 3


def test_a_long_title_stays_one_line() -> None:
    console, text = plain(width=20)
    with step(console, "Debian packages " + "word " * 20):
        pass
    assert len(text.getvalue().splitlines()) == 2


def test_a_step_that_fails_does_not_say_done_and_its_clock_stops() -> None:
    console, text = plain()
    threads = threading.active_count()
    with pytest.raises(ToolError), step(console, "etcd"):
        raise ToolError("no")
    assert "done" not in text.getvalue()
    assert threading.active_count() == threads


def test_a_terminal_gets_one_live_line_and_the_last_one() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80, legacy_windows=False)
    with step(console, "etcd") as work:
        work.announce("linking")
    lines = text.getvalue().splitlines()
    assert "etcd: done in 0:00" in lines[-1]
    assert not any("etcd (0:00): linking" in line for line in lines), "it is in the live line"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3600, "60:00")]
)
def test_elapsed_time_is_minutes_and_seconds(seconds: float, text: str) -> None:
    assert progress.elapsed(seconds) == text


def test_every_fix_can_match() -> None:
    assert all(pattern and fix for pattern, fix in process.FIXES)
