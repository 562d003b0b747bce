"""Cluster c, whose sidecars answer for the linked zones. The other modes are in tests/engine."""

from __future__ import annotations

import copy

import pytest

from tests.e2e.conftest import Mesh
from tests.e2e.test_dns import dig
from tests.support import workloads
from tests.support.wait import until

CORE_DNS = ("istio-system", "app=core-dns")
CALL = "http://echo.apps.svc.b.remote:7777/debug?env=dump"


@pytest.mark.parametrize(
    ("name", "kind", "status", "answers"),
    [
        ("echo.apps.svc.b.remote", "A", "NOERROR", ["240.0.0.1"]),
        ("ECHO.apps.svc.A.remote", "A", "NOERROR", ["240.0.0.1"]),
        ("echo.apps.svc.b.remote", "AAAA", "NOERROR", []),
        # What the mesh does not know is the business of the cluster's DNS, and of what is above it.
        ("echo.apps.svc.unknown.remote", "A", "NXDOMAIN", []),
        ("echo.apps.svc.unknown.remote", "AAAA", "NXDOMAIN", []),
        ("echo.apps.svc.c.remote", "A", "NXDOMAIN", []),
        ("ingress.b.remote", "A", "NXDOMAIN", []),
        ("kubernetes.default.svc.cluster.local", "A", "NOERROR", ["10.96.0.1"]),
    ],
)
@pytest.mark.parametrize("namespace", [workloads.NAMESPACE, workloads.STRICT])
def test_a_sidecar_answers_for_linked_zones(
    mesh: Mesh, namespace: str, name: str, kind: str, status: str, answers: list[str]
) -> None:
    seen_status, seen_answers, seconds = dig(mesh, name, kind, "c", namespace)
    assert (seen_status, seen_answers) == (status, answers)
    assert seconds < 1


@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_a_pod_without_a_sidecar_knows_no_linked_zone(mesh: Mesh, kind: str) -> None:
    seen = dig(mesh, "echo.apps.svc.b.remote", kind, "c", workloads.PLAIN)[:2]
    assert seen == ("NXDOMAIN", []), "nobody else answers in this mode"


def test_the_clusters_dns_is_left_alone_and_there_is_none_of_ours(mesh: Mesh) -> None:
    kube = mesh.clusters["c"]
    text = kube.get("configmap", "coredns", "-n", "kube-system")["data"]["Corefile"]
    assert "remote" not in text
    kinds = "deployments,services,configmaps,serviceaccounts,poddisruptionbudgets"
    found = kube.get(kinds, "-n", "istio-system")["items"]
    assert not [o for o in found if o["metadata"]["name"].startswith("core-dns")]
    roles = kube.get("clusterroles")["items"]
    assert "istio-multicluster:core-dns" not in {o["metadata"]["name"] for o in roles}


def test_an_ipv6_dummy_is_answered_by_servers_and_sidecars(mesh: Mesh) -> None:
    config = copy.deepcopy(mesh.config)
    config["remoteDns"] = {"address6": "100::1"}
    asked = [("a", workloads.PLAIN), ("c", workloads.NAMESPACE)]

    def answers() -> list[list[str]]:
        return [dig(mesh, "echo.apps.svc.b.remote", "AAAA", *at)[1] for at in asked]

    mesh.stack.configure(config)
    try:
        mesh.stack.up()
        mesh.clusters["a"].refresh_volumes(*CORE_DNS)
        until(answers, lambda seen: seen == [["100::1"]] * 2, 240, "AAAA must be answered")
        # The lab's pods have no IPv6: a client then takes the other address.
        for cluster in "ac":
            assert mesh.call(cluster, CALL) == "200 CLUSTER=b"
    finally:
        mesh.stack.configure(mesh.config)
        mesh.stack.up()
    mesh.clusters["a"].refresh_volumes(*CORE_DNS)
    until(answers, lambda seen: seen == [[]] * 2, 240, "AAAA must be empty again")
