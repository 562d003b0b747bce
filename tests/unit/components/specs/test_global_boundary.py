"""Who may call a global service on a member: its policy, as Istio would judge by it."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest

from components.model import ExposedPort
from components.specs import inbound
from tests.unit.components.specs.test_link_policy import DOMAINS, STRANGERS, subsets
from tests.unit.support.authorization import HEADER, Request, egress, refused
from tests.unit.support.exposing import boundary, exposed

OWN = "a.example"
GLOBAL_SNI = "link.svc.global.remote"
HOSTS = ("web.shop", "plain.shop", "api.shop", "web.shop-eu")
ZONES = ("svc.a.remote", "svc.b.remote", "svc.global.remote", "svc.cluster.local", "global.remote")


def spellings() -> set[str]:
    """Return what a caller could write: right, wrong, and what Envoy might take for right."""
    found = {"", "*", "global", "svc.global.remote", "svc.global.remote:8080"}
    for name, zone in product(HOSTS, ZONES):
        host = f"{name}.{zone}"
        if zone not in ("svc.a.remote", "svc.global.remote"):
            found |= {f"{host}:8080", f"{host}:80"}
            continue
        for port in (80, 8080, 9090):
            found |= {f"{host}:{port}", f"{host.upper()}:{port}", f"{host}.:{port}"}
            found |= {f"{host}:1:{port}", f"{host}:0{port}", f"x{host}:{port}", f"x.{host}:{port}"}
        found |= {host, f"{host}.", f"{host}:", host.replace(".", "x")}
    return found


SPELLINGS = spellings()


def services(allow: tuple[str, ...], other: tuple[str, ...]) -> list[ExposedPort]:
    """Return two global ports, one of them 80, and one port that is not global."""
    return [
        exposed("web", 8080, allow=allow, is_global=True),
        exposed("api", 80, allow=other, is_global=True, weight=3),
        exposed("plain", 9090, allow=allow),
    ]


def policy(exposes: list[ExposedPort], *, told: bool) -> dict[str, Any]:
    return inbound.policy(boundary(DOMAINS, exposes, caller_identity=told, trust_domain=OWN))


def passed(found: dict[str, Any], domain: str) -> set[str]:
    headers = {HEADER: f"spiffe://{domain}/ns/shop/sa/web"}
    return {
        authority.lower()
        for authority in SPELLINGS
        if not refused(found, Request(egress(domain), authority, headers=headers, sni=GLOBAL_SNI))
    }


WEB = "web.shop.svc.{}.remote:8080"
API = ("api.shop.svc.{}.remote", "api.shop.svc.{}.remote:80")
PLAIN = "plain.shop.svc.a.remote:9090"


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("allow", list(subsets("bcd")), ids="".join)
def test_peers_reach_by_the_global_name_what_they_reach_by_the_clusters_own(
    allow: tuple[str, ...], told: bool
) -> None:
    for other in ((), ("b",), ("c", "d")):
        found = policy(services(allow, other), told=told)
        for peer, domain in DOMAINS.items():
            web = {WEB.format("a"), WEB.format("global"), PLAIN} if peer in allow else set()
            api = {name.format(zone) for name in API for zone in ("a", "global")}
            assert passed(found, domain) == web | (api if peer in other else set())
        own = {name.format("global") for name in (WEB, *API)}
        assert passed(found, OWN) == own, "its own egress gateway, by the global name only"
        for stranger, authority in product(STRANGERS - {egress(OWN)}, SPELLINGS & own):
            assert refused(found, Request(stranger, authority, sni=GLOBAL_SNI)), stranger


def test_the_own_egress_gateway_is_a_stranger_without_global_services() -> None:
    plain = [exposed("web", 8080, allow=("b",)), exposed("plain", 9090, allow=("b",))]
    found = policy(plain, told=False)
    assert found == inbound.policy(boundary(DOMAINS, plain, trust_domain="another"))
    assert passed(found, OWN) == set()


def test_a_member_without_peers_lets_its_own_egress_gateway_in_and_nobody_else() -> None:
    exposes = [exposed("web", 8080, allow=(), is_global=True)]
    found = inbound.policy(boundary({}, exposes, caller_identity=True, trust_domain=OWN))
    assert passed(found, OWN) == {WEB.format("global")}
    assert passed(found, DOMAINS["b"]) == set()


def test_the_own_egress_gateway_speaks_for_workloads_of_its_own_cluster_only() -> None:
    found = policy(services(("b",), ()), told=True)
    for domain, speaks in ((OWN, True), (DOMAINS["b"], False)):
        headers = {HEADER: f"spiffe://{domain}/ns/shop/sa/web"}
        call = Request(egress(OWN), WEB.format("global"), headers=headers, sni=GLOBAL_SNI)
        assert refused(found, call) is not speaks


def test_routes_lead_from_the_very_authorities_that_the_policy_lets_pass() -> None:
    exposes = services(("b",), ("b",))
    found = policy(exposes, told=False)
    spec = inbound.virtual_service(boundary({}, exposes))
    assert spec
    reached = {
        authority.lower()
        for route in spec["http"]
        for match in route["match"]
        for authority in SPELLINGS
        if re.fullmatch(match["authority"]["regex"], authority)
    }
    assert reached == passed(found, DOMAINS["b"])
    assert len(reached) == 7
