"""One name for what several clusters offer: who is asked, in which order, and what is tried."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from components.model import ExposedPort, OutlierEjection, Retries, TrafficPolicy
from components.specs import global_services, inbound
from components.specs.global_services import Member
from tests.unit.conftest import ProgramRunner
from tests.unit.support.answers import GATEWAY_CLUSTER_IP
from tests.unit.support.exposing import boundary, exposed
from tests.unit.support.stacks import service, stack


def web(**further: Any) -> ExposedPort:
    return exposed("web", 8080, **{"is_global": True, "allow": ("a", "b", "c", "d"), **further})


def member(name: str, *exposes: ExposedPort, **fields: Any) -> Member:
    usual: dict[str, Any] = {
        "port": 15443,
        "addresses": [f"192.0.2.{ord(name)}"],
        "spiffe_id": f"spiffe://{name}.remote/ns/istio-gateways/sa/istio-ingressgateway",
    }
    return Member(cluster=name, exposes=exposes, **{**usual, **fields})


def priorities(caller: str, locality: str | None, *members: Member) -> list[list[str]]:
    """Return the endpoints by priority as Istio makes them of labels and rule.

    pilot/pkg/networking/core/loadbalancer/loadbalancer.go, `applyFailoverPriorityPerLocality`.
    """
    (found,) = global_services.callable_services(caller, locality, members)
    called = [m for m in members if m.cluster in {p.cluster for p in found.places}]
    addresses: Any = {m.cluster: m.addresses for m in called}
    entry = global_services.entry(found, addresses, {m.cluster: m.port for m in called})
    identities: Any = {m.cluster: m.spiffe_id for m in called}
    rule = global_services.rule(found, identities)
    wanted = rule["trafficPolicy"]["loadBalancer"]["localityLbSetting"]["failoverPriority"]
    ranked: dict[int, list[str]] = {}
    for endpoint in entry["endpoints"]:
        priority = 0
        for position, text in enumerate(wanted):
            label, _, value = text.partition("=")
            if endpoint["labels"].get(label, "") != value:
                priority = len(wanted) - position
                break
        ranked.setdefault(priority, []).append(endpoint["address"])
    names = {address: m.cluster for m in called for address in addresses[m.cluster]}
    return [sorted(names[a] for a in ranked[priority]) for priority in sorted(ranked)]


def test_the_nearest_is_first_and_the_farthest_last() -> None:
    members = [
        member("a", web(), locality="eu/1"),
        member("b", web(), locality="us/1"),
        member("c", web(), locality="eu/2"),
        member("d", web(), locality="eu/1"),
    ]
    assert priorities("a", "eu/1", *members) == [["a"], ["d"], ["c"], ["b"]]
    assert priorities("a", "eu/1", *members[1:]) == [["d"], ["c"], ["b"]]
    assert priorities("b", "us/1", *members) == [["b"], ["a", "c", "d"]]


def test_without_localities_the_own_cluster_is_first_and_the_rest_share() -> None:
    members = [member(name, web()) for name in "abc"]
    assert priorities("b", None, *members) == [["b"], ["a", "c"]]
    assert priorities("b", "eu", *members) == [["b"], ["a", "c"]]
    assert priorities("d", None, *members) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("eu/1", "eu/1", global_services.SAME_ZONE),
        ("eu/1", "eu/2", global_services.SAME_REGION),
        ("eu/1", "eu", global_services.SAME_REGION),
        ("eu", "eu", global_services.SAME_REGION),
        ("eu/1", "us/1", global_services.ELSEWHERE),
        (None, None, global_services.ELSEWHERE),
        (None, "eu", global_services.ELSEWHERE),
    ],
)
def test_distance(one: str | None, other: str | None, expected: int) -> None:
    assert global_services.distance(one, other) == global_services.distance(other, one) == expected


def test_only_members_that_the_source_may_call_are_asked_and_trusted() -> None:
    members = [
        member("a", web(allow=())),
        member("b", web(allow=("a",))),
        member("c", web(allow=("b",))),
        member("d", web(is_global=False)),
    ]
    assert priorities("a", None, *members) == [["a"], ["b"]]
    (found,) = global_services.callable_services("a", None, members)
    rule = global_services.rule(found, {m.cluster: str(m.spiffe_id) for m in members})
    assert rule["trafficPolicy"]["tls"] == {
        "mode": "ISTIO_MUTUAL",
        "sni": "link.svc.global.remote",
        "subjectAltNames": [
            f"spiffe://{name}.remote/ns/istio-gateways/sa/istio-ingressgateway" for name in "ab"
        ],
    }
    assert global_services.callable_services("d", None, members) == [], (
        "d may call none, and is no member"
    )


def weights(*members: Member) -> dict[str, int]:
    (found,) = global_services.callable_services("a", None, members)
    addresses: Any = {m.cluster: m.addresses for m in members}
    entry = global_services.entry(found, addresses, {m.cluster: m.port for m in members})
    return {endpoint["address"]: endpoint["weight"] for endpoint in entry["endpoints"]}


def test_shares_are_of_clusters_and_not_of_addresses() -> None:
    found = weights(
        member("a", web(weight=90), addresses=["192.0.2.1"]),
        member("b", web(weight=10), addresses=["192.0.2.2", "192.0.2.3"]),
    )
    assert found == {"192.0.2.1": 180, "192.0.2.2": 10, "192.0.2.3": 10}
    found = weights(
        member("a", web(), addresses=["192.0.2.1"]),
        member("b", web(), addresses=["192.0.2.2", "192.0.2.3", "192.0.2.4"]),
    )
    assert found == {f"192.0.2.{i}": 3 if i == 1 else 1 for i in range(1, 5)}


def test_with_weights_nobody_is_nearer_and_zero_is_for_when_all_others_fail() -> None:
    members = [
        member("a", web(weight=0), locality="eu/1"),
        member("b", web(weight=10), locality="us/1"),
        member("c", web(weight=90), locality="eu/1"),
    ]
    assert priorities("a", "eu/1", *members) == [["b", "c"], ["a"]]


def test_the_address_is_dialled_at_the_port_of_its_cluster() -> None:
    members = [member("a", web()), member("b", web(), port=30443, addresses=["lb.example"])]
    (found,) = global_services.callable_services("a", None, members)
    entry = global_services.entry(
        found, {"a": ["192.0.2.1"], "b": ["lb.example"]}, {"a": 15443, "b": 30443}
    )
    assert [e["ports"] for e in entry["endpoints"]] == [{"http-link": 15443}, {"http-link": 30443}]
    assert entry["resolution"] == "DNS", "Envoy resolves a host name, again and again"
    assert entry["exportTo"] == ["."], "no sidecar may know the way around the egress gateway"


def rules(item: ExposedPort, count: int = 2) -> dict[str, Any]:
    members = [member(name, item) for name in "abcd"[:count]]
    services = global_services.callable_services("a", None, members)
    return global_services.global_routes(services, "global-egress", 15443, caller_identity=True)


def test_what_no_pod_has_seen_is_tried_elsewhere() -> None:
    (sidecar, gateway) = rules(web())["http"]
    assert sidecar["retries"] == {"attempts": 2, "retryOn": "connect-failure,refused-stream"}
    assert gateway["retries"] == {
        "attempts": 3,  # the second try is at the same cluster
        "retryOn": "connect-failure,refused-stream,retriable-headers",
        "retryRemoteLocalities": True,
    }
    request, response = gateway["headers"]["request"], gateway["headers"]["response"]
    assert request["set"]["x-envoy-retriable-header-names"] == "x-remote-unserved"
    assert response == {"remove": ["x-remote-unserved"]}
    assert rules(web(), 4)["http"][-1]["retries"]["attempts"] == 7, "the fourth is tried too"


def test_a_policy_of_the_service_is_kept_by_whom_it_is_for() -> None:
    said = TrafficPolicy(
        timeout="3s",
        retries=Retries(attempts=4, per_try_timeout="1s", retry_on="503"),
        outlier_ejection=OutlierEjection(9, interval="3s", ejection_time="4s"),
        max_requests=7,
    )
    timed, rest, gateway = rules(web(policy=said))["http"]
    assert timed["timeout"] == "3s"
    assert "timeout" not in rest
    assert gateway["retries"] == {
        "attempts": 4,
        "retryOn": "503,connect-failure,refused-stream,retriable-headers",
        "perTryTimeout": "1s",
        "retryRemoteLocalities": True,
    }
    assert timed["retries"]["attempts"] == 2, "only one hop does what the service wants"
    (found,) = global_services.callable_services("a", None, [member("a", web(policy=said))])
    made = global_services.rule(found, {"a": "spiffe://a"})["trafficPolicy"]
    assert made["outlierDetection"]["consecutive5xxErrors"] == 9
    assert "consecutiveGatewayErrors" not in made["outlierDetection"]
    assert made["connectionPool"]["http"]["http2MaxRequests"] == 7


def test_a_member_without_pods_is_left_alone_for_a_while() -> None:
    (found,) = global_services.callable_services("a", None, [member("a", web())])
    made = global_services.rule(found, {"a": "spiffe://a"})["trafficPolicy"]["outlierDetection"]
    assert made == {
        "consecutive5xxErrors": 0,
        "consecutiveGatewayErrors": 3,
        "consecutiveLocalOriginFailures": 2,
        "splitExternalLocalOriginErrors": True,
        "interval": "1s",
        "baseEjectionTime": "5s",
        "maxEjectionPercent": 100,
    }


def test_a_member_takes_both_names_of_a_global_service_and_says_when_nobody_is_there() -> None:
    ports = [web(), exposed("web", 9090)]
    spec = inbound.virtual_service(replace(boundary({}, ports, caller_identity=True), cluster="b"))
    assert spec
    assert spec["hosts"] == ["*.svc.b.remote", "*.svc.global.remote"]
    shared, own = spec["http"]
    assert [bool(re.fullmatch(m["authority"]["regex"], name)) for m in shared["match"] for name in (
        "web.shop.svc.b.remote:8080", "web.shop.svc.global.remote:8080",
        "web.shop.svc.global.remote:9090",
    )] == [True, False, False, False, True, False]  # fmt: skip
    said = shared["headers"]["response"]
    assert said["set"].keys() == {"x-remote-unserved"}
    expression = said["set"]["x-remote-unserved"].removeprefix("%CEL(").removesuffix(")%")
    assert not re.search(r'[()"%]', expression), "Istio's validation refuses these inside"
    assert said["remove"] == ["x-remote-unserved"], "the service cannot say it"
    assert len(own["match"]) == 1
    assert "headers" not in own
    servers = inbound.gateway(replace(boundary({}, ports), cluster="b"))["servers"]
    assert servers[0]["hosts"] == ["./*.svc.b.remote", "./*.svc.global.remote"]
    assert inbound.gateway(replace(boundary({}, ports[1:]), cluster="b"))["servers"][0][
        "hosts"
    ] == ["./*.svc.b.remote"]


GLOBAL = service("web", 8080, **{"global": True})


def test_objects_are_the_same_for_any_number_of_services_and_two_for_each_global_one(
    program: ProgramRunner,
) -> None:
    def found(*exposes: dict[str, Any]) -> set[str]:
        exposing = {"exposes": list(exposes)}
        return set(program(stack("abc", a=exposing, b=exposing)).objects)

    plain = {**service("web", 8080)}
    none, one, two = found(plain), found(GLOBAL), found(GLOBAL, {**GLOBAL, "service": "api"})
    assert one - none == {
        f"{kind} {cluster}-global-{suffix}"
        for cluster in "abc"
        for kind, suffix in (
            ("ServiceEntry", "services"),
            ("Gateway", "egress"),
            ("DestinationRule", "egress"),
            ("VirtualService", "services"),
            ("ConfigMap", "dns-zone"),
            ("ServiceEntry", "web.shop.8080"),
            ("DestinationRule", "web.shop.8080"),
        )
    }
    assert none < one
    assert len(two) - len(one) == 2 * 3, "two at each caller, and none at the members"


def test_the_program_hands_on_what_a_member_is(program: ProgramRunner) -> None:
    run = program(
        stack(
            "abc",
            a={"exposes": [GLOBAL], "locality": "eu/1"},
            b={
                "exposes": [GLOBAL],
                "locality": "eu/2",
                "linkPort": 15999,
                "ingress": {"addresses": ["b.example"], "port": 30443},
            },
            c={"locality": "eu/2", "dns": "istio"},
        ),
        addresses={"a": [{"ip": "192.0.2.10"}]},
    )
    near = "istio-multicluster/near-"
    assert run["ServiceEntry a-global-web.shop.8080"].spec["endpoints"] == [
        {
            "address": GATEWAY_CLUSTER_IP,  # its own load balancer may refuse its own pods
            "ports": {"http-link": 15443},
            "labels": {f"{near}{rank}": "true" for rank in (0, 1, 2)},
            "weight": 1,
        },
        {
            "address": "b.example",
            "ports": {"http-link": 30443},  # what is dialled
            "labels": {f"{near}2": "true"},
            "weight": 1,
        },
    ]
    assert [
        (endpoint["address"], len(endpoint["labels"]))
        for endpoint in run["ServiceEntry c-global-web.shop.8080"].spec["endpoints"]
    ] == [("192.0.2.10", 1), ("b.example", 2)]
    own = run["ServiceEntry b-global-web.shop.8080"].spec["endpoints"][1]
    assert (own["address"], own["ports"]) == (GATEWAY_CLUSTER_IP, {"http-link": 15999})
    assert run["ServiceEntry c-global-services"].spec["addresses"] == ["240.0.0.1"]
    assert "addresses" not in run["ServiceEntry a-global-services"].spec
    assert "ConfigMap c-global-dns-zone" not in run.objects, "its sidecars answer"
    assert "svc.global.remote:1053" in str(run["ConfigMap a-global-dns-zone"].inputs["data"])
    mounted = str(run["Deployment a-dns-deployment"].spec)
    assert "core-dns-global" in mounted
    exported = run.exports["clusters"]["a"]["exposes"]
    assert exported[0]["global"] is True
    assert not set(exported[0]) & {"weight", "is_global"}


def test_a_member_takes_calls_before_anybody_is_sent_there(program: ProgramRunner) -> None:
    run = program(stack("abc", a={"exposes": [GLOBAL]}, b={"exposes": [GLOBAL]}))
    for source in "abc":
        after = run[f"ServiceEntry {source}-global-web.shop.8080"].depends_on
        for member in "ab":
            wanted = {"exposed-services", "link-policy"}
            assert {f"{member}-{name}" for name in wanted} <= after


def test_a_stack_without_global_services_says_nothing_of_them(program: ProgramRunner) -> None:
    run = program(stack("ab", b={"exposes": [service("web", 80)], "locality": "eu/1"}))
    assert run.exports["clusters"]["b"].pop("locality") == "eu/1", "for peers in other stacks"
    assert not re.search("global|unserved|weight|locality", run.dump())
    assert set(run.components) == {"a", "b", "a_b", "a-dns", "b-dns", "root-ca"}
