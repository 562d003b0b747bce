"""Who may call what over a link: the policy of the link port, as Istio would judge by it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations, islice, product

import pytest

from components.model import ExposedPort
from components.specs import inbound
from tests.unit.support import exposing
from tests.unit.support.authorization import HEADER, PORT, Request, egress, judge, refused

DOMAINS = {"b": "b.example", "c": "c.remote", "d": "d.remote"}
SERVICES = (("web", "shop", 80), ("web", "shop", 8443), ("web-2", "shop-eu", 9080))


def allowed_ports(allows: Iterable[Iterable[str]]) -> list[ExposedPort]:
    return [
        exposing.exposed(service, port, namespace=namespace, allow=tuple(allow))
        for (service, namespace, port), allow in zip(SERVICES, allows, strict=False)
    ]


def written(service: str, namespace: str, port: int) -> set[str]:
    """Return the authorities that mean a port."""
    host = f"{service}.{namespace}.svc.a.remote"
    return {f"{host}:{port}"} | ({host} if port == 80 else set())


def subsets(items: Iterable[str]) -> Iterator[tuple[str, ...]]:
    every = sorted(items)
    return (chosen for size in range(len(every) + 1) for chosen in combinations(every, size))


def spellings() -> set[str]:
    """Return what a caller could write: right, wrong, and what Envoy might take for right."""
    hosts = {f"{service}.{namespace}.svc.a.remote" for service, namespace, _ in SERVICES}
    hosts |= {"secret.shop.svc.a.remote", "web.shop.svc.b.remote", "web.shop.svc.cluster.local"}
    found = {"", ":80", "*", "remote", "a.remote", "svc.a.remote"}
    for host in hosts:
        found |= {host, f"{host}.", f"{host}:", f"x.{host}", f"{host}.x", f"{host}x", f" {host}"}
        found |= {host.replace(".", "-", 1), host.replace(".", "x"), host.upper()}
        for port in (1, 79, 80, 443, 8443, 9080, PORT, 18443):
            found |= {f"{host}:{port}", f"{host.upper()}:{port}", f"{host}.:{port}"}
            found |= {f"{host}:0{port}", f"{host}:1:{port}", f"{host}:{port}:{port}"}
            found |= {f"{host}:{port} ", f"{host}:{port}\n", f"u@{host}:{port}", f"{host}:{port}0"}
    return found


SPELLINGS = spellings()
STRANGERS = {
    "",
    "*",
    egress("a.remote"),
    egress("e.remote"),
    *(egress(f"{DOMAINS[name]}.evil") for name in DOMAINS),
    *(egress(f"x{DOMAINS[name]}") for name in DOMAINS),
    *(egress(f"evil/{DOMAINS[name]}") for name in DOMAINS),
    *(egress(DOMAINS[name].upper()) for name in DOMAINS),
    *(f"{egress(DOMAINS[name])}-2" for name in DOMAINS),
    *(egress(DOMAINS[name]).replace("egress", "ingress") for name in DOMAINS),
    *(egress(DOMAINS[name]).replace("istio-gateways", "shop") for name in DOMAINS),
}
PEERS = [(), ("b",), ("b", "c"), ("b", "c", "d")]


def matrix(peers: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Return who is allowed each of the exposed ports, in every combination."""
    for count in range(len(SERVICES) + 1):
        yield from product(subsets(peers), repeat=count)


@pytest.mark.parametrize("caller_identity", [False, True])
@pytest.mark.parametrize("peers", PEERS, ids="".join)
def test_what_is_exposed_to_a_peer_passes_and_nothing_else(
    peers: tuple[str, ...], caller_identity: bool
) -> None:
    right = [authority for port in SERVICES for authority in written(*port)]
    for allows in matrix(peers) if len(peers) < 3 else islice(matrix(peers), 0, None, 7):
        domains = {peer: DOMAINS[peer] for peer in peers}
        exposes = allowed_ports(allows)
        refuses = judge(
            inbound.policy(exposing.boundary(domains, exposes, caller_identity=caller_identity))
        )
        for name, domain in DOMAINS.items():
            told = {HEADER: f"spiffe://{domain}/ns/shop/sa/web"}
            passed = {
                authority
                for authority in SPELLINGS
                if not refuses(Request(egress(domain), authority, headers=told))
            }
            allowed = {
                authority
                for port, allow in zip(SERVICES, allows, strict=False)
                if name in peers and name in allow
                for authority in written(*port)
            }
            assert passed == {text for text in SPELLINGS if text.lower() in allowed}, (name, allows)
        for stranger, authority in product(STRANGERS, right):
            assert refuses(Request(stranger, authority)), (stranger, authority, allows)


def test_the_matrix_is_no_empty_promise() -> None:
    assert sum(1 for _ in matrix(("b", "c"))) == 85
    assert len(SPELLINGS) > 400
    exposes = allowed_ports([("b", "c"), ("b",)])
    policy = inbound.policy(exposing.boundary(DOMAINS, exposes))
    web = "web.shop.svc.a.remote"
    assert not refused(policy, Request(egress("c.remote"), web))
    assert not refused(policy, Request(egress("b.example"), f"{web}:8443"))
    assert refused(policy, Request(egress("c.remote"), f"{web}:8443")), "private to b"
    assert refused(policy, Request(egress("d.remote"), web)), "linked, but allowed nothing"


@pytest.mark.parametrize("caller_identity", [False, True])
@pytest.mark.parametrize("peers", [{}, DOMAINS])
def test_other_ports_are_open_to_all_but_those_who_pose_as_a_caller(
    peers: dict[str, str], caller_identity: bool
) -> None:
    exposes = allowed_ports([("b",), ("c",)] if peers else [])
    refuses = judge(
        inbound.policy(exposing.boundary(peers, exposes, caller_identity=caller_identity))
    )
    for principal, authority, port in product(
        (*STRANGERS, egress("b.example")), SPELLINGS, (80, 8443)
    ):
        assert not refuses(Request(principal, authority, port)), "north-south traffic"
    for value in ("", "spiffe://b.example/ns/shop/sa/web", "x"):
        posing = Request("", "shop.example", 80, {HEADER: value})
        assert refuses(posing) is caller_identity


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("spiffe://b.example/ns/shop/sa/web", True),
        ("spiffe://c.remote/ns/shop/sa/web", False),
        ("spiffe://b.example.evil/ns/shop/sa/web", False),
        ("b.example/ns/shop/sa/web", False),
        ("", False),
        (None, False),
    ],
)
def test_a_peer_speaks_for_its_own_workloads_only(value: str | None, passes: bool) -> None:
    exposes = allowed_ports([("b", "c")])
    policy = inbound.policy(exposing.boundary(DOMAINS, exposes, caller_identity=True))
    headers = {} if value is None else {HEADER: value}
    call = Request(egress("b.example"), "web.shop.svc.a.remote", headers=headers)
    assert refused(policy, call) is not passes


def test_the_order_of_peers_and_services_changes_nothing() -> None:
    exposes = allowed_ports([("b",), ("d", "b"), ("c",)])
    one = inbound.policy(exposing.boundary(DOMAINS, exposes, caller_identity=True))
    backwards = dict(reversed(DOMAINS.items()))
    swapped = [replace(item, allow=item.allow[::-1]) for item in exposes[::-1]]
    assert one == inbound.policy(exposing.boundary(backwards, swapped, caller_identity=True))


def test_peers_with_equal_rights_share_a_rule() -> None:
    exposes = allowed_ports([("b", "c", "d"), ("b", "c")])
    rules = inbound.policy(exposing.boundary(DOMAINS, exposes))["rules"]
    callers = [rule["from"][0]["source"] for rule in rules]
    assert callers[0] == {"notPrincipals": [egress(domain) for domain in DOMAINS.values()]}
    assert sorted(source["principals"] for source in callers[1:]) == [
        [egress("b.example"), egress("c.remote")],
        [egress("d.remote")],
    ]


def test_the_policy_is_a_deny_on_the_ingress_pods_only() -> None:
    policy = inbound.policy(exposing.boundary(DOMAINS, []))
    assert policy["action"] == "DENY", "an ALLOW would end ordinary traffic on the same pods"
    assert policy["selector"] == {"matchLabels": {"istio": "ingressgateway"}}


@pytest.mark.parametrize("count", range(1, len(SERVICES) + 1))
def test_routes_lead_from_the_very_authorities_that_the_policy_lets_pass(count: int) -> None:
    exposes = allowed_ports([("b",)] * count)
    policy = inbound.policy(exposing.boundary(DOMAINS, exposes))
    reached: dict[str, list[tuple[str, int]]] = {}
    spec = inbound.virtual_service(exposing.boundary({}, exposes))
    assert spec
    for route, authority in product(spec["http"], SPELLINGS):
        if re.fullmatch(route["match"][0]["authority"]["regex"], authority):
            to = route["route"][0]["destination"]
            reached.setdefault(authority, []).append((to["host"], to["port"]["number"]))
    passed = {
        authority
        for authority in SPELLINGS
        if not refused(policy, Request(egress("b.example"), authority))
    }
    assert set(reached) == passed, "Envoy, too, matches the whole value"
    for authority, destinations in reached.items():
        host, _, port = authority.lower().partition(":")
        expected = host.replace("svc.a.remote", "svc.cluster.local"), int(port or 80)
        assert destinations == [expected], authority
