"""Our CoreDNS: rights, pods, Service."""

from __future__ import annotations

import pytest

from components.dns import corefile, remote_dns
from tests.unit.support.recorder import Run

pytestmark = pytest.mark.parametrize("cluster", ["a", "b", "c"])


def test_it_may_read_what_it_serves_and_nothing_else(full: Run, cluster: str) -> None:
    role = full[f"ClusterRole {cluster}-dns-role"]
    rights = {
        (r, v) for rule in role.inputs["rules"] for r in rule["resources"] for v in rule["verbs"]
    }
    assert rights == {
        (resource, verb)
        for resource in ("services", "namespaces", "endpointslices")
        for verb in ("list", "watch")
    }
    name = role.inputs["metadata"]["name"]
    assert name != "system:coredns", "kubeadm clusters own it"
    binding = full[f"ClusterRoleBinding {cluster}-dns-role-binding"].inputs
    assert binding["roleRef"]["name"] == name
    account = {"kind": "ServiceAccount", "name": "core-dns", "namespace": "istio-system"}
    assert binding["subjects"] == [account]


def test_its_service_leads_to_its_pods_and_is_scraped(full: Run, cluster: str) -> None:
    service = full[f"Service {cluster}-dns-service"]
    deployment = full[f"Deployment {cluster}-dns-deployment"]
    assert service.object_name == "Service istio-system/core-dns"
    assert service.inputs["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert {(p["port"], p["targetPort"], p["protocol"]) for p in service.spec["ports"]} == {
        (53, corefile.PORT, "UDP"),
        (53, corefile.PORT, "TCP"),
    }
    template = deployment.spec["template"]
    for key, value in service.spec["selector"].items():
        assert template["metadata"]["labels"][key] == value
        assert deployment.spec["selector"]["matchLabels"][key] == value


def test_its_pods_are_unprivileged_and_resolve_with_the_nodes_resolver(
    full: Run, cluster: str
) -> None:
    spec = full[f"Deployment {cluster}-dns-deployment"].spec
    assert spec["replicas"] == 2, "by default, whatever the cluster's `replicas`"
    pod = spec["template"]["spec"]
    assert pod["dnsPolicy"] == "Default", "ClusterFirst would ask itself in a circle"
    assert pod["serviceAccountName"] == "core-dns"
    security = pod["containers"][0]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False


def test_it_serves_the_corefile_of_the_program(full: Run, cluster: str) -> None:
    config = full[f"ConfigMap {cluster}-dns-config"]
    assert config.object_name == "ConfigMap istio-system/core-dns"
    assert config.inputs["data"] == {"Corefile": corefile.server_config()}


def test_its_pods_are_spread_and_never_all_away(full: Run, cluster: str) -> None:
    deployment = full[f"Deployment {cluster}-dns-deployment"].spec
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    pod = deployment["template"]["spec"]
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway", "there may be one node only"
    assert pod["terminationGracePeriodSeconds"] > corefile.LAMEDUCK_SECONDS
    assert pod["containers"][0]["readinessProbe"]["httpGet"] == {"path": "/ready", "port": 8181}
    budget = full[f"PodDisruptionBudget {cluster}-dns-disruption"].spec
    assert budget["maxUnavailable"] == 1
    selector = deployment["selector"]["matchLabels"]
    assert budget["selector"]["matchLabels"] == spread["labelSelector"]["matchLabels"] == selector


def test_another_corefile_makes_new_pods(
    full: Run, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def annotation() -> str:
        metadata = remote_dns.deployment_spec("image", 2, [])["template"]["metadata"]
        digest: str = metadata["annotations"]["istio-multicluster/corefile"]
        return digest

    before = annotation()
    found = full[f"Deployment {cluster}-dns-deployment"].spec["template"]["metadata"]
    assert found["annotations"] == {"istio-multicluster/corefile": before}
    monkeypatch.setattr(corefile, "server_config", lambda: "another")
    assert annotation() != before


def test_its_service_has_both_families_where_the_cluster_does(full: Run, cluster: str) -> None:
    assert full[f"Service {cluster}-dns-service"].spec["ipFamilyPolicy"] == "PreferDualStack"
