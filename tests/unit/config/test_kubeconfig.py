"""Which kubeconfig is read, every mistake in it, and what the provider is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from config.kubeconfig import Kubeconfig, KubeconfigError
from tests.unit.support.parsing import Mistakes, each, mistakes, with_keys
from tests.unit.support.stacks import write_kubeconfig

KUBECONFIG = "name one readable kubeconfig file"

MISTAKES: Mistakes = [
    (
        with_keys(kubeconfig="none"),
        [f"kubeconfig: DIR/none cannot be read (No such file or directory); {KUBECONFIG}"],
    ),
    (
        with_keys(kubeconfig="."),
        [f"kubeconfig: DIR cannot be read (Is a directory); {KUBECONFIG}"],
    ),
    *(
        (
            with_keys(kubeconfig=file),
            [
                f"kubeconfig: DIR/{file} is not a kubeconfig "
                f"(no list of contexts in it); {KUBECONFIG}"
            ],
        )
        for file in ("broken", "listless", "binary")
    ),
]


@each(MISTAKES)
def test_the_message_has_path_value_and_fix(
    written: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, written) == messages


class TestKubeconfig:
    """Which file is read, and what the provider is told."""

    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".kube").mkdir()
        write_kubeconfig(tmp_path / ".kube/config", ["of-home"])
        write_kubeconfig(tmp_path / "one", ["one"])
        write_kubeconfig(tmp_path / "two", ["two", "one"])
        return tmp_path

    def test_the_configured_file_wins(self, home: Path) -> None:
        found = Kubeconfig.read("one", home, {"KUBECONFIG": str(home / "two")})
        assert found == Kubeconfig("one", ("one",)), "relative, the same in every checkout"

    def test_a_tilde_is_the_home(self, home: Path) -> None:
        found = Kubeconfig.read("~/two", Path("/nowhere"), {})
        assert found == Kubeconfig(str(home / "two"), ("one", "two"))

    def test_without_any_it_is_the_default(self, home: Path) -> None:
        assert Kubeconfig.read("", home, {}) == Kubeconfig(None, ("of-home",))

    def test_the_variable_names_one_file(self, home: Path) -> None:
        found = Kubeconfig.read("", home, {"KUBECONFIG": str(home / "two") + os.pathsep})
        assert found == Kubeconfig(None, ("one", "two")), "None: the provider reads the variable"

    def test_several_files_are_a_mistake_told_with_all_others(self, home: Path) -> None:
        listed = os.pathsep.join(str(home / name) for name in ("one", "two"))
        written = with_keys(kubeconfig="", zzz=1)
        first, second = mistakes(home, written, environ={"KUBECONFIG": listed})
        assert first == (
            "kubeconfig: KUBECONFIG lists 2 files; name one readable kubeconfig file"
        ), "the provider takes the variable for one path"
        assert second.startswith("zzz: ")

    def test_a_variable_that_names_a_missing_file_is_a_mistake(self, home: Path) -> None:
        with pytest.raises(KubeconfigError, match="missing cannot be read"):
            Kubeconfig.read("", home, {"KUBECONFIG": str(home / "missing")})
