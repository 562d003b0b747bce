"""A machine for the tests of the lab, one for each file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.instance import CHECKOUT
from tests.lab.host import Host
from tests.lab.machine import Machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine without the instance; it is removed at the end whatever happens."""
    if os.geteuid() != 0:
        pytest.fail("the lab needs root: run these tests with sudo")
    made = Machine(tmp_path_factory.mktemp("lab"))
    first = made.lab("down", "--force")  # of a run that was killed
    assert first.returncode == 0, first.stderr
    made.before = Host.now()
    try:
        yield made
    finally:
        last = made.lab("down", "--force")
        assert last.returncode == 0, last.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkout of the project: what the lab needs of it."""
    target = tmp_path_factory.mktemp("copy") / "checkout"
    for folder in ("lab", "tools"):
        shutil.copytree(
            CHECKOUT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return target
