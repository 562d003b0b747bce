"""What the root cluster is asked to issue, and the rights of our DNS."""

from __future__ import annotations

import pytest

from .conftest import ProgramRunner
from .recorder import Run
from .stacks import stack


@pytest.mark.parametrize("cluster", ["a", "b", "c"])
def test_each_cluster_gets_a_ca_of_its_own_signed_by_the_root(full: Run, cluster: str) -> None:
    name = f"cluster-ca-{cluster}"
    found = full[f"Certificate root-ca-{name}-certificate"]
    assert found.object_name == f"Certificate istio-root-ca/{name}"
    assert found.spec["isCA"] is True
    assert found.spec["secretName"] == name
    assert found.spec["issuerRef"] == {"name": "root-ca", "kind": "Issuer"}
    assert found.spec["duration"] == "2160h0m0s"
    assert found.spec["renewBefore"] == "720h0m0s"
    assert found.spec["privateKey"]["rotationPolicy"] == "Always"
    assert "root-ca-root-ca-issuer" in found.depends_on


def test_the_root_signs_itself_and_keeps_its_key(full: Run) -> None:
    root = full["Certificate root-ca-root-ca-certificate"].spec
    assert root["isCA"] is True
    assert root["issuerRef"]["name"] == "self-signed"
    assert root["privateKey"]["rotationPolicy"] == "Never", "all clusters trust this key"
    assert full["Issuer root-ca-self-signed-issuer"].spec == {"selfSigned": {}}
    assert full["Issuer root-ca-root-ca-issuer"].spec == {"ca": {"secretName": "root-ca"}}


def test_every_wait_for_cert_manager_is_bounded(full: Run) -> None:
    for key, o in full.children("root-ca").items():
        if "cert-manager.io" in o.inputs.get("apiVersion", ""):
            annotations = o.inputs["metadata"]["annotations"]
            assert annotations["pulumi.com/waitFor"] == "condition=Ready", key
            assert 0 < int(annotations["pulumi.com/timeoutSeconds"]) <= 600, key


def test_lifetimes_are_the_configured_ones(program: ProgramRunner) -> None:
    root = {"context": "ctx-root", "namespace": "ca", "lifetimeDays": 10, "renewBeforeDays": 3}
    run = program({**stack("ab"), "rootCa": root})
    spec = run["Certificate root-ca-cluster-ca-a-certificate"].spec
    assert (spec["duration"], spec["renewBefore"]) == ("240h0m0s", "72h0m0s")
    namespaces = {
        o.inputs["metadata"].get("namespace", "ca")
        for o in run.children("root-ca").values()
        if not o.read
    }
    assert namespaces == {"ca"}
