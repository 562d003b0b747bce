"""What a cluster lets in: the boundary between clusters."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components import exposure

from .recorder import Run

PEERS = {"b": "b.example", "c": "c.remote"}
B = "b.example/ns/istio-gateways/sa/istio-egressgateway"
C = "c.remote/ns/istio-gateways/sa/istio-egressgateway"


def exposed(service: str, port: int, *allow: str) -> exposure.ExposedService:
    return {"service": service, "namespace": "shop", "port": port, "allow": list(allow)}


def rules(peers: dict[str, str], *exposes: exposure.ExposedService) -> list[Any]:
    """Return each rule as (principals that it spares, hosts)."""
    found = exposure.policy("a", 15443, peers, exposes)["rules"]
    for rule in found:
        assert len(rule["to"]) == 1
        assert rule["to"][0]["operation"]["ports"] == ["15443"], "other ports are not our business"
    return [
        (
            rule["from"][0]["source"]["notPrincipals"] if "from" in rule else None,
            rule["to"][0]["operation"].get("hosts"),
        )
        for rule in found
    ]


WEB = "web.shop.svc.a.remote"


@pytest.mark.parametrize(
    ("peers", "exposes", "expected"),
    [
        pytest.param({}, [], [(None, None)], id="no peer: everybody is denied"),
        pytest.param({}, [exposed("web", 80)], [(None, None)], id="no peer, something exposed"),
        pytest.param(PEERS, [], [([B, C], None)], id="peers, nothing exposed"),
        pytest.param(
            PEERS, [exposed("web", 80, "b", "c")], [([B, C], None)], id="all peers allowed"
        ),
        pytest.param(
            PEERS, [exposed("web", 80, "c", "b")], [([B, C], None)], id="all, in another order"
        ),
        pytest.param(
            PEERS,
            [exposed("web", 8080, "b")],
            [([B, C], None), ([B], [f"{WEB}:8080"])],
            id="one peer allowed",
        ),
        pytest.param(
            PEERS,
            [exposed("web", 80, "c")],
            [([B, C], None), ([C], [WEB, f"{WEB}:80"])],
            id="port 80 has two spellings",
        ),
        pytest.param(
            PEERS,
            [exposed("web", 8080)],
            [([B, C], None), (None, [f"{WEB}:8080"])],
            id="nobody allowed: everybody is denied",
        ),
        pytest.param(
            PEERS,
            [exposed("web", 8080, "b"), exposed("web", 80, "b", "c"), exposed("web", 81, "c")],
            [([B, C], None), ([C], [f"{WEB}:81"]), ([B], [f"{WEB}:8080"])],
            id="each port of a service for itself",
        ),
    ],
)
def test_the_policy_denies_all_but_the_peers_that_are_allowed(
    peers: dict[str, str], exposes: list[exposure.ExposedService], expected: list[Any]
) -> None:
    assert rules(peers, *exposes) == expected


def test_the_policy_is_a_deny_on_the_ingress_pods_only() -> None:
    policy = exposure.policy("a", 1, PEERS, [])
    assert policy["action"] == "DENY", "an ALLOW would end ordinary traffic on the same pods"
    assert policy["selector"] == {"matchLabels": {"istio": "ingressgateway"}}


def test_the_order_of_peers_and_services_changes_nothing() -> None:
    exposes = [exposed("web", 80, "b"), exposed("api", 81, "c", "b"), exposed("api", 80, "c")]
    backwards = dict(reversed(PEERS.items()))
    one = exposure.policy("a", 1, PEERS, exposes)
    assert one == exposure.policy("a", 1, backwards, exposes[::-1])


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        (WEB, 80),
        (f"{WEB}:80", 80),
        (WEB.upper(), 80),
        (f"{WEB}:8443", 8443),
        (f"{WEB}:18443", None),
        (f"{WEB}:8080", None),
        (f"{WEB}:", None),
    ],
)
def test_two_ports_of_one_service_are_told_apart_by_the_authority(
    authority: str, expected: int | None
) -> None:
    spec = exposure.virtual_service("a", [exposed("web", 80), exposed("web", 8443)])
    hits = [
        route["route"][0]["destination"]["port"]["number"]
        for route in spec["http"]
        if re.fullmatch(route["match"][0]["authority"]["regex"], authority)
    ]
    assert hits == ([] if expected is None else [expected]), "Envoy matches the whole value"


def test_a_virtual_service_leads_to_its_own_service_only(full: Run) -> None:
    found = full["VirtualService a-expose-web.shop"]
    assert found.object_name == "VirtualService istio-gateways/web.shop"
    destination = {"host": "web.shop.svc.cluster.local"}
    assert found.spec == {
        "hosts": ["web.shop.svc.a.remote"],
        "gateways": ["exposed-services"],
        "http": [
            {
                "match": [{"authority": {"regex": regex}}],
                "route": [{"destination": {**destination, "port": {"number": port}}}],
            }
            for port, regex in ((80, "[^:]*(:80)?"), (8443, ".*:8443"))
        ],
    }


@pytest.mark.parametrize(("cluster", "port"), [("a", 15443), ("b", 15444), ("c", 15443)])
def test_the_ingress_gateway_takes_the_own_zone_over_mtls_only(
    full: Run, cluster: str, port: int
) -> None:
    gateway = full[f"Gateway {cluster}-exposed-services"]
    assert gateway.object_name == "Gateway istio-gateways/exposed-services"
    assert gateway.spec == {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {
                "port": {"number": port, "name": "https-link", "protocol": "HTTPS"},
                # `./`: nobody in another namespace can add a service to what is exposed.
                "hosts": [f"./*.svc.{cluster}.remote"],
                "tls": {"mode": "ISTIO_MUTUAL"},
            }
        ],
    }


def test_each_cluster_lets_in_the_egress_identity_that_its_peer_exports(full: Run) -> None:
    peers = {"a": ["b", "c"], "b": ["a"], "c": ["a"]}
    for cluster, others in peers.items():
        rule = full[f"AuthorizationPolicy {cluster}-link-policy"].spec["rules"][0]
        assert rule["from"][0]["source"]["notPrincipals"] == [
            full.exports["clusters"][o]["egressSpiffeId"].removeprefix("spiffe://") for o in others
        ]


def test_a_restricted_service_stands_in_the_policy_of_its_cluster(full: Run) -> None:
    spec = full["AuthorizationPolicy a-link-policy"].spec
    assert [rule["to"][0]["operation"].get("hosts") for rule in spec["rules"]] == [
        None,
        ["ratings.bookinfo.svc.a.remote:9080"],
    ]
