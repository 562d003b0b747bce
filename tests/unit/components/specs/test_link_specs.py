"""What stands in the objects of a link, seen through the whole program."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.support.recorder import Run

DIRECTIONS = {
    # source, target: source's link port, target's link port, target's trust domain
    ("a", "b"): (15443, 15444, "b.example"),
    ("b", "a"): (15444, 15443, "a.remote"),
    ("a", "c"): (15443, 15443, "c.remote"),
    ("c", "a"): (15443, 15443, "a.remote"),
}
EGRESS = "istio-egressgateway.istio-gateways.svc.cluster.local"

pytestmark = pytest.mark.parametrize(("source", "target"), DIRECTIONS)


def spec(run: Run, kind: str, source: str, target: str, suffix: str) -> dict[str, Any]:
    link = "_".join(sorted((source, target)))
    return run[f"{kind} {link}-{source}-to-{target}-{suffix}"].spec


def test_the_remote_ingress_is_known_to_gateways_only(full: Run, source: str, target: str) -> None:
    port = DIRECTIONS[source, target][1]
    resolution, address = {
        "a": ("STATIC", "192.0.2.1"),
        "b": ("DNS", "lb.b.example"),
        "c": ("STATIC", "192.0.2.3"),
    }[target]
    assert spec(full, "ServiceEntry", source, target, "ingress") == {
        "hosts": [f"ingress.{target}.remote"],
        "location": "MESH_EXTERNAL",
        "ports": [{"number": port, "name": "http-link", "protocol": "HTTP"}],
        "resolution": resolution,
        "endpoints": [{"address": address}],
        "exportTo": ["."],
    }


def test_the_remote_ingress_has_to_prove_its_identity(full: Run, source: str, target: str) -> None:
    domain = DIRECTIONS[source, target][2]
    identity = f"spiffe://{domain}/ns/istio-gateways/sa/istio-ingressgateway"
    assert spec(full, "DestinationRule", source, target, "ingress") == {
        "host": f"ingress.{target}.remote",
        "exportTo": ["."],
        "trafficPolicy": {
            "connectionPool": {
                "tcp": {
                    "connectTimeout": "5s",
                    "tcpKeepalive": {"time": "60s", "interval": "15s", "probes": 3},
                },
                "http": {"useClientProtocol": True},
            },
            # What a service answers never counts against the gateway of all services.
            "outlierDetection": {
                "consecutive5xxErrors": 0,
                "splitExternalLocalOriginErrors": True,
                "consecutiveLocalOriginFailures": 5,
                "interval": "5s",
                "baseEjectionTime": "5s",
                "maxEjectionPercent": 100,
            },
            "tls": {
                "mode": "ISTIO_MUTUAL",
                "sni": f"link.svc.{target}.remote",
                "subjectAltNames": [identity],
            },
        },
    }
    exported = full.exports["clusters"][target]["ingressSpiffeId"]
    assert exported == identity, "what is pinned is what the cluster says of itself"


def test_sidecars_speak_mtls_with_an_explicit_sni_to_the_egress_gateway(
    full: Run, source: str, target: str
) -> None:
    port = DIRECTIONS[source, target][0]
    tls = {"mode": "ISTIO_MUTUAL", "sni": f"link.svc.{target}.remote"}
    pool = {"tcp": {"connectTimeout": "5s"}, "http": {"useClientProtocol": True}}
    setting = {"port": {"number": port}, "connectionPool": pool, "tls": tls}
    policy = {"portLevelSettings": [setting]}
    assert spec(full, "DestinationRule", source, target, "egress") == {
        "host": EGRESS,
        "subsets": [{"name": target, "trafficPolicy": policy}],
    }


def test_the_egress_gateway_takes_the_targets_zone_over_mtls(
    full: Run, source: str, target: str
) -> None:
    port = DIRECTIONS[source, target][0]
    assert spec(full, "Gateway", source, target, "egress") == {
        "selector": {"istio": "egressgateway"},
        "servers": [
            {
                "port": {"number": port, "name": f"https-{target}", "protocol": "HTTPS"},
                "hosts": [f"./*.svc.{target}.remote"],
                "tls": {"mode": "ISTIO_MUTUAL"},
            }
        ],
    }


def test_the_route_goes_through_the_egress_gateway_to_the_remote_ingress(
    full: Run, source: str, target: str
) -> None:
    source_port, target_port, _ = DIRECTIONS[source, target]
    gateway = f"istio-gateways/{target}-egress"
    to_egress = {"host": EGRESS, "subset": target, "port": {"number": source_port}}
    to_ingress = {"host": f"ingress.{target}.remote", "port": {"number": target_port}}
    assert spec(full, "VirtualService", source, target, "services") == {
        "hosts": [f"*.svc.{target}.remote"],
        "gateways": ["mesh", gateway],
        "http": [
            {
                "match": [{"gateways": [at]}],
                "route": [{"destination": to}],
                "retries": {"attempts": 2, "retryOn": "connect-failure,refused-stream"},
            }
            for at, to in (("mesh", to_egress), (gateway, to_ingress))
        ],
    }
    made = full[f"Gateway {'_'.join(sorted((source, target)))}-{source}-to-{target}-egress"]
    assert made.object_name == f"Gateway {gateway}", "the route names the Gateway that is made"


def test_the_zone_has_the_ports_that_the_source_may_call(
    full: Run, source: str, target: str
) -> None:
    ports = {("b", "a"): [80, 8443, 9080], ("c", "a"): [80, 8443], ("a", "b"): [9080]}
    assert spec(full, "ServiceEntry", source, target, "services") == {
        "hosts": [f"*.svc.{target}.remote"],
        "location": "MESH_EXTERNAL",
        "ports": [
            {"number": port, "name": f"http-{port}", "protocol": "HTTP"}
            for port in ports.get((source, target), [80])  # a ServiceEntry needs at least one
        ],
        "resolution": "NONE",
    }


def test_the_zones_dns_answers_the_dummy_address(full: Run, source: str, target: str) -> None:
    link = "_".join(sorted((source, target)))
    zone = full[f"ConfigMap {link}-{source}-to-{target}-dns-zone"]
    assert zone.object_name == f"ConfigMap istio-system/core-dns-{target}"
    text = zone.inputs["data"][f"{target}.server"]
    assert text.startswith(f"svc.{target}.remote:1053 {{")
    assert 'answer "{{ .Name }} 60 IN A 240.0.0.1"' in text
    assert "rcode NOERROR" in text, "AAAA: NXDOMAIN would make resolvers give up on the name"
    volumes = full[f"Deployment {source}-dns-deployment"].spec["template"]["spec"]["volumes"]
    sources = next(v for v in volumes if v["name"] == "zones")["projected"]["sources"]
    mounted = [s["configMap"]["name"] for s in sources]
    assert f"core-dns-{target}" in mounted
    assert mounted == sorted(mounted)
