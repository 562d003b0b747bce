"""Protocols, addresses and policies of exposed services, as the stack file has them."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from components.addresses import virtual_address
from components.model import ExposedPort, OutlierEjection, Retries, TrafficPolicy
from tests.unit.support.parsing import Mistakes, each, mistakes, parse, with_a, with_exposes
from tests.unit.support.stacks import service, stack

EVERYTHING = {
    "timeout": "10s",
    "retries": {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx, reset"},
    "outlierEjection": {"consecutiveErrors": 7, "interval": "1s", "ejectionTime": "1m30s"},
    "maxConnections": 1,
    "maxPendingRequests": 2,
    "maxRequests": 3,
}


def parsed(directory: Path, *items: Any) -> tuple[ExposedPort, ...]:
    """Return what comes of these entries of `exposes`."""
    return parse(directory, stack("ab", b={"exposes": list(items)})).clusters["b"].exposes


def test_a_service_speaks_http_with_the_defaults_of_every_link(workdir: Path) -> None:
    (port,) = parsed(workdir, service("web"))
    assert (port.protocol, port.address, port.policy) == ("http", None, None)


@pytest.mark.parametrize("protocol", ["http", "http2", "grpc", "tls", "tcp"])
def test_only_what_is_not_http_has_an_address(workdir: Path, protocol: str) -> None:
    (port,) = parsed(workdir, service("web", protocol=protocol))
    assert port.protocol == protocol
    assert bool(port.address) is (protocol in ("tls", "tcp"))


def test_an_address_stays_whatever_else_is_exposed(workdir: Path) -> None:
    (alone,) = parsed(workdir, service("db", 5432, protocol="tcp"))
    several = parsed(
        workdir,
        service("cache", 6379, protocol="tcp"),
        service("db", 5433, protocol="tls"),
        service("db", 5432, protocol="tcp"),
        service("db", 80),
    )
    assert ipaddress.IPv4Address(alone.address) in ipaddress.IPv4Network("241.0.0.0/8")
    assert [e.address == alone.address for e in several] == [False, True, True, False]
    assert alone.address == virtual_address("db", "shop", "b", "241.0.0.0/8")


def test_addresses_lie_in_the_range_and_are_hosts_of_it() -> None:
    network = ipaddress.IPv4Network("198.51.100.0/24")
    found = {virtual_address(f"s{i}", "shop", "b", str(network)) for i in range(4000)}
    assert found == {str(address) for address in network.hosts()}


def test_a_wish_is_granted_to_the_whole_service(workdir: Path) -> None:
    wish = service("db", 5432, protocol="tcp", address="241.9.9.9")
    both = parsed(workdir, wish, service("db", 5433, protocol="tls"))
    assert [e.address for e in both] == ["241.9.9.9", "241.9.9.9"]


def test_every_value_of_a_policy_arrives(workdir: Path) -> None:
    (port,) = parsed(workdir, service("web", policy=EVERYTHING))
    assert port.policy == TrafficPolicy(
        timeout="10s",
        retries=Retries(3, "5xx, reset", "2s"),
        outlier_ejection=OutlierEjection(7, "1s", "1m30s"),
        max_connections=1,
        max_pending_requests=2,
        max_requests=3,
    )


def test_what_a_policy_leaves_out_has_the_documented_default(workdir: Path) -> None:
    (port,) = parsed(workdir, service("web", policy={}))
    assert port.policy is None, "nothing is said"
    (port,) = parsed(workdir, service("web", policy={"retries": {}, "outlierEjection": {}}))
    assert port.policy == TrafficPolicy(
        timeout=None,
        retries=Retries(2, "connect-failure,refused-stream"),
        outlier_ejection=OutlierEjection(5, "10s", "30s"),
        max_connections=None,
        max_pending_requests=None,
        max_requests=None,
    )


DB = service("db", 5432, protocol="tcp")
AT = "clusters.b.exposes[0]"
TIME = "give a time like `500ms`, `10s` or `1m30s`"
SECOND = virtual_address("s2", "shop", "b", "241.0.0.0/8")
ADDRESSES_AND_POLICIES: list[tuple[list[dict[str, Any]], dict[str, Any], list[str]]] = [
    (
        [service("web", protocol="udp")],
        {},
        [f"{AT}.protocol: 'udp' is unknown; use one of http, http2, grpc, tls, tcp"],
    ),
    (
        [service("web", protocol="grpc", address="241.0.0.9")],
        {},
        [
            f"{AT}.address: '241.0.0.9': a service of protocol grpc has no address of its own; "
            "remove it, or set `protocol` to tls or tcp"
        ],
    ),
    (
        [{**DB, "address": "2001:db8::1"}],
        {},
        [f"{AT}.address: '2001:db8::1' is not valid; give an IPv4 address"],
    ),
    (
        [{**DB, "address": "10.0.0.1"}],
        {},
        [
            "clusters.b.exposes: db.shop has the address 10.0.0.1; "
            "choose one in remoteDns.virtualRange, 241.0.0.0/8"
        ],
    ),
    (
        [{**DB, "address": "241.0.0.1"}, {**DB, "port": 1, "address": "241.0.0.2"}],
        {},
        [
            "clusters.b.exposes: db.shop has the addresses 241.0.0.1, 241.0.0.2; "
            "all ports of a Service have one address: give it once"
        ],
    ),
    (
        [{**DB, "address": SECOND}, service("s2", protocol="tls")],
        {},
        [
            f"clusters.b.exposes: s2.shop.svc.b.remote and db.shop.svc.b.remote both have the "
            f"address {SECOND}; give one of them another `address`"
        ],
    ),
    (
        [DB, service("db", 5432, protocol="http")],
        {},
        ["clusters.b.exposes[1]: db.shop:5432 is listed twice; remove one of the two"],
    ),
    (
        [{**DB, "policy": EVERYTHING}],
        {},
        [
            f"{AT}.policy.{key}: has no meaning for tcp; remove it; maxConnections remains"
            for key in EVERYTHING
            if key != "maxConnections"
        ],
    ),
    (
        [service("web", policy={"timeout": 10, "retries": {"perTryTimeout": "0s"}, "tries": 1})],
        {},
        [
            f"{AT}.policy.timeout: 10 is not valid; {TIME}",
            f"{AT}.policy.retries.perTryTimeout: '0s' is not valid; {TIME}",
            f"{AT}.policy.tries: is an unknown key; did you mean 'retries'?",
        ],
    ),
    (
        [service("web", policy={"retries": {"attempts": -1, "retryOn": "5xx;reset"}})],
        {},
        [
            f"{AT}.policy.retries.attempts: -1 is not a number of retries; "
            "give a whole number from 0 to 10",
            f"{AT}.policy.retries.retryOn: '5xx;reset' is not valid; give Envoy's conditions or "
            "status codes, separated by commas, e.g. `5xx,reset`",
        ],
    ),
    (
        [service("web", policy={"maxConnections": 0, "outlierEjection": {"interval": "1d"}})],
        {},
        [
            f"{AT}.policy.outlierEjection.interval: '1d' is not valid; {TIME}",
            f"{AT}.policy.maxConnections: 0 is not a limit; "
            "give a whole number from 1 to 2147483647",
        ],
    ),
    (
        [],
        {"virtualRange": "241.0.0.0"},
        [
            "remoteDns.virtualRange: 241.0.0.0 has too few addresses; "
            "give a network of /24 or larger"
        ],
    ),
    (
        [],
        {"virtualRange": "241.0.0.1/8"},
        [
            "remoteDns.virtualRange: '241.0.0.1/8' is not an IPv4 network; "
            "write one like 241.0.0.0/8"
        ],
    ),
    (
        [],
        {"virtualRange": "240.0.0.0/8"},
        [
            "remoteDns.virtualRange: 240.0.0.0/8 overlaps 240.0.0.1/32; "
            "choose a network that no cluster can own"
        ],
    ),
    (
        [],
        {"virtualRange": "10.0.0.0/8", "knownCidrs": ["10.96.0.0/12", "fd00::/8"]},
        [
            "remoteDns.virtualRange: 10.0.0.0/8 overlaps 10.96.0.0/12; "
            "choose a network that no cluster can own"
        ],
    ),
]


@pytest.mark.parametrize(("items", "dns", "expected"), ADDRESSES_AND_POLICIES)
def test_a_mistake_is_told_with_its_fix(
    workdir: Path, items: list[dict[str, Any]], dns: dict[str, Any], expected: list[str]
) -> None:
    written = {**stack("ab", b={"exposes": items}), "remoteDns": dns}
    assert mistakes(workdir, written) == expected


def test_two_clusters_never_share_an_address_in_silence(workdir: Path) -> None:
    wish = {"exposes": [{**DB, "address": "241.0.0.7"}]}
    (message,) = mistakes(workdir, stack("ab", a=wish, b=wish))
    assert "both have the address 241.0.0.7" in message


BOTH_ENDS = "use at most 63 lower-case letters, digits and '-', a letter or digit at both ends"
PORTS = "give a whole number from 1 to 65535"
MISTAKES: Mistakes = [
    (
        with_exposes(service("web", 65536)),
        [f"clusters.a.exposes[0].port: 65536 is not a port number; {PORTS}"],
    ),
    (
        with_exposes(service("web"), service("api"), service("web")),
        ["clusters.a.exposes[2]: web.shop:9080 is listed twice; remove one of the two"],
    ),
    (
        with_exposes({}),
        [
            "clusters.a.exposes[0].service: is missing; name the Service to expose",
            "clusters.a.exposes[0].namespace: is missing; name the namespace of the Service",
            "clusters.a.exposes[0].port: is missing; give a port of the Service",
        ],
    ),
    (
        with_exposes(service("Web_1")),
        [f"clusters.a.exposes[0].service: 'Web_1' is not valid; {BOTH_ENDS}"],
    ),
    (
        with_a(exposes="web"),
        ["clusters.a.exposes: 'web' is not a list; write `- item` lines under it"],
    ),
    (
        with_exposes(service("web", allow=["b", "x", "a"])),
        [
            "clusters.a.exposes[0].allow: 'x' is not linked to this cluster; linked: b",
            "clusters.a.exposes[0].allow: 'a' is not linked to this cluster; linked: b",
        ],
    ),
    (
        with_exposes(service("web", allow=[])),
        [
            "clusters.a.exposes[0].allow: is empty; "
            "name the clusters that may call it, or remove the whole entry"
        ],
    ),
]


@each(MISTAKES)
def test_the_message_has_path_value_and_fix(
    written: Any, messages: list[str], directory: Path
) -> None:
    assert mistakes(directory, written) == messages


def test_a_cluster_is_allowed_once(directory: Path) -> None:
    assert mistakes(directory, with_exposes(service("web", allow=["b", "b"])))
