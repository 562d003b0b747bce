"""Timeouts, retries, ejection and limits: the defaults of every link, and what a service changes.

A call has four hops: sidecar, egress gateway, ingress gateway, the service's own sidecar. Retries
of each multiply, so every hop tries again only what did not reach the next one; only the first hop
can be told to do more.
"""

from __future__ import annotations

from typing import Any, TypedDict

Spec = dict[str, Any]

RETRY_ON = "connect-failure,refused-stream"
"""Nothing has been sent: neither the connection nor the stream came to be."""


MEMBER_RETRY_ON = f"{RETRY_ON},retriable-headers"
"""The same, and that a member says so: see `global_services.UNSERVED`."""


class Retries(TypedDict):
    """What a caller tries again."""

    attempts: int
    """How often, after the first time."""
    per_try_timeout: str
    """Timeout of each; empty: none."""
    retry_on: str
    """Envoy's conditions, separated by commas."""


class OutlierEjection(TypedDict):
    """When an ingress gateway gets no calls to a service for a while."""

    consecutive_errors: int
    """Answers of 5xx in a row."""
    interval: str
    """How often that is looked at."""
    ejection_time: str
    """How long it gets no calls; longer each time."""


class Policy(TypedDict):
    """What differs for one exposed port."""

    timeout: str
    """Of the whole call; empty: none."""
    retries: Retries | None
    """None: those of every link."""
    outlier_ejection: OutlierEjection | None
    """None: that of every link."""
    max_connections: int
    """Connections of one egress gateway pod to an ingress gateway; 0: no limit."""
    max_pending_requests: int
    """Requests that wait for a connection; 0: no limit."""
    max_requests: int
    """Requests at a time; 0: no limit."""


def hop_retries() -> Spec:
    """Return the retries of a hop."""
    return {"attempts": 2, "retryOn": RETRY_ON}


def route(policy: Policy | None) -> Spec:
    """Return the fields of the route of a service's first hop."""
    found: Spec = {"retries": hop_retries()}
    if policy and policy["timeout"]:
        found["timeout"] = policy["timeout"]
    if policy and policy["retries"]:
        retries = policy["retries"]
        found["retries"] = {"attempts": retries["attempts"]}
        if retries["attempts"]:
            found["retries"]["retryOn"] = retries["retry_on"]
            if retries["per_try_timeout"]:
                found["retries"]["perTryTimeout"] = retries["per_try_timeout"]
    return found


def has_route(policy: Policy | None) -> bool:
    """Tell whether a service needs a route of its own on its first hop."""
    return bool(policy and (policy["timeout"] or policy["retries"]))


def has_limits(policy: Policy | None) -> bool:
    """Tell whether a service needs connections of its own between the gateways."""
    return bool(
        policy
        and (
            policy["outlier_ejection"]
            or policy["max_connections"]
            or policy["max_pending_requests"]
            or policy["max_requests"]
        )
    )


def has_timeout(policy: Policy | None) -> bool:
    """Tell whether a global service needs a route of its own on its first hop."""
    return bool(policy and policy["timeout"])


def to_global(policy: Policy | None) -> Spec:
    """Return the fields of the route of a global service's first hop: there is no choice yet."""
    timeout = {"timeout": policy["timeout"]} if policy and policy["timeout"] else {}
    return {"retries": hop_retries(), **timeout}


def member_retries(policy: Policy | None, members: int) -> Spec:
    """Return the retries of the hop that chooses a member.

    Envoy goes on to clusters that are further away after every second try only, so these are enough
    to get to the last one. What a service wants to be tried again is tried here, and not by the
    sidecar, which cannot tell one member from another; and so is what nobody has seen.

    Args:
        policy: what the service changes.
        members: how many clusters may be tried.
    """
    retries = policy and policy["retries"]
    if not retries:
        found: Spec = {"attempts": max(2, 2 * members - 1), "retryOn": MEMBER_RETRY_ON}
    else:
        found = dict(route(policy)["retries"])
        if found["attempts"]:
            conditions = [
                *found["retryOn"].replace(" ", "").split(","),
                *MEMBER_RETRY_ON.split(","),
            ]
            found["retryOn"] = ",".join(dict.fromkeys(conditions))
    return {**found, "retryRemoteLocalities": True} if found["attempts"] else found


def to_egress() -> Spec:
    """Return the connection pool of the hop from a sidecar to the egress gateway."""
    return {"tcp": {"connectTimeout": "5s"}, "http": {"useClientProtocol": True}}


def to_ingress(policy: Policy | None = None, *, http: bool = True) -> Spec:
    """Return connection pool and outlier detection of the hop between the gateways.

    Only what goes wrong before an answer counts against an ingress gateway, so that one service
    that answers 503 does not take all others with it. The protocol is the client's: gRPC stays
    HTTP/2, and an upgrade to WebSocket is not possible over that.

    Args:
        policy: what a service changes.
        http: whether the connections carry HTTP.
    """
    tcp: Spec = {
        "connectTimeout": "5s",
        # Middleboxes forget connections that are silent for some minutes.
        "tcpKeepalive": {"time": "60s", "interval": "15s", "probes": 3},
    }
    pool: Spec = {"tcp": tcp}
    if http:
        pool["http"] = {"useClientProtocol": True}
    ejection: Spec = {
        "consecutive5xxErrors": 0,
        "interval": "5s",
        "baseEjectionTime": "5s",
    }
    if policy:
        if policy["max_connections"]:
            tcp["maxConnections"] = policy["max_connections"]
        if policy["max_pending_requests"]:
            pool["http"]["http1MaxPendingRequests"] = policy["max_pending_requests"]
        if policy["max_requests"]:
            pool["http"]["http2MaxRequests"] = policy["max_requests"]
        if policy["outlier_ejection"]:
            ejection = {
                "consecutive5xxErrors": policy["outlier_ejection"]["consecutive_errors"],
                "interval": policy["outlier_ejection"]["interval"],
                "baseEjectionTime": policy["outlier_ejection"]["ejection_time"],
            }
    return {
        "connectionPool": pool,
        "outlierDetection": {
            **ejection,
            "splitExternalLocalOriginErrors": True,
            "consecutiveLocalOriginFailures": 5,
            "maxEjectionPercent": 100,
        },
    }


def to_members(policy: Policy | None) -> Spec:
    """Return connection pool and outlier detection of the hop to the members of a global service.

    Each global service has connections of its own, so here the answers of the service count: an
    ingress gateway says 502, 503 or 504 for a service that has no pods, and so does a service that
    cannot answer. Connections are given up sooner, as there is somewhere else to go.

    Args:
        policy: what the service changes.
    """
    found = to_ingress(policy)
    found["connectionPool"]["tcp"]["connectTimeout"] = "2s"
    ejection = {**found["outlierDetection"], "consecutiveLocalOriginFailures": 2}
    if not (policy and policy["outlier_ejection"]):
        ejection |= {
            "consecutiveGatewayErrors": 3,
            "interval": "1s",
            "baseEjectionTime": "5s",
        }
    return {**found, "outlierDetection": ejection}
