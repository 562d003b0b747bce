"""The project directory that stack files of these tests are read in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.support.stacks import write_kubeconfig


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a kubeconfig that has few contexts, and with files that are none.

    Treat it as read-only.
    """
    path = tmp_path_factory.mktemp("project")
    write_kubeconfig(path / "kubeconfig", ["ctx-root", "ctx-b", "ctx-a"])
    (path / "broken").write_text("{")
    (path / "listless").write_text("contexts: 3")
    (path / "binary").write_bytes(b"\xff\xfe")
    return path
