"""Every protocol of the table is known at both ends: what the target opens, its callers can call.

A protocol that one end alone knows fails in silence: the port is open, and no call gets to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from components import protocols
from components.protocols import Protocol
from components.specs import exposed_ports, outbound, streams
from tests.unit.conftest import ProgramRunner
from tests.unit.support.authorization import Request, egress, refused
from tests.unit.support.exposing import exposed as exposing
from tests.unit.support.recorder import PROJECT_DIR, Registration, Run
from tests.unit.support.stacks import service, stack

NEW_HTTP = Protocol("grpc-web", port_prefix="grpc-web", istio="GRPC-WEB", is_http=True)
NEW_STREAM = Protocol("mongo", port_prefix="mongo", istio="MONGO", is_http=False)
NEW = [NEW_HTTP, NEW_STREAM]

FIRST_PORT = 8001
"""Of the port of the first protocol; the others follow."""

every = pytest.mark.parametrize("protocol", protocols.TABLE, ids=lambda protocol: protocol.name)
new = pytest.mark.parametrize("protocol", NEW, ids=lambda protocol: protocol.name)


def offering(*offered: Protocol) -> dict[str, Any]:
    """Return two clusters of which b offers a port of each protocol, each with its own limit."""
    exposes = [
        service(f"s-{protocol.name}", port, protocol=protocol.name, policy={"maxConnections": port})
        for port, protocol in enumerate(offered, FIRST_PORT)
    ]
    return stack("ab", b={"exposes": exposes})


def at(run: Run, cluster: str, kind: str) -> Iterator[Registration]:
    """Yield the objects of a kind on a cluster."""
    return (found for found in run.kind(kind).values() if found.provider == cluster)


def destinations(run: Run, cluster: str) -> list[tuple[Any, Any, Any]]:
    """Return host, subset and port of each route of the VirtualServices on a cluster."""
    found = [
        to["destination"]
        for virtual in at(run, cluster, "VirtualService")
        for protocol in ("http", "tls", "tcp")
        for route in virtual.spec.get(protocol, ())
        for to in route["route"]
    ]
    return [(to["host"], to.get("subset"), to["port"]["number"]) for to in found]


def check_both_ends(run: Run, protocol: Protocol, port: int) -> None:
    """Check that a port is open on b, where it is offered, and can be called from a."""
    check_target(run, protocol, port)
    check_caller(run, protocol, port)


def check_target(run: Run, protocol: Protocol, port: int) -> None:
    """Check that the port is taken in, allowed and routed on b."""
    name = f"s-{protocol.name}"
    sni = "link.svc.b.remote" if protocol.is_http else f"{port}.{name}.shop.tcp.b.remote"
    host = "*.svc.b.remote" if protocol.is_http else sni
    servers = run["Gateway b-exposed-services"].spec["servers"]
    taken_in = [s["port"]["protocol"] for s in servers if f"./{host}" in s["hosts"]]
    assert taken_in == ["HTTPS" if protocol.is_http else "TLS"]
    to = f"{name}.shop.svc.cluster.local", None, port
    assert destinations(run, "b").count(to) == 1, "no route leads to the service"
    authority = f"{name}.shop.svc.b.remote:{port}"
    call = Request(egress("a.remote"), authority, sni=sni, http=protocol.is_http)
    assert not refused(run["AuthorizationPolicy b-link-policy"].spec, call)


def check_caller(run: Run, protocol: Protocol, port: int) -> None:
    """Check that the port is described, routed and limited on a."""
    name = f"s-{protocol.name}.shop.svc.b.remote"
    host = "*.svc.b.remote" if protocol.is_http else name
    described = [
        found
        for entry in at(run, "a", "ServiceEntry")
        if host in entry.spec["hosts"]
        for found in entry.spec["ports"]
        if found["number"] == port
    ]
    written = {"number": port, "name": f"{protocol.port_prefix}-{port}", "protocol": protocol.istio}
    assert described == [written], "sidecars have no listener for it, or one for something else"
    routed = [v for v in at(run, "a", "VirtualService") if host in v.spec["hosts"]]
    assert len(routed) == 1, "no route leads to the egress gateway"
    limited = [
        (rule.spec["host"], subset["name"], 15443)
        for rule in at(run, "a", "DestinationRule")
        for subset in rule.spec.get("subsets", ())
        if _limit(subset["trafficPolicy"]) == port
    ]
    assert len(limited) == 1, "it has no connections of its own"
    assert destinations(run, "a").count(limited[0]) == 1, "no call takes them"


def _limit(policy: dict[str, Any]) -> Any:
    return policy.get("connectionPool", {}).get("tcp", {}).get("maxConnections")


@every
def test_a_protocol_is_known_at_both_ends(program: ProgramRunner, protocol: Protocol) -> None:
    run = program(offering(*protocols.TABLE))
    check_both_ends(run, protocol, FIRST_PORT + protocols.TABLE.index(protocol))


@new
def test_a_row_is_all_that_a_new_protocol_needs(
    try_program: ProgramRunner, monkeypatch: pytest.MonkeyPatch, protocol: Protocol
) -> None:
    monkeypatch.setattr(protocols, "TABLE", (*protocols.TABLE, protocol))
    run = try_program(offering(protocol))
    assert run.error is None
    check_both_ends(run, protocol, FIRST_PORT)


@new
def test_a_protocol_that_is_not_in_the_table_is_refused(
    try_program: ProgramRunner, protocol: Protocol
) -> None:
    run = try_program(offering(protocol))
    assert f"{protocol.name!r} is unknown; use one of http, http2, grpc, tls, tcp" in str(run.error)


def ports_of(*offered: tuple[int, str]) -> list[dict[str, Any]]:
    """Return the ports of the zone for exposed ports with these numbers and protocols."""
    exposes = [
        exposing(f"s{index}", port, protocol=protocol)
        for index, (port, protocol) in enumerate(offered)
    ]
    ports: list[dict[str, Any]] = outbound.zone_entry("b", exposes)["ports"]
    return ports


@pytest.mark.parametrize(
    ("protocol", "name", "istio"),
    [
        ("http", "http-9000", "HTTP"),
        ("http2", "http2-9000", "HTTP2"),
        ("grpc", "grpc-9000", "GRPC"),
    ],
)
def test_a_port_of_the_zone_says_which_kind_of_http_it_speaks(
    protocol: str, name: str, istio: str
) -> None:
    found = {"number": 9000, "name": name, "protocol": istio}
    assert ports_of((9000, protocol)) == [found]
    assert ports_of((9000, protocol), (9000, protocol)) == [found], "they agree"


@pytest.mark.parametrize(
    "kinds", [("grpc", "http2"), ("http2", "http"), ("http", "grpc"), ("http", "http2", "grpc")]
)
def test_a_port_whose_services_disagree_is_http(kinds: tuple[str, ...]) -> None:
    found = {"number": 9000, "name": "http-9000", "protocol": "HTTP"}
    assert ports_of(*((9000, kind) for kind in kinds)) == [found]
    assert ports_of(*((9000, kind) for kind in reversed(kinds))) == [found]


def test_what_is_on_another_port_or_is_not_http_does_not_disagree() -> None:
    assert ports_of((9000, "grpc"), (9001, "http2"), (9000, "tcp"), (9001, "tls")) == [
        {"number": 9000, "name": "grpc-9000", "protocol": "GRPC"},
        {"number": 9001, "name": "http2-9001", "protocol": "HTTP2"},
    ]


def test_a_zone_without_http_has_port_80_for_http() -> None:
    stand_in = {"number": 80, "name": "http-80", "protocol": "HTTP"}
    assert ports_of() == ports_of((9000, "tcp")) == [stand_in]


@pytest.mark.parametrize(
    ("protocol", "port"),
    [
        ("tls", {"number": 9000, "name": "tls-9000", "protocol": "TLS"}),
        ("tcp", {"number": 9000, "name": "tcp-9000", "protocol": "TCP"}),
    ],
)
def test_a_stream_is_described_by_the_entry_of_its_service(
    protocol: str, port: dict[str, Any]
) -> None:
    assert streams.entry("b", [exposing("db", 9000, protocol=protocol)])["ports"] == [port]


def test_every_protocol_is_either_http_or_a_stream() -> None:
    exposes = [exposing(row.name, 1, protocol=row.name) for row in protocols.TABLE]
    http, not_http = exposed_ports.http_ports(exposes), exposed_ports.stream_ports(exposes)
    assert [item.protocol for item in http] == ["grpc", "http", "http2"]
    assert [item.protocol for item in not_http] == ["tcp", "tls"]


def test_what_a_newer_stack_offers_is_neither_and_stays_uncalled() -> None:
    later = [exposing("web", 9000, protocol="later")]
    assert exposed_ports.http_ports(later) == exposed_ports.stream_ports(later) == []
    assert ports_of((9000, "later")) == ports_of()


@every
def test_the_documentation_knows_it(protocol: Protocol) -> None:
    table = (PROJECT_DIR / "docs" / "protocols.md").read_text().partition("\n\nAll of them")[0]
    assert f"`{protocol.name}`" in table
    (row,) = re.findall(
        r"^\| `…exposes\[\]\.protocol` .*$", (PROJECT_DIR / "README.md").read_text(), re.MULTILINE
    )
    assert f"`{protocol.name}`" in row
