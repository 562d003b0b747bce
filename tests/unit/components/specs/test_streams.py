"""Services that no proxy looks into: one way from the address to the Service, and no other."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components import names
from components.dns import corefile
from components.specs import streams
from tests.unit.conftest import ProgramRunner
from tests.unit.support.exposing import exposed
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import service, stack

DB = service("db", 5432, protocol="tcp", address="241.0.0.5")
ADMIN = service("db", 5433, protocol="tls")
VAULT = service("vault", 443, protocol="tls", address="241.0.0.6", allow=["c"])
EXPOSES = [DB, ADMIN, VAULT, service("web", 80)]
EGRESS = "istio-egressgateway.istio-gateways.svc.cluster.local"
IDENTITY = "spiffe://b.remote/ns/istio-gateways/sa/istio-ingressgateway"


@pytest.fixture
def run(program: ProgramRunner) -> Run:
    return program(stack("abc", b={"linkPort": 15444, "exposes": EXPOSES}))


def label(name: str, port: int) -> str:
    return names.port_label(name, "shop", port, "b")


def sni(name: str, port: int) -> str:
    return f"{port}.{name}.shop.tcp.b.remote"


def test_a_sidecar_knows_a_service_by_its_address(run: Run) -> None:
    made = run["ServiceEntry a_b-a-to-b-db.shop"]
    assert made.object_name == "ServiceEntry istio-gateways/b.db.shop"
    assert made.spec == {
        "hosts": ["db.shop.svc.b.remote"],
        "addresses": ["241.0.0.5"],
        "location": "MESH_EXTERNAL",
        "ports": [
            {"number": 5432, "name": "tcp-5432", "protocol": "TCP"},
            {"number": 5433, "name": "tls-5433", "protocol": "TLS"},
        ],
        "resolution": "NONE",
    }


@pytest.mark.parametrize(
    ("port", "kind", "match"),
    [
        (5432, "tcp", {"gateways": ["mesh"], "port": 5432}),
        (
            5433,
            "tls",
            {"gateways": ["mesh"], "port": 5433, "sniHosts": ["db.shop.svc.b.remote"]},
        ),
    ],
)
def test_each_port_goes_over_both_gateways(
    run: Run, port: int, kind: str, match: dict[str, Any]
) -> None:
    made = run[f"VirtualService a_b-a-to-b-db.shop.{port}"]
    assert made.object_name == f"VirtualService istio-gateways/b.db.shop.{port}"
    spec = {key: value for key, value in made.spec.items() if key not in ("tls", "tcp")}
    assert spec == {
        "hosts": ["db.shop.svc.b.remote", sni("db", port)],
        "gateways": ["mesh", "istio-gateways/b-egress"],
    }
    subset = label("db", port)
    routes: list[dict[str, Any]] = [*made.spec.get("tls", []), *made.spec["tcp"]]
    first, second = routes
    assert made.spec[kind][0] == first
    to = {"host": EGRESS, "subset": subset, "port": {"number": 15443}}
    assert first == {"match": [match], "route": [{"destination": to}]}
    to = {"host": "tcp.ingress.b.remote", "subset": subset, "port": {"number": 15444}}
    assert second == {
        "match": [{"gateways": ["istio-gateways/b-egress"]}],
        "route": [{"destination": to}],
    }


def test_both_gateways_take_it_by_its_sni_on_the_link_port(run: Run) -> None:
    for key, port, known in (
        ("Gateway a_b-a-to-b-egress", 15443, [("db", 5432), ("db", 5433)]),
        ("Gateway b_c-c-to-b-egress", 15443, [("db", 5432), ("db", 5433), ("vault", 443)]),
        ("Gateway b-exposed-services", 15444, [("db", 5432), ("db", 5433), ("vault", 443)]),
    ):
        http, *others = run[key].spec["servers"]
        assert http["port"]["protocol"] == "HTTPS"
        assert http["hosts"] == ["./*.svc.b.remote"]
        assert [{**o, "tls": {"mode": o["tls"]["mode"]}} for o in others] == [
            {
                "port": {"number": port, "name": label(*of), "protocol": "TLS"},
                "hosts": [f"./{sni(*of)}"],
                "tls": {"mode": "ISTIO_MUTUAL"},
            }
            for of in known
        ], key


def test_the_target_shakes_hands_with_those_who_may_call_only(run: Run) -> None:
    """Envoy judges by a policy too late: where the server speaks first it has been heard."""
    a, c = (run.exports["clusters"][name]["egressSpiffeId"] for name in "ac")
    _, *servers = run["Gateway b-exposed-services"].spec["servers"]
    assert [server["tls"].get("subjectAltNames") for server in servers] == [[a, c], [a, c], [c]]


@pytest.mark.parametrize("allow", [[], ["z"]])
def test_a_port_that_nobody_may_call_is_not_served(allow: list[str]) -> None:
    """A server without names would shake hands with everybody."""
    items = [exposed("db", 5432, protocol="tcp", allow=tuple(allow))]
    assert streams.arrival_servers("a", 1, items, {"b": "b.remote"}) == []


def test_sidecars_and_egress_gateway_ask_for_it_by_its_sni(run: Run) -> None:
    _, *subsets = run["DestinationRule a_b-a-to-b-egress"].spec["subsets"]
    assert subsets == [
        {
            "name": label("db", port),
            "trafficPolicy": {
                "portLevelSettings": [
                    {
                        "port": {"number": 15443},
                        "connectionPool": {"tcp": {"connectTimeout": "5s"}},
                        "tls": {"mode": "ISTIO_MUTUAL", "sni": sni("db", port)},
                    }
                ]
            },
        }
        for port in (5432, 5433)
    ]
    rule = run["DestinationRule a_b-a-to-b-ingress-tcp"].spec
    assert (rule["host"], rule["exportTo"]) == ("tcp.ingress.b.remote", ["."])
    assert [(s["name"], s["trafficPolicy"]["tls"]) for s in rule["subsets"]] == [
        (
            label("db", port),
            {"mode": "ISTIO_MUTUAL", "sni": sni("db", port), "subjectAltNames": [IDENTITY]},
        )
        for port in (5432, 5433)
    ]


def test_the_remote_ingress_has_the_same_address_and_port(run: Run) -> None:
    http = run["ServiceEntry a_b-a-to-b-ingress"].spec
    made = run["ServiceEntry a_b-a-to-b-ingress-tcp"].spec
    assert made == {
        **http,
        "hosts": ["tcp.ingress.b.remote"],
        "ports": [{"number": 15444, "name": "tcp-link", "protocol": "TCP"}],
    }
    assert made["exportTo"] == ["."], "no way around the egress gateway"


def test_the_target_leads_each_sni_to_its_own_port(run: Run) -> None:
    for name, port in (("db", 5432), ("db", 5433), ("vault", 443)):
        made = run[f"VirtualService b-expose-{name}.shop.{port}"]
        assert made.object_name == f"VirtualService istio-gateways/{name}.shop.{port}"
        to = {"host": f"{name}.shop.svc.cluster.local", "port": {"number": port}}
        assert made.spec == {
            "hosts": [sni(name, port)],
            "gateways": ["exposed-services"],
            "tcp": [{"route": [{"destination": to}]}],
        }


def test_it_is_not_in_the_zone_of_http(run: Run) -> None:
    zone = run["ServiceEntry a_b-a-to-b-services"].spec
    assert [port["number"] for port in zone["ports"]] == [80]
    routes = run["VirtualService b-exposed-services"].spec["http"]
    assert [route["name"] for route in routes] == ["web.shop.80"]


def test_who_may_not_call_it_knows_nothing_of_it(run: Run) -> None:
    assert "ServiceEntry b_c-c-to-b-vault.shop" in run.objects
    mine = [o for key, o in run.objects.items() if "-a-to-b-" in key]
    assert "vault" not in str([o.inputs for o in mine])


def test_dns_answers_its_own_address(run: Run) -> None:
    text = run["ConfigMap a_b-a-to-b-dns-zone"].inputs["data"]["b.server"]
    own = 'template IN A db.shop.svc.b.remote {\n        answer "{{ .Name }} 60 IN A 241.0.0.5"'
    assert own in text
    assert text.index(own) < text.index("template IN A {"), "the first that matches answers"
    nodata = "template ANY ANY db.shop.svc.b.remote {\n        rcode NOERROR"
    assert text.index(own) < text.index(nodata) < text.index("template IN A {"), "AAAA"
    assert "vault" not in text
    assert text.count("{\n") == text.count("}\n")


def test_a_zone_without_streams_is_what_it_was() -> None:
    assert "svc.b.remote {" not in corefile.zone_server("b", "240.0.0.1", {})


def test_outputs_have_what_another_stack_needs(run: Run) -> None:
    found = run.exports["clusters"]["b"]["exposes"]
    assert [(e["service"], e["protocol"], e["address"]) for e in found] == [
        ("db", "tcp", "241.0.0.5"),
        ("db", "tls", "241.0.0.5"),
        ("vault", "tls", "241.0.0.6"),
        ("web", "http", ""),
    ]


def test_labels_are_different_for_all_ports_of_all_clusters() -> None:
    services = ["a", "a-b", "a-b-1", "x" * 63, "x" * 62]
    made = [
        (names.port_label(s, namespace, port, cluster), (s, namespace, port, cluster))
        for s in services
        for namespace in ("b", "b-1", "1-b", "y" * 63)
        for port in (1, 11, 65535)
        for cluster in ("c", "d")
    ]
    assert len(dict(made)) == len(made)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text) for text, _ in made)


def test_an_sni_is_never_one_that_the_server_for_http_takes() -> None:
    item = exposed("db", 5432, protocol="tcp")
    assert not streams.sni("b", item).endswith(names.zone("b"))
    longest = streams.sni("c" * 63, exposed("s" * 63, 65535, namespace="n" * 63))
    assert len(longest) <= 253
