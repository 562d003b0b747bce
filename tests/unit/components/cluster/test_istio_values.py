"""charts.py: plain data in, plain data out; and what the program hands to the charts."""

from __future__ import annotations

from typing import Any

import pytest

from components.charts import helm
from components.cluster import istio_values
from tests.unit.support.recorder import Run


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
def test_of_two_layers_the_later_wins_key_by_key(
    layers: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    assert helm.merge(*layers) == expected


def test_merging_leaves_its_layers_alone() -> None:
    layer = {"a": {"x": 1}}
    helm.merge(layer, {"a": {"y": 2}})["a"]["x"] = 9
    assert layer == {"a": {"x": 1}}


NO_IMAGES = {"hub": "", "tag": "1", "istiod": "", "proxy": ""}
PLUGGED = {"name": "cacerts-required", "secret": {"secretName": "cacerts"}}


def istiod(user: dict[str, Any] | None = None, **further: Any) -> dict[str, Any]:
    """Return the values of istiod's chart."""
    usual = {"trust_domain": "a.remote", "plugged": True, "replicas": 1, "images": NO_IMAGES}
    return istio_values.istiod_values(user or {}, **{**usual, **further})


def gateway(user: dict[str, Any] | None = None, **further: Any) -> dict[str, Any]:
    """Return the values of a gateway's chart."""
    usual = {"service": SERVICE, "replicas": 1, "secrets": False, "revocation": ""}
    return istio_values.gateway_values(user or {}, **{**usual, **further})


SERVICE = {"type": "ClusterIP", "ports": istio_values.egress_ports(15443)}


def test_users_values_win_over_ours_but_not_over_what_links_need() -> None:
    user = {
        "autoscaleMin": 7,
        "global": {"hub": "mine"},
        "env": {"ISTIO_MULTIROOT_MESH": "false", "PILOT_TRACE_SAMPLING": "1"},
        "meshConfig": {
            "trustDomain": "wrong",
            "accessLogFile": "/dev/stdout",
            "defaultConfig": {"proxyMetadata": {"PROXY_CONFIG_XDS_AGENT": "false", "MINE": "1"}},
        },
    }
    values = istiod(user, replicas=2, plugged=False, images={**NO_IMAGES, "hub": "h"})
    assert values == {
        "autoscaleMin": 7,
        "replicaCount": 2,
        "global": {"hub": "mine", "tag": "1"},
        "seccompProfile": {"type": "RuntimeDefault"},
        "extraContainerArgs": ["--grpcAddr="],
        "env": {
            "ISTIO_MULTIROOT_MESH": "true",
            "PILOT_TRACE_SAMPLING": "1",
            "ENABLE_DEBUG_ON_HTTP": "false",
        },
        "meshConfig": {
            "trustDomain": "a.remote",
            "accessLogFile": "/dev/stdout",
            "defaultConfig": {"proxyMetadata": {"PROXY_CONFIG_XDS_AGENT": "true", "MINE": "1"}},
        },
    }
    assert "global" not in istiod(), "without a hub the chart's own images"


def test_istiod_does_not_start_without_its_ca() -> None:
    values = istiod()
    assert values["volumes"] == [PLUGGED], "not optional: the pod waits for the Secret"
    (mount,) = values["volumeMounts"]
    assert mount["name"] == PLUGGED["name"]
    assert mount["readOnly"] is True
    bare = istiod(plugged=False)
    assert not {"volumes", "volumeMounts"} & set(bare), "it signs with a root of its own"


@pytest.mark.parametrize("plugged", [True, False])
def test_the_users_own_volumes_stay(plugged: bool) -> None:
    volume, mount = {"name": "mine", "emptyDir": {}}, {"name": "mine", "mountPath": "/mine"}
    user = {"volumes": [volume], "volumeMounts": [mount]}
    values = istiod(user, plugged=plugged)
    assert values["volumes"] == [volume, *([PLUGGED] if plugged else [])]
    assert values["volumeMounts"][0] == mount
    assert len(values["volumeMounts"]) == len(values["volumes"])
    assert user == {"volumes": [volume], "volumeMounts": [mount]}
    assert istiod({"volumes": None, "volumeMounts": None})["volumes"] == [PLUGGED]


PILOT = "r.example/istio/pilot@sha256:" + "1" * 64
PROXY = "r.example/istio/proxyv2@sha256:" + "2" * 64


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({}, {}),
        ({"istiod": PILOT}, {"image": PILOT}),
        (
            {"proxy": PROXY},
            {"global": {"proxy": {"image": PROXY}, "proxy_init": {"image": PROXY}}},
        ),
        (
            {"hub": "h", "istiod": PILOT, "proxy": PROXY},
            {
                "image": PILOT,
                "global": {
                    "hub": "h",
                    "tag": "1",
                    "proxy": {"image": PROXY},
                    "proxy_init": {"image": PROXY},
                },
            },
        ),
    ],
)
def test_images_are_pinned_by_digest_where_they_are_named(
    images: dict[str, str], expected: dict[str, Any]
) -> None:
    values = istiod(images={**NO_IMAGES, **images})
    assert {key: values[key] for key in ("image", "global") if key in values} == expected


def test_users_values_cannot_close_the_link_port_of_a_gateway() -> None:
    user = {"service": {"type": "NodePort", "ports": []}, "podDisruptionBudget": {}}
    values = gateway(user, replicas=3)
    assert values["service"] == SERVICE, "its type, too, is what `ingress` says"
    assert values["autoscaling"] == {"minReplicas": 3}
    assert values["replicaCount"] == 3
    assert values["podDisruptionBudget"] == {"minAvailable": 1}


def test_a_gateway_reads_secrets_only_where_it_may_need_them(full: Run) -> None:
    rights = {
        key.removeprefix("Chart "): o.inputs["values"]["rbac"]["enabled"]
        for key, o in full.kind("Chart").items()
        if key.endswith("gateway")
    }
    north_south = {"a-ingressgateway"}
    assert {key for key, enabled in rights.items() if enabled} == north_south
    assert len(rights) == 6


def test_another_revocation_restarts_the_gateways_and_nothing_else_does() -> None:
    annotation = "istio-multicluster/revocation"
    assert gateway(revocation="1")["podAnnotations"] == {annotation: "1"}
    assert "podAnnotations" not in gateway(), "without lists there is nothing to restart for"
    user = {"podAnnotations": {"mine": "1", annotation: "mine"}}
    assert gateway(user, revocation="2")["podAnnotations"] == {"mine": "1", annotation: "2"}


def test_gateways_have_the_revocation_lists_and_do_not_start_without_them() -> None:
    # In Istio's own template for gateways they are missing (its template for sidecars has them).
    mine = {"name": "mine"}
    values = gateway({"volumes": [mine], "volumeMounts": [mine]}, revocation="1")
    volume = {"name": "istio-ca-crl", "configMap": {"name": "istio-ca-crl"}}
    assert values["volumes"] == [mine, volume], "and it is not optional"
    mount = {"name": "istio-ca-crl", "mountPath": "/var/run/secrets/istio/crl", "readOnly": True}
    assert values["volumeMounts"] == [mine, mount]
    assert "volumes" not in gateway()


def test_gateway_pods_are_taken_by_a_restricted_namespace(full: Run) -> None:
    for key, o in full.kind("Namespace").items():
        label = o.inputs["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
        ours = o.parent in full.components and "cert-manager" not in key and "bookinfo" not in key
        assert label == ("restricted" if ours else None), key
    gateways = {key: o for key, o in full.kind("Chart").items() if key.endswith("gateway")}
    assert len(gateways) == 6
    for key, o in gateways.items():
        security = o.inputs["values"]["securityContext"]
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, key
        assert security["sysctls"], f"{key}: a user of its own, who listens on ports below 1024"


def test_gateways_open_the_link_port_and_what_was_asked_for() -> None:
    found = [(p["name"], p["port"]) for p in istio_values.ingress_ports(15443, (80, 443, 8080))]
    assert found == [
        ("status-port", 15021),
        ("tls", 15443),
        ("http-80", 80),
        ("https-443", 443),
        ("http-8080", 8080),
    ]
    assert [p["port"] for p in istio_values.egress_ports(7)] == [7]
    for port in istio_values.ingress_ports(15443, (80,)):
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
def test_charts_are_found_in_each_kind_of_repository(
    repository: str, expected: dict[str, Any]
) -> None:
    assert helm.location(repository, "base", "1") == expected


def test_the_program_hands_these_values_to_the_charts(full: Run) -> None:
    values = full["Chart b-istiod"].inputs["values"]
    assert values["meshConfig"]["trustDomain"] == "b.example"
    assert values["volumes"] == [PLUGGED]
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
    assert full["Chart a-base"].inputs["name"] == "istio-base"
    assert full["Chart a-istiod"].object_name == "Chart istio-system/istiod"
