"""What a cluster lets in: the boundary between clusters."""

from __future__ import annotations

import re

import pulumi
import pytest

from components.specs import inbound
from tests.unit.conftest import ProgramRunner
from tests.unit.support.exposing import boundary, exposed
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import service, stack

RETRIES = {"attempts": 2, "retryOn": "connect-failure,refused-stream"}
WEB = "web.shop.svc.a.remote"
WEB_REGEX = r"web\.shop\.svc\.a\.remote"
RATINGS_REGEX = r"ratings\.bookinfo\.svc\.a\.remote"
B = "b.example/ns/istio-gateways/sa/istio-egressgateway"
C = "c.remote/ns/istio-gateways/sa/istio-egressgateway"


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
        (f"{WEB}.", None),
        (f"{WEB}:1:8443", None),
        (f"{WEB}:08443", None),
        ("web-shop.svc.a.remote", None),
    ],
)
def test_two_ports_of_one_service_are_told_apart_by_the_authority(
    authority: str, expected: int | None
) -> None:
    ports = [exposed("web", 80), exposed("web", 8443)]
    spec = inbound.virtual_service(boundary({}, ports))
    assert spec
    hits = [
        route["route"][0]["destination"]["port"]["number"]
        for route in spec["http"]
        if re.fullmatch(route["match"][0]["authority"]["regex"], authority)
    ]
    assert hits == ([] if expected is None else [expected]), "Envoy matches the whole value"


def test_each_exposed_port_has_a_route_to_itself_and_nothing_else_has_one(full: Run) -> None:
    found = full["VirtualService a-exposed-services"]
    assert found.object_name == "VirtualService istio-gateways/exposed-services"
    assert found.spec == {
        "hosts": ["*.svc.a.remote"],
        "gateways": ["exposed-services"],
        "http": [
            {
                "name": f"{service}.{namespace}.{port}",
                "match": [{"authority": {"regex": regex}}],
                "route": [
                    {
                        "destination": {
                            "host": f"{service}.{namespace}.svc.cluster.local",
                            "port": {"number": port},
                        }
                    }
                ],
                "retries": RETRIES,
                # Whoever wrote it: no gateway has vouched for it.
                "headers": {"request": {"remove": ["x-remote-caller"]}},
            }
            for service, namespace, port, regex in (
                ("ratings", "bookinfo", 9080, rf"(?i)({RATINGS_REGEX}:9080)"),
                ("web", "shop", 80, rf"(?i)({WEB_REGEX}|{WEB_REGEX}:80)"),
                ("web", "shop", 8443, rf"(?i)({WEB_REGEX}:8443)"),
            )
        ],
    }


def test_more_routes_than_an_object_has_room_for_are_refused_by_name() -> None:
    def made(count: int) -> object:
        exposes = [exposed(f"service-{number:04}", 80) for number in range(count)]
        return inbound.virtual_service(boundary({}, exposes))

    assert made(3000)
    with pytest.raises(pulumi.RunError) as error:
        made(5000)
    assert "clusters.a.exposes: the routes of 5000 HTTP ports are 1" in str(error.value)
    assert "expose fewer from this cluster" in str(error.value)


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


def test_each_peer_has_the_list_of_what_it_may_call(full: Run) -> None:
    spec = full["AuthorizationPolicy a-link-policy"].spec
    web = [WEB, f"{WEB}:80", f"{WEB}:8443"]
    assert [
        (rule["from"][0]["source"].get("principals"), rule["to"][0]["operation"])
        for rule in spec["rules"]
    ] == [
        (None, {"ports": ["15443"]}),
        ([B], {"ports": ["15443"], "notHosts": ["ratings.bookinfo.svc.a.remote:9080", *web]}),
        ([C], {"ports": ["15443"], "notHosts": web}),
    ]


def test_a_cluster_that_exposes_nothing_refuses_all(full: Run) -> None:
    rules = full["AuthorizationPolicy c-link-policy"].spec["rules"]
    a = full.exports["clusters"]["a"]["egressSpiffeId"].removeprefix("spiffe://")
    to = [{"operation": {"ports": ["15443"]}}]
    assert rules == [
        {"from": [{"source": {"notPrincipals": [a]}}], "to": to},
        {"from": [{"source": {"principals": [a]}}], "to": to},
    ]


@pytest.mark.parametrize("told", [False, True])
def test_the_callers_identity_passes_only_where_it_is_vouched_for(
    program: ProgramRunner, told: bool
) -> None:
    run = program({**stack("ab", a={"exposes": [service("web")]}), "callerIdentity": told})
    (arriving,) = run["VirtualService a-exposed-services"].spec["http"]
    inside, leaving = run["VirtualService a_b-b-to-a-services"].spec["http"]
    assert "headers" not in inside, "the egress gateway sees who calls, a sidecar only itself"
    rules = run["AuthorizationPolicy a-link-policy"].spec["rules"]
    if told:
        assert "headers" not in arriving
        # Set, not added: what the caller itself wrote is gone.
        by_certificate = {"x-remote-caller": "%DOWNSTREAM_PEER_URI_SAN%"}
        assert leaving["headers"] == {"request": {"set": by_certificate}}
        assert len(rules) == 4, "strangers, b's list, b's own workloads, other ports"
    else:
        assert arriving["headers"] == {"request": {"remove": ["x-remote-caller"]}}
        assert "headers" not in leaving
        assert "when" not in str(rules)
