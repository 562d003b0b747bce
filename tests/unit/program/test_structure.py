"""What is current in what is asked for, and that runs repeat: same configuration, same requests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.conftest import ProgramRunner
from tests.unit.support.recorder import PROJECT_DIR, Run
from tests.unit.support.stacks import FULL, stack

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
