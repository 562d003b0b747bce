"""`python -m lab`: help, exit codes, messages; the page of `bookinfo`; rows and waits."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from lab import __main__ as cli
from lab import instance
from lab.commands import bookinfo, digests, owner
from lab.commands.board import Board, Row
from lab.errors import LabError
from lab.instance import Instance
from lab.machine import cgroups, preflight, processes
from lab.machine.processes import Process

from . import CHECKOUT

COMMANDS = ("up", "status", "images", "bookinfo", "down")


@pytest.fixture(autouse=True)
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who may, and a machine without any lab."""
    monkeypatch.setattr(preflight, "check_platform", lambda: None)
    for module in (instance, owner):
        monkeypatch.setattr(module, "STATE_ROOT", tmp_path / "state")
    monkeypatch.setattr(cgroups, "exists", lambda path: False)
    return tmp_path


def lab(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of a command line."""
    monkeypatch.setattr(sys, "argv", ["lab", *words])
    return cli.main()


def test_help_needs_no_root_and_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "--help"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m lab ")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")]
    assert [name for name in COMMANDS if name not in listed] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_takes_an_instance(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        lab(monkeypatch, command, "--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m lab {command}")
    assert "--instance NAME" in text
    assert "(default: dev)" in text


@pytest.mark.parametrize("words", [[], ["nonsense"], ["status", "a"], ["up", "--force"]])
def test_wrong_usage_is_exit_code_2(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        lab(monkeypatch, *words)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_without_root_every_command_is_refused_in_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("lab.machine.preflight.os.geteuid", lambda: 1000)
    assert lab(monkeypatch, command) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lab: ")
    assert err.count("\n") == 1
    assert "sudo" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_instance_name_is_refused(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(monkeypatch, command, "--instance", "../x") == 1
    assert "'../x' cannot be the name of instance" in capsys.readouterr().err


def test_a_bad_cluster_name_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nothing: Path
) -> None:
    monkeypatch.setattr("lab.commands.startup.preflight.check_machine", lambda: None)
    assert lab(monkeypatch, "up", "--instance", "unit", "Bad") == 1
    assert "'Bad' cannot be the name of cluster" in capsys.readouterr().err
    assert not (nothing / "state").exists()


def test_status_of_no_lab_is_exit_code_1_and_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(monkeypatch, "status", "--instance", "unit") == 1
    assert "no lab 'unit' here: `python -m lab up` starts one" in capsys.readouterr().out


def test_down_of_no_lab_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(monkeypatch, "down", "--instance", "unit") == 0
    assert capsys.readouterr().out == "there is no lab 'unit'\n"


def test_bookinfo_of_no_lab_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(monkeypatch, "bookinfo", "--instance", "unit") == 1
    assert "there is no cluster 'a' in lab 'unit': run `make up`" in capsys.readouterr().err


def test_images_of_no_lab_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(monkeypatch, "images", "--instance", "unit") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no node of lab 'unit' runs: `python -m lab up --instance unit` starts it" in err


def test_images_prints_a_name_and_its_digest_per_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(digests, "digests", lambda instance: {"r/b:1": "sha256:2", "a:1": "x"})
    assert lab(monkeypatch, "images") == 0
    assert capsys.readouterr().out == "a:1 x\nr/b:1 sha256:2\n"


@pytest.mark.parametrize("well", [True, False])
def test_the_exit_code_of_up_and_status_is_whether_all_is_well(
    well: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "up", lambda *arguments: [])
    monkeypatch.setattr(cli, "status", lambda *arguments: well)
    assert lab(monkeypatch, "up") == (0 if well else 1)
    assert lab(monkeypatch, "status") == (0 if well else 1)


def test_up_without_names_means_the_default_clusters_and_the_checkouts_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, nothing: Path
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(cli, "up", lambda *arguments: asked.append(arguments[1:3]))
    monkeypatch.setattr(cli, "status", lambda *arguments: True)
    lab(monkeypatch, "up")
    assert asked.pop() == (("a", "b", "root"), CHECKOUT / ".lab/kubeconfig")
    monkeypatch.chdir(nothing)
    lab(monkeypatch, "up", "x", "--kubeconfig", "mine")
    assert asked.pop() == (["x"], nothing / "mine"), "where the user is, not where the lab is"
    owner.claim(Instance("dev"), nothing / "mine")
    lab(monkeypatch, "up")
    assert asked.pop()[1] == nothing / "mine", "a lab's file is not moved unasked"


def test_a_failure_is_shown_as_it_is_and_an_interrupt_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise LabError("[red]no[/red] " + "word " * 40)

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "up", fail)
    assert lab(monkeypatch, "up") == 1
    err = capsys.readouterr().err
    assert err.startswith("lab: [red]no[/red] word")
    assert err.count("\n") == 1
    monkeypatch.setattr(cli, "up", interrupt)
    assert lab(monkeypatch, "up") == 130
    assert "`up` continues, `down` removes" in capsys.readouterr().err


# Bookinfo


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("productpage-v1-5c9d@a, details-v1-6f2c@b", {"productpage": "a", "details": "b"}),
        ("reviews-v3-1@b,ratings-v1-2@a", {"reviews": "b", "ratings": "a"}),
        ("details-v1-6f2c@", {"details": ""}),
        ("productpage", {}),
        ("", {}),
    ],
)
def test_the_header_names_the_cluster_of_each_part(header: str, parts: dict[str, str]) -> None:
    assert bookinfo._parts(header) == parts


WHOLE = "productpage-v1-1@a, details-v1-2@b, reviews-v2-3@b, ratings-v1-4@a"


def page(monkeypatch: pytest.MonkeyPatch, *answers: httpx.Response | Exception) -> list[str]:
    """Let the page be answered like this, the last one for ever; what is said meanwhile."""
    waiting = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **_: client(transport=httpx.MockTransport(handle)))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return []


def served(header: str, code: int = 200) -> httpx.Response:
    return httpx.Response(code, headers={bookinfo.SERVED_BY: header})


def test_the_page_is_waited_for_until_all_its_parts_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = served("productpage-v1-1@a, details-v1-2@b")
    said = page(monkeypatch, httpx.ConnectError("refused"), part, part, served(WHOLE))
    parts = bookinfo._wait_for_page("http://x", said.append)
    assert parts == {"productpage": "a", "details": "b", "reviews": "b", "ratings": "a"}
    assert len(said) == 2, "the same problem is said once"
    assert said[0].endswith("refused")
    assert said[1].endswith("HTTP 200, without reviews, ratings")


def test_a_page_that_is_never_whole_ends_with_what_was_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bookinfo, "TIMEOUT_SECONDS", 0.0)
    said = page(monkeypatch, served("productpage-v1-1@a"))
    with pytest.raises(LabError, match="HTTP 200, without details, reviews, ratings"):
        bookinfo._wait_for_page("http://x", said.append)


def test_an_error_page_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookinfo, "TIMEOUT_SECONDS", 0.0)
    said = page(monkeypatch, served(WHOLE, 500))
    with pytest.raises(LabError, match="HTTP 500"):
        bookinfo._wait_for_page("http://x", said.append)


# Progress


def test_rows_without_a_terminal_are_plain_lines_one_each() -> None:
    text = io.StringIO()
    with Board(Console(file=text, force_terminal=False, width=20)) as board:
        board.row("a").say("[1/2] " + "word " * 20)
        board.row("b").say("ready", done=True)
    one, other = text.getvalue().splitlines()
    assert "s  a: [1/2] word word" in one
    assert other.endswith("b: ready")


@pytest.fixture
def row() -> Row:
    return Board(Console(file=io.StringIO(), force_terminal=False)).row("a")


def test_a_wait_ends_when_a_needed_process_has_ended_and_shows_its_log(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd = Process(Instance("unit").plan(["a"])[0], "etcd")
    etcd.log.parent.mkdir(parents=True)
    etcd.log.write_text("".join(f"line {number}\n" for number in range(99)))
    with pytest.raises(LabError) as error:
        row.wait("the API server", lambda: False, 60, [etcd])
    text = str(error.value)
    assert text.startswith("a: etcd ended:\n  line 84\n"), "the last 15 lines"
    assert text.endswith(f"  all of it: {etcd.log}")


def test_a_wait_is_bounded_and_names_what_it_waited_for(row: Row) -> None:
    with pytest.raises(LabError, match="a: waited 0 s for the node"):
        row.wait("the node", lambda: False, 0, [])


def test_a_wait_ends_when_all_is_cancelled() -> None:
    board = Board(Console(file=io.StringIO(), force_terminal=False))
    row = board.row("a")

    def check() -> bool:
        board.cancelled.set()
        return False

    with pytest.raises(LabError, match="a: given up while waiting for the node"):
        row.wait("the node", check, 60, [])
    with pytest.raises(LabError, match="a: given up"):
        row.say("more")


# Processes


def test_a_recorded_process_id_counts_only_if_its_cgroup_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = Process(Instance("unit").plan(["a"])[0], "etcd")
    assert process.pid is None
    process._pid_file.parent.mkdir(parents=True)
    asked: list[tuple[str, int]] = []

    def has_none(path: str, pid: int) -> bool:
        asked.append((path, pid))
        return False

    monkeypatch.setattr(cgroups, "has_process", has_none)
    process._pid_file.write_text("1\n")
    assert process.pid is None, "the id may be somebody else's by now"
    assert asked == [("istio-multicluster-lab-unit/a/etcd", 1)]
    monkeypatch.setattr(cgroups, "has_process", lambda *what: True)
    assert process.pid == 1
    process._pid_file.write_text("")
    assert process.pid is None, "it is being started"


def test_the_environment_of_processes_is_not_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy")
    monkeypatch.setenv("KUBECONFIG", "/mine")
    assert set(processes.environment()) == {"HOME", "PATH"}
