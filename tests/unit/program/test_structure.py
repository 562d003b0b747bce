"""What the sources look like, and that runs repeat: same configuration, same registrations."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import PROJECT_DIR, Run
from tests.unit.support.stacks import FULL, stack

COMPONENTS = sorted((PROJECT_DIR / "components").rglob("*.py"))
PROGRAM = [
    PROJECT_DIR / "__main__.py",
    *COMPONENTS,
    *(path for room in ("config", "stack", "ops") for path in (PROJECT_DIR / room).rglob("*.py")),
]
EDGE = {
    "cluster_dns.py",
    "crl_rollout.py",
    "crl_signing.py",
    "destroy_guard.py",
    "ingress_addresses.py",
    "istiod_leftovers.py",
    "kubectl.py",
    "__init__.py",
}
"""Dynamic providers run in a process of their own, where no argument can be handed in."""


def test_main_stays_readable_at_a_glance() -> None:
    lines = (PROJECT_DIR / "__main__.py").read_text().splitlines()
    assert sum(not line.startswith(("import ", "from ")) for line in lines) < 50


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.name)
def test_components_read_no_config_environment_or_file(path: Path) -> None:
    if path.name in EDGE:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0]} if node.level == 0 else set()
            assert "Config" not in {alias.name for alias in node.names}
        else:
            names = set()
        assert not names & {"os", "io", "pathlib", "subprocess", "socket", "config", "time"}
        if isinstance(node, ast.Name):
            assert node.id not in {"open", "input", "exec", "eval"}
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"environ", "getenv", "Config", "read_text"}


def test_only_one_module_makes_providers() -> None:
    makers = [
        path.name
        for path in PROGRAM
        if re.search(r"k8s\.Provider\($|k8s\.Provider\([^)]", path.read_text())
    ]
    assert makers == ["providers.py"]


CURRENT = {
    "v1",
    "apps/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
    "networking.k8s.io/v1",
    "networking.istio.io/v1",
    "security.istio.io/v1",
    "cert-manager.io/v1",
}


def test_every_object_is_of_a_current_api_version(full: Run) -> None:
    found = {o.inputs["apiVersion"] for o in full.objects.values() if "apiVersion" in o.inputs}
    assert found == CURRENT


def test_every_istio_mtls_is_istio_mutual(full: Run) -> None:
    modes = set(re.findall(r"'mode': '([A-Z_]+)'", str([o.inputs for o in full.objects.values()])))
    assert modes == {"ISTIO_MUTUAL", "STRICT"}
    strict = full["PeerAuthentication a-strict-mtls"]
    assert strict.object_name == "PeerAuthentication istio-system/default", "mesh-wide"
    assert strict.spec == {"mtls": {"mode": "STRICT"}}


def test_a_run_leaves_no_state_for_the_next(
    program: ProgramRunner, try_program: ProgramRunner
) -> None:
    first = program(FULL)
    assert try_program(stack("cde")).error is None
    assert try_program({"clusters": {}}).error is not None
    assert try_program(FULL).dump() == first.dump(), "the modules are imported once for all tests"


DUMP = """
import sys
sys.path[:0] = {paths!r}
from tests.unit.support.recorder import run_program
from tests.unit.support.stacks import FULL
run = run_program({{"kubeconfig": "kubeconfig", **FULL}})
assert run.error is None, run.error
print(run.dump())
"""


def test_registrations_do_not_depend_on_the_hash_seed(
    workdir: Path, program: ProgramRunner
) -> None:
    script = DUMP.format(paths=[str(PROJECT_DIR)])
    here = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**here, "PYTHONHASHSEED": seed},
            cwd=workdir,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    one, other = (process.communicate(timeout=60)[0] for process in started)
    assert one.count("\n") > 100, "the dump is of the whole program"
    assert one == other
    assert one.rstrip("\n") == program(FULL).dump(), "nor on what this process did before"
