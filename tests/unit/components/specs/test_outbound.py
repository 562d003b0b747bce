"""The specs of one direction for addresses and ports that the full stack does not have."""

from __future__ import annotations

import pytest

from components.specs import outbound
from tests.unit.conftest import ProgramRunner
from tests.unit.support.exposing import exposed
from tests.unit.support.stacks import service, stack


@pytest.mark.parametrize(
    ("addresses", "resolution"),
    [
        (["203.0.113.9"], "STATIC"),
        (["203.0.113.9", "203.0.113.10"], "STATIC"),
        (["2001:db8::9"], "STATIC"),
        (["lb.example"], "DNS"),
        (["203.0.113.9", "lb.example"], "DNS"),
        (["10.0.0.1.example"], "DNS"),
    ],
)
def test_a_host_name_is_left_to_envoy_and_an_address_is_taken_as_it_is(
    addresses: list[str], resolution: str
) -> None:
    entry = outbound.ingress_entry("b", addresses, 1)
    assert entry["resolution"] == resolution
    assert [e["address"] for e in entry["endpoints"]] == addresses, "never resolved here"


@pytest.mark.parametrize(
    ("ports", "expected"),
    [([], [80]), ([9080], [9080]), ([9080, 80, 9080], [80, 9080])],
)
def test_each_port_of_the_zone_stands_once_in_order(ports: list[int], expected: list[int]) -> None:
    exposes = [exposed(f"s{index}", port) for index, port in enumerate(ports)]
    assert [p["number"] for p in outbound.zone_entry("b", exposes)["ports"]] == expected


def test_the_zone_is_visible_everywhere_and_the_way_out_is_not() -> None:
    assert "exportTo" not in outbound.zone_entry("b", []), "sidecars of all namespaces call"
    assert outbound.ingress_entry("b", ["192.0.2.1"], 1)["exportTo"] == ["."]
    assert outbound.ingress_rule("b", "spiffe://x", [])["exportTo"] == ["."]


def test_a_port_is_not_opened_for_a_source_that_may_not_call_it(
    program: ProgramRunner,
) -> None:
    exposes = [service("web", 8080, allow=["b"]), service("api", 8081)]
    run = program(stack("abc", a={"exposes": exposes}))

    def ports(key: str) -> list[int]:
        return [port["number"] for port in run[key].spec["ports"]]

    assert ports("ServiceEntry a_b-b-to-a-services") == [8080, 8081]
    assert ports("ServiceEntry a_c-c-to-a-services") == [8081]


def test_the_dummy_address_is_the_configured_one(program: ProgramRunner) -> None:
    run = program({**stack("ab"), "remoteDns": {"address": "198.18.0.9"}})
    zones = [o.inputs["data"] for k, o in run.kind("ConfigMap").items() if k.endswith("-dns-zone")]
    assert len(zones) == 2
    assert all("IN A 198.18.0.9" in text for data in zones for text in data.values())


def test_every_load_balancer_address_is_used(program: ProgramRunner) -> None:
    several = {"b": [{"ip": "192.0.2.5"}, {"ip": "192.0.2.6"}]}
    run = program(stack("ab"), addresses=several)
    entry = run["ServiceEntry a_b-a-to-b-ingress"].spec
    assert entry["endpoints"] == [{"address": "192.0.2.5"}, {"address": "192.0.2.6"}]
    assert run.exports["clusters"]["b"]["ingressAddresses"] == ["192.0.2.5", "192.0.2.6"]


def test_a_cluster_without_an_address_is_an_error_and_not_a_silent_dead_end(
    try_program: ProgramRunner,
) -> None:
    run = try_program(stack("ab"), addresses={"b": []})
    assert run.error is not None
    assert "cluster b: the ingress gateway has no address" in str(run.error)
