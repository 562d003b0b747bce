"""tools/cache.py: an entry is complete or not there, and is made once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from tools import cache

from . import CHECKOUT

PROCESS = """
import sys
from pathlib import Path
from tools import cache

def make(target):
    with Path(sys.argv[1]).open("a") as log:
        log.write("made\\n")
    (target / "half").write_text("x")
    print("making", flush=True)
    sys.stdin.read()
    (target / "whole").write_text("x")

print(cache.entry("kind", "1", "key", make, lambda text: print(text, flush=True)), flush=True)
"""
"""A process that makes an entry when its standard input ends; its log counts who made it."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def fill(target: Path) -> None:
    (target / "file").write_text("content")


def refuse(target: Path) -> None:
    raise AssertionError("an entry that is there must not be made again")


def content(kind: str) -> set[str]:
    """What the cache has of a kind, but for the locks, which are empty and stay."""
    return {p.name for p in (cache.root() / kind).iterdir() if not p.name.endswith(".lock")}


def start(log: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", PROCESS, str(log)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_root_follows_xdg_only_where_that_is_absolute(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache.root() == home / "istio-multicluster"
    monkeypatch.setenv("HOME", str(home / "me"))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache.root() == home / "me/.cache/istio-multicluster", "as the specification says"


def test_an_entry_is_made_once_and_its_path_is_that_of_its_key() -> None:
    made = cache.entry("kind", "1.2", "key", fill)
    assert made == cache.path_of("kind", "1.2", "key")
    assert (made / "file").read_text() == "content"
    assert cache.entry("kind", "1.2", "key", refuse) == made
    assert content("kind") == {"1.2-key"}


def test_kind_version_and_key_all_tell_entries_apart() -> None:
    names = [("kind", "1", "a"), ("other", "1", "a"), ("kind", "2", "a"), ("kind", "1", "b")]
    assert len({cache.entry(*name, fill) for name in names}) == len(names)


def test_a_digest_depends_on_every_part_and_on_where_parts_end(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    file.write_text("one")
    digests = [cache.digest(parts) for parts in (["ab", "c"], ["a", "bc"], ["c", "ab"], [file])]
    file.write_text("two")
    digests.append(cache.digest([file]))
    assert len(set(digests)) == len(digests)
    assert cache.digest(["ab", "c"]) == digests[0]


def test_a_file_counts_by_its_content_not_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("same")
    (tmp_path / "two").write_text("same")
    # Two checkouts share the cache.
    assert cache.digest([tmp_path / "one"]) == cache.digest([tmp_path / "two"])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_maker_that_fails_leaves_nothing_and_the_next_call_makes_it(
    error: type[BaseException],
) -> None:
    def fail(target: Path) -> None:
        fill(target)
        raise error

    with pytest.raises(error):
        cache.entry("kind", "1", "key", fail)
    assert content("kind") == set()
    assert (cache.entry("kind", "1", "key", fill) / "file").is_file()


def test_nobody_sees_an_entry_before_it_is_whole() -> None:
    def make(target: Path) -> None:
        fill(target)
        assert not cache.path_of("kind", "1", "key").exists()

    cache.entry("kind", "1", "key", make)


def test_what_a_killed_maker_left_is_not_used_and_is_removed(home: Path) -> None:
    killed = start(home / "log")
    assert first_line(killed) == "making"
    assert content("kind") == {f".1-key.{killed.pid}.tmp"}
    killed.kill()
    killed.wait()
    assert content("kind") == {f".1-key.{killed.pid}.tmp"}, "SIGKILL leaves no time to tidy up"
    made = cache.entry("kind", "1", "key", fill)
    assert {path.name for path in made.iterdir()} == {"file"}, "nothing of the killed one's"
    assert content("kind") == {"1-key"}


def test_leftovers_of_other_versions_go_too_but_not_what_is_being_made(home: Path) -> None:
    kind = cache.root() / "kind"
    (kind / ".0-dead.1.tmp").mkdir(parents=True)
    alive = start(home / "log")
    assert first_line(alive) == "making"
    cache.entry("kind", "2", "key", fill)
    assert content("kind") == {f".1-key.{alive.pid}.tmp", "2-key"}
    assert alive.communicate("", timeout=20)[0].strip() == str(kind / "1-key")
    assert alive.returncode == 0


def test_two_processes_make_an_entry_once_and_the_other_says_for_whom_it_waits(home: Path) -> None:
    log = home / "log"
    one = start(log)
    assert first_line(one) == "making"
    other = start(log)
    assert first_line(other) == f"waiting for process {one.pid}, which makes the same"
    made = one.communicate("", timeout=20)[0].strip()
    assert other.communicate("", timeout=20)[0].strip() == made
    assert log.read_text() == "made\n"
    assert {path.name for path in Path(made).iterdir()} == {"half", "whole"}


def test_who_waits_for_a_killed_maker_takes_over(home: Path) -> None:
    one = start(home / "log")
    assert first_line(one) == "making"
    other = start(home / "log")
    assert first_line(other).startswith("waiting for")
    one.kill()
    one.wait()
    assert first_line(other) == "making"
    other.communicate("", timeout=20)
    assert content("kind") == {"1-key"}


def test_threads_make_an_entry_once() -> None:
    made: list[int] = []
    together = threading.Barrier(4)

    def make(target: Path) -> None:
        made.append(threading.get_ident())
        fill(target)

    def ask() -> Path:
        together.wait(timeout=20)
        return cache.entry("kind", "1", "key", make)

    with ThreadPoolExecutor(4) as pool:
        paths = {job.result(timeout=20) for job in [pool.submit(ask) for _ in range(4)]}
    assert len(made) == 1
    assert paths == {cache.path_of("kind", "1", "key")}


def test_an_entry_that_is_there_needs_no_lock() -> None:
    made = cache.entry("kind", "1", "key", fill)
    with FileLock(made.parent / f".{made.name}.lock"):
        assert cache.entry("kind", "1", "key", refuse) == made


def test_the_maker_in_the_message_is_a_process_that_exists() -> None:
    said: list[str] = []
    making, go_on = threading.Event(), threading.Event()

    def make(target: Path) -> None:
        making.set()
        assert go_on.wait(20)

    def say(text: str) -> None:
        said.append(text)
        go_on.set()

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(cache.entry, "kind", "1", "key", make)
        assert making.wait(20)
        other = pool.submit(cache.entry, "kind", "1", "key", refuse, say)
        assert one.result(timeout=20) == other.result(timeout=20)
    assert said == [f"waiting for process {os.getpid()}, which makes the same"]
