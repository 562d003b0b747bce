"""A state that is lost: another one takes the clusters over while they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.confirmations import TAKE_OVER
from components.ownership.look import MARK
from tests.conftest import Lab
from tests.e2e.conftest import Mesh
from tests.e2e.trust import URL, no_request_failed
from tests.support import workloads
from tests.support.kube import Kube
from tests.support.load import load
from tests.support.stack import Stack

KINDS = "deployments,services,secrets,gateways.networking,virtualservices,authorizationpolicies"


def uids(kube: Kube) -> dict[str, str]:
    """Return the UIDs of what would be interrupted if it were made anew."""
    return {
        f"{item['kind']} {namespace}/{item['metadata']['name']}": item["metadata"]["uid"]
        for namespace in ("istio-system", "istio-gateways")
        for item in kube.get(KINDS, "-n", namespace)["items"]
    }


def test_another_state_takes_over_without_a_failed_request(
    lab: Lab, mesh: Mesh, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = {name: uids(kube) for name, kube in mesh.clusters.items()}
    mark = mesh.clusters["a"].get("configmap", MARK, "-n", "istio-gateways")["data"]
    directory: Path = tmp_path_factory.mktemp("lost-state")
    other = Stack(directory, lab.kubeconfig, mesh.config)
    with load(mesh.clusters["a"], workloads.NAMESPACE, URL) as result:
        other.use_environment(**{TAKE_OVER: mark["stackId"]})
        other.up()
        other.use_environment()
        assert set(other.preview()) <= {"same", "read"}
    no_request_failed(result, "state lost and taken over")
    assert {name: uids(kube) for name, kube in mesh.clusters.items()} == before
    # The same way a state moves to another backend: that of all other tests.
    mesh.stack.stack.import_stack(other.stack.export_stack())
    assert set(mesh.stack.preview()) <= {"same", "read"}
