"""`make soak`: `up` on fresh clusters, again and again; it must work at the first try each time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT
from tests.support import dev, rbac
from tests.support.stack import Stack

ROUNDS = int(os.environ.get("ROUNDS", "10"))
INSTANCE = ["--instance", "soak"]


def lab(*command: str) -> None:
    """Run the lab's command line."""
    subprocess.run([sys.executable, "-m", "lab", *command, *INSTANCE], cwd=PROJECT, check=True)


@pytest.fixture(autouse=True)
def tools() -> Any:
    from tools import env

    os.environ |= dict(env.values())
    lab("down")
    yield
    lab("down")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_up_works_on_fresh_clusters_at_the_first_try(number: int, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    lab("up", "--kubeconfig", str(kubeconfig))
    config = dev.settings()
    rbac.grant(kubeconfig, config["clusters"])
    directory = tmp_path / "stack"
    directory.mkdir()
    stack = Stack(directory, kubeconfig, config)
    started = time.monotonic()
    changes = stack.up()
    print(f"\nround {number}: up took {time.monotonic() - started:.0f} s")
    assert set(changes) == {"create"}
    lab("bookinfo")
    assert set(stack.up()) <= {"same", "read"}, "a second `up` changes nothing"
