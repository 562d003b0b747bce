"""The policy of the link port for what is not HTTP, judged as Istio does on such connections."""

from __future__ import annotations

from itertools import product

import pytest

from components.specs import inbound
from tests.unit.support.authorization import HEADER, Request, egress, refused
from tests.unit.support.exposing import boundary, exposed

DOMAINS = {"b": "b.example", "c": "c.remote", "d": "d.remote"}
ALLOWED = {
    ("db", 5432): ("b", "c"),
    ("db", 5433): ("b",),
    ("vault", 443): (),
}
EXPOSES = [
    *(exposed(s, port, protocol="tcp", allow=allow) for (s, port), allow in ALLOWED.items()),
    exposed("web", 80, allow=("b", "d")),
]
WEB = "web.shop.svc.a.remote"

both = pytest.mark.parametrize("told", [False, True], ids=["anonymous", "callerIdentity"])


def sni(service: str, port: int) -> str:
    return f"{port}.{service}.shop.tcp.a.remote"


def judge(told: bool, request: Request) -> bool:
    policy = inbound.policy(boundary(DOMAINS, EXPOSES, caller_identity=told))
    return not refused(policy, request)


@both
@pytest.mark.parametrize("peer", DOMAINS)
def test_a_peer_reaches_the_ports_that_it_is_allowed(peer: str, told: bool) -> None:
    passed = {
        port
        for port in ALLOWED
        if judge(told, Request(egress(DOMAINS[peer]), sni=sni(*port), http=False))
    }
    assert passed == {port for port, allow in ALLOWED.items() if peer in allow}


@both
@pytest.mark.parametrize(
    "principal",
    ["", egress("a.remote"), egress("b.example.evil"), "b.example/ns/shop/sa/web"],
)
def test_nobody_but_a_peers_egress_gateway_reaches_any(principal: str, told: bool) -> None:
    for port in ALLOWED:
        assert not judge(told, Request(principal, sni=sni(*port), http=False))


@both
@pytest.mark.parametrize(
    "name", ["", "hidden.shop", "link.svc.a.remote", "5432.db.shop.tcp.c.remote"]
)
def test_what_is_not_exposed_is_refused_even_if_a_server_took_it(name: str, told: bool) -> None:
    for domain in DOMAINS.values():
        assert not judge(told, Request(egress(domain), sni=name, http=False))


@both
def test_http_is_judged_as_if_there_were_no_streams(told: bool) -> None:
    without = [item for item in EXPOSES if item.protocol == "http"]
    hosts = ["", WEB, f"{WEB}:80", f"{WEB}:81", "db.shop.svc.a.remote:5432", sni("db", 5432)]
    snis = ["link.svc.a.remote", "web.shop.svc.a.remote", "db.shop.svc.a.remote"]
    for domain, host, name in product(DOMAINS.values(), hosts, snis):
        claim = {HEADER: f"spiffe://{domain}/ns/shop/sa/web"}
        request = Request(egress(domain), host, headers=claim, sni=name)
        before = inbound.policy(boundary(DOMAINS, without, caller_identity=told))
        assert judge(told, request) is not refused(before, request), (domain, host)
        assert judge(told, request) is (domain != "c.remote" and host in (WEB, f"{WEB}:80"))


@both
def test_a_claim_of_another_caller_is_refused_on_http_still(told: bool) -> None:
    posing = {HEADER: "spiffe://c.remote/ns/shop/sa/web"}
    request = Request(egress("b.example"), WEB, headers=posing)
    assert judge(told, request) is not told


def test_peers_of_equal_hosts_and_different_ports_have_rules_of_their_own() -> None:
    policy = inbound.policy(boundary(DOMAINS, EXPOSES))
    conditions = {
        rule["from"][0]["source"]["principals"][0]: rule.get("when") for rule in policy["rules"][1:]
    }
    assert conditions == {
        egress("b.example"): [
            {"key": "connection.sni", "notValues": [sni("db", 5432), sni("db", 5433)]}
        ],
        egress("c.remote"): [{"key": "connection.sni", "notValues": [sni("db", 5432)]}],
        egress("d.remote"): None,
    }
