"""What a service may change of the defaults of every link, at no cost to the others."""

from __future__ import annotations

from typing import Any

import pytest

from components.model import RETRY_ON, TrafficPolicy
from components.specs import outbound, traffic_policy
from tests.unit.conftest import ProgramRunner
from tests.unit.support.exposing import exposed
from tests.unit.support.recorder import Run
from tests.unit.support.stacks import service, stack

RETRIES = {"attempts": 2, "retryOn": "connect-failure,refused-stream"}
LIMITS = {"maxConnections": 5, "maxPendingRequests": 6, "maxRequests": 7}


def specs(program: ProgramRunner, *exposes: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the routes to b and the DestinationRule of b's ingress gateway."""
    run: Run = program(stack("ab", b={"exposes": list(exposes)}))
    routes = run["VirtualService a_b-a-to-b-services"].spec["http"]
    return routes, run["DestinationRule a_b-a-to-b-ingress"].spec


def test_a_timeout_and_retries_are_those_of_the_first_hop(program: ProgramRunner) -> None:
    wanted = {
        "timeout": "3s",
        "retries": {"attempts": 4, "perTryTimeout": "1s", "retryOn": "5xx"},
    }
    plain, _ = specs(program, service("web", 80), service("api", 81))
    routes, rule = specs(program, service("web", 80, policy=wanted), service("api", 81))
    assert routes[1:] == plain, "the others have the routes that they had"
    regex = r"(?i)(web\.shop\.svc\.b\.remote|web\.shop\.svc\.b\.remote:80)"
    assert routes[0] == {
        "match": [{"gateways": ["mesh"], "authority": {"regex": regex}}],
        "route": plain[0]["route"],
        **wanted,
    }
    assert "subsets" not in rule


def test_limits_and_ejection_get_connections_of_their_own(program: ProgramRunner) -> None:
    ejection = {"consecutiveErrors": 3, "interval": "2s", "ejectionTime": "20s"}
    wanted = {**LIMITS, "outlierEjection": ejection}
    plain, before = specs(program, service("web", 80), service("api", 81))
    routes, rule = specs(program, service("web", 80, policy=wanted), service("api", 81))
    (subset,) = rule.pop("subsets")
    assert rule == before
    assert [routes[0], routes[2]] == plain
    (to,) = routes[1]["route"]
    assert to["destination"] == {
        "host": "ingress.b.remote",
        "port": {"number": 15443},
        "subset": subset["name"],
    }
    assert routes[1]["match"][0]["gateways"] == ["istio-gateways/b-egress"]
    assert routes[1]["retries"] == RETRIES
    made = subset["trafficPolicy"]
    assert made["tls"] == before["trafficPolicy"]["tls"], "the same identity has to be proved"
    assert made["connectionPool"]["tcp"]["maxConnections"] == 5
    assert made["connectionPool"]["http"] == {
        "useClientProtocol": True,
        "http1MaxPendingRequests": 6,
        "http2MaxRequests": 7,
    }
    assert made["outlierDetection"] == {
        **before["trafficPolicy"]["outlierDetection"],
        "consecutive5xxErrors": 3,
        "interval": "2s",
        "baseEjectionTime": "20s",
    }


def test_the_callers_header_is_set_on_a_route_with_limits_too() -> None:
    """Else the header that a workload itself wrote would arrive."""
    item = exposed("web", 80, policy=TrafficPolicy(max_connections=1))
    spec = outbound.zone_routes("b", "b-egress", 1, 2, [item], caller_identity=True)
    leaving = [r for r in spec["http"] if r["match"][0]["gateways"] != ["mesh"]]
    assert len(leaving) == 2
    header = {"request": {"set": {"x-remote-caller": "%DOWNSTREAM_PEER_URI_SAN%"}}}
    assert [r["headers"] for r in leaving] == [header, header]


def test_no_retries_are_no_retries(program: ProgramRunner) -> None:
    routes, _ = specs(program, service("web", policy={"retries": {"attempts": 0}}))
    assert routes[0]["retries"] == {"attempts": 0}


@pytest.mark.parametrize("count", [1, 20])
def test_a_policy_adds_no_object(program: ProgramRunner, count: int) -> None:
    wanted = {"timeout": "1s", **LIMITS}
    with_policies = [service(f"s{i}", 80 + i, policy=wanted) for i in range(count)]
    without = [service(f"s{i}", 80 + i) for i in range(count)]
    one, other = (program(stack("ab", b={"exposes": e})) for e in (with_policies, without))
    assert set(one.objects) == set(other.objects)


def test_hops_after_the_first_try_again_only_what_did_not_reach_the_next() -> None:
    assert traffic_policy.hop_retries() == RETRIES
    # Envoy's own conditions; each other one would send a request again that has been served.
    assert set(RETRY_ON.split(",")) == {"connect-failure", "refused-stream"}


def test_a_stream_has_no_http_settings() -> None:
    made = traffic_policy.to_ingress(TrafficPolicy(max_connections=9), http=False)
    assert set(made["connectionPool"]) == {"tcp"}
    assert made["connectionPool"]["tcp"]["maxConnections"] == 9
    assert made["outlierDetection"]["maxEjectionPercent"] == 100
