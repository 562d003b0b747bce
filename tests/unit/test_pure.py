"""names.py, charts.py, certificates.py: plain data in, plain data out."""

from __future__ import annotations

import base64
import hashlib

import pytest

from components import certificates, charts, names

from .recorder import Run, pem


def test_names_follow_from_the_clusters_name_alone() -> None:
    assert names.trust_domain("b") == "b.remote"
    assert names.zone("b") == "svc.b.remote"
    assert names.service_host("web", "shop", "b") == "web.shop.svc.b.remote"
    assert names.local_host("web", "shop") == "web.shop.svc.cluster.local"
    assert names.ingress_host("b") == "ingress.b.remote"
    assert names.spiffe_id("b.remote", "x") == "spiffe://b.remote/ns/istio-gateways/sa/x"
    assert names.spiffe_id("d", "x") == f"spiffe://{names.principal('d', 'x')}"


def test_the_sni_of_a_link_is_matched_by_the_zone_of_its_target() -> None:
    prefix, dot, rest = names.link_sni("b").partition(".")
    assert prefix
    assert dot + rest == f".{names.zone('b')}"


def test_the_ingress_host_is_in_no_zone() -> None:
    assert not names.ingress_host("b").endswith(names.zone("b")), "it would be routed to itself"


def test_link_names_are_order_free_and_never_meet() -> None:
    assert names.link_name("a", "b") == names.link_name("b", "a") == "a_b"
    assert names.link_name("a-b", "c") != names.link_name("a", "b-c")


def test_the_default_ports_are_none_of_the_proxys_own() -> None:
    assert names.DEFAULT_LINK_PORT not in names.RESERVED_PORTS
    assert names.STATUS_PORT in names.RESERVED_PORTS


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], {}),
        ([{"a": 1}, {"a": 2}], {"a": 2}),
        ([{"a": {"x": 1, "y": 1}}, {"a": {"y": 2}}], {"a": {"x": 1, "y": 2}}),
        ([{"a": {"x": 1}}, {"a": None}], {"a": None}),
        ([{"a": 1}, {"a": {"x": 1}}, {"a": {"y": 2}}], {"a": {"x": 1, "y": 2}}),
        ([{"a": [1, 2]}, {"a": [3]}], {"a": [3]}),
    ],
)
def test_of_two_layers_the_later_wins_key_by_key(layers: list, expected: dict) -> None:
    assert charts.merge(*layers) == expected


def test_merging_leaves_its_layers_alone() -> None:
    layer = {"a": {"x": 1}}
    charts.merge(layer, {"a": {"y": 2}})["a"]["x"] = 9
    assert layer == {"a": {"x": 1}}


def test_users_values_win_over_ours_but_not_over_what_links_need() -> None:
    user = {
        "autoscaleMin": 7,
        "global": {"hub": "mine"},
        "meshConfig": {"trustDomain": "wrong", "accessLogFile": "/dev/stdout"},
    }
    ours = {"trust_domain": "a.remote", "root_fingerprint": "AB:CD", "version": "1"}
    values = charts.istiod_values(user, **ours, replicas=2, hub="h")
    assert values == {
        "autoscaleMin": 7,
        "replicaCount": 2,
        "global": {"hub": "mine", "tag": "1"},
        "meshConfig": {"trustDomain": "a.remote", "accessLogFile": "/dev/stdout"},
        "podAnnotations": {"istio-multicluster/root-fingerprint": "AB:CD"},
    }
    bare = charts.istiod_values({}, **ours, replicas=1, hub="")
    assert "global" not in bare, "without a hub the chart's own images"


def test_users_values_cannot_close_the_link_port_of_a_gateway() -> None:
    ports = charts.egress_ports(15443)
    user = {"service": {"type": "NodePort", "ports": []}, "podDisruptionBudget": {}}
    service = {"type": "ClusterIP", "ports": ports}
    values = charts.gateway_values(user, service=service, replicas=3)
    assert values["service"] == {"type": "NodePort", "ports": ports}
    assert values["autoscaling"] == {"minReplicas": 3}
    assert values["replicaCount"] == 3
    assert values["podDisruptionBudget"] == {"minAvailable": 1}


def test_gateways_open_the_link_port_and_what_was_asked_for() -> None:
    found = [(p["name"], p["port"]) for p in charts.ingress_ports(15443, (80, 443, 8080))]
    assert found == [
        ("status-port", 15021),
        ("tls", 15443),
        ("http-80", 80),
        ("https-443", 443),
        ("http-8080", 8080),
    ]
    assert [p["port"] for p in charts.egress_ports(7)] == [7]
    for port in charts.ingress_ports(15443, (80,)):
        assert port["targetPort"] == port["port"], "Gateways select by the port of the pod"
        assert port["protocol"] == "TCP"


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("oci://r/charts", {"chart": "oci://r/charts/base", "version": "1"}),
        ("https://r", {"chart": "base", "version": "1", "repository_opts": {"repo": "https://r"}}),
        (".lab/charts", {"chart": ".lab/charts/base"}),
    ],
)
def test_charts_are_found_in_each_kind_of_repository(repository: str, expected: dict) -> None:
    assert charts.location(repository, "base", "1") == expected


def test_the_program_hands_these_values_to_the_charts(full: Run) -> None:
    assert full["Release b-istiod"].inputs["values"]["meshConfig"] == {"trustDomain": "b.example"}
    assert full["Release b-istiod"].inputs["timeout"] == charts.TIMEOUT_SECONDS
    for role, kind in (("ingressgateway", "LoadBalancer"), ("egressgateway", "ClusterIP")):
        chart = full[f"Chart b-{role}"]
        assert chart.object_name == f"Chart istio-gateways/istio-{role}", (
            "the release's name makes the label `istio` and the ServiceAccount"
        )
        service = chart.inputs["values"]["service"]
        assert service["type"] == kind
        assert 15444 in [p["port"] for p in service["ports"]], "the cluster's own link port"
    ingress = full["Chart a-ingressgateway"].inputs["values"]
    assert [p["port"] for p in ingress["service"]["ports"]] == [15021, 15443, 80, 443]
    assert ingress["replicaCount"] == 2
    assert full["Release a-base"].inputs["name"] == "istio-base"
    assert full["Release a-istiod"].object_name == "Release istio-system/istiod"


CHAIN = pem("CERTIFICATE", "ca") + pem("CERTIFICATE", "between")


def test_cert_managers_secret_becomes_istios() -> None:
    data = {"tls.crt": CHAIN, "tls.key": "key", "ca.crt": "root"}
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    assert certificates.cacerts_of_tls_secret(encoded) == {
        "ca_cert": pem("CERTIFICATE", "ca"),
        "ca_key": "key",
        "cert_chain": CHAIN,
        "root_cert": "root",
    }


@pytest.mark.parametrize("text", ["", "text", pem("PRIVATE KEY", "x")])
def test_what_is_no_certificate_is_not_taken_for_one(text: str) -> None:
    assert certificates.pem_certificates(text) == []


def test_the_fingerprint_is_that_of_the_first_certificate() -> None:
    digest = certificates.fingerprint(f"comment\n{CHAIN}")
    assert digest.replace(":", "").lower() == hashlib.sha256(b"ca").hexdigest()
    assert digest.count(":") == 31
