"""lab/cluster/network_policies.py: the rights of what enforces them, and who starts it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from rich.console import Console

from lab import instance
from lab.cluster import addons, network_policies, pki
from lab.errors import LabError
from lab.instance import Cluster, Instance
from lab.machine.processes import Process, processes
from lab.software import binaries
from tools import build


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Cluster]:
    """A cluster with a node and one without."""
    monkeypatch.setattr(instance, "STATE_ROOT", tmp_path)
    return Instance("unit").plan(["a", "root"])


class FakeApi:
    """An API where the rights are there or not."""

    def __init__(self, there: bool) -> None:
        self.there = there

    def exists(self, path: str) -> bool:
        assert path.endswith("/clusterrolebindings/network-policies")
        return self.there


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was applied and started."""
    found: list[Any] = []
    monkeypatch.setattr(addons, "apply", lambda cluster, kubectl, text: found.append(text))
    monkeypatch.setattr(Process, "start", lambda process, command: found.append(command))
    return found


BINARIES = {"kubectl": Path("/kubectl"), "kube-router": Path("/kube-router")}


def test_rights_come_first_and_are_to_read_only(clusters: list[Cluster], done: list[Any]) -> None:
    network_policies.start(clusters[0], FakeApi(False), BINARIES)  # type: ignore[arg-type]
    manifest, command = done
    role, binding = (json.loads(part) for part in manifest.split("\n---\n"))
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert {name for rule in role["rules"] for name in rule["resources"]} == {
        "nodes",
        "pods",
        "namespaces",
        "networkpolicies",
    }
    (nodes,) = [rule for rule in role["rules"] if "nodes" in rule["resources"]]
    assert (nodes["resourceNames"], nodes["verbs"]) == (["node-a"], ["get"]), "its own"
    assert [subject["name"] for subject in binding["subjects"]] == ["network-policies"]
    assert f"--kubeconfig={pki.DIR}/network-policies.kubeconfig" in command


def test_rights_are_given_once(clusters: list[Cluster], done: list[Any]) -> None:
    network_policies.start(clusters[0], FakeApi(True), BINARIES)  # type: ignore[arg-type]
    (command,) = done
    assert command[0] == Path("/kube-router")


def test_its_user_is_in_no_group_and_an_older_lab_gets_it_too(clusters: list[Cluster]) -> None:
    pki.ensure(clusters[0])
    folder = clusters[0].path(pki.DIR)
    for name in ("network-policies.crt", "network-policies.key", "network-policies.kubeconfig"):
        (folder / name).unlink()
    pki.ensure(clusters[0])
    found = x509.load_pem_x509_certificate((folder / "network-policies.crt").read_bytes())
    assert [str(part.value) for part in found.subject] == ["network-policies"]
    assert found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME) == []
    config = yaml.safe_load((folder / "network-policies.kubeconfig").read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


def test_only_a_cluster_with_a_node_has_the_process_and_needs_the_binary(
    clusters: list[Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(binaries.BINARIES_VARIABLE, raising=False)
    monkeypatch.setattr(build, "ensure", lambda families, console: families)
    with_node, without = clusters
    for cluster, expected in ((with_node, True), (without, False)):
        assert ("network-policies" in [p.name for p in processes(cluster)]) == expected
        families = binaries.ensure([cluster], Console(quiet=True))
        assert ("kube-router" in families) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("-N KUBE-ROUTER-FORWARD\n", False),
        ("-N KUBE-ROUTER-FORWARD\n-A KUBE-ROUTER-FORWARD -j KUBE-NWPLCY-TAIL\n", True),
        (None, False),
    ],
)
def test_enforced_is_when_the_last_rule_is_there(
    clusters: list[Cluster], monkeypatch: pytest.MonkeyPatch, rules: str | None, expected: bool
) -> None:
    def run(cluster: Cluster, command: list[str]) -> str:
        if rules is None:
            raise LabError("iptables: No chain/target/match by that name.")
        return rules

    monkeypatch.setattr(network_policies, "run", run)
    assert network_policies.enforced(clusters[0]) == expected
