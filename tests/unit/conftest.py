"""Fixtures of the fast tier."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.unit.support.fake_kubectl import FakeKubectl
from tests.unit.support.recorder import Run, run_program
from tests.unit.support.stacks import FULL, write_kubeconfig

ProgramRunner = Callable[..., Run]


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: each run makes 100,000 objects more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project directory with a kubeconfig, and nothing of the user's environment."""
    write_kubeconfig(tmp_path / "kubeconfig")
    for variable in ("KUBECONFIG", "PULUMI_K8S_DELETE_UNREACHABLE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def try_program(workdir: Path) -> ProgramRunner:
    """Run the whole program for a stack configuration; an error is in the result."""

    def run(config: Mapping[str, Any], **options: Any) -> Run:
        return run_program({"kubeconfig": "kubeconfig", **config}, **options)

    return run


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> ProgramRunner:
    """Run the whole program for a stack configuration that has no mistakes and names no file.

    Equal configurations share one run, in all processes that tests run in: treat it as read-only.
    """
    directory = tmp_path_factory.mktemp("program")
    write_kubeconfig(directory / "kubeconfig")
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "runs"
    shared.mkdir(exist_ok=True)
    done: dict[str, Run] = {}

    def once(config: Mapping[str, Any], options: Mapping[str, Any], file: Path) -> Run:
        with FileLock(file.with_suffix(".lock")):
            if not file.exists():
                with pytest.MonkeyPatch.context() as patch:
                    patch.chdir(directory)
                    run = run_program({"kubeconfig": "kubeconfig", **config}, **options)
                if run.error:
                    raise run.error
                file.write_bytes(pickle.dumps(run))
            loaded: Run = pickle.loads(file.read_bytes())
            return loaded

    def run(config: Mapping[str, Any], **options: Any) -> Run:
        key = hashlib.sha256(json.dumps([config, options]).encode()).hexdigest()
        if key not in done:
            done[key] = once(config, options, shared / f"{key}.pickle")
        return done[key]

    return run


@pytest.fixture(scope="session")
def full(program: ProgramRunner) -> Run:
    """One run of `stacks.FULL`; b's load balancer has a host name."""
    addresses = {"b": [{"hostname": "lb.b.example"}], "c": [{"ip": "192.0.2.3"}]}
    return program(FULL, addresses=addresses)


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubectl]:
    """A `kubectl` on PATH that keeps ConfigMaps (the only program on PATH)."""
    monkeypatch.delenv("PULUMI_K8S_DELETE_UNREACHABLE", raising=False)
    with FakeKubectl.installed(tmp_path / "bin") as fake:
        monkeypatch.setenv("PATH", str(fake.directory))
        yield fake
