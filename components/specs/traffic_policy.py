"""Timeouts, retries, ejection and limits: the defaults of every link, and what a service changes.

A call has four hops: sidecar, egress gateway, ingress gateway, the service's own sidecar. Retries
of each multiply, so every hop tries again only what did not reach the next one; only the first hop
can be told to do more.
"""

from __future__ import annotations

from typing import Any

from components.model import RETRY_ON, Retries, TrafficPolicy

Spec = dict[str, Any]

MEMBER_RETRY_ON = f"{RETRY_ON},retriable-headers"
"""The conditions of every hop, and that a member says so: see `global_services.UNSERVED`."""


def hop_retries() -> Spec:
    """Return the retries of a hop."""
    return {"attempts": 2, "retryOn": RETRY_ON}


def first_hop(policy: TrafficPolicy | None) -> Spec:
    """Return the fields of the route of a service's first hop."""
    fields: Spec = {"retries": hop_retries()}
    if policy and policy.timeout:
        fields["timeout"] = policy.timeout
    if policy and policy.retries:
        fields["retries"] = _retries(policy.retries)
    return fields


def _retries(wanted: Retries) -> Spec:
    if not wanted.attempts:
        return {"attempts": 0}
    retries: Spec = {"attempts": wanted.attempts, "retryOn": wanted.retry_on}
    if wanted.per_try_timeout:
        retries["perTryTimeout"] = wanted.per_try_timeout
    return retries


def has_route(policy: TrafficPolicy | None) -> bool:
    """Tell whether a service needs a route of its own on its first hop."""
    return bool(policy and (policy.timeout or policy.retries))


def has_limits(policy: TrafficPolicy | None) -> bool:
    """Tell whether a service needs connections of its own between the gateways."""
    return bool(
        policy
        and (
            policy.outlier_ejection
            or policy.max_connections
            or policy.max_pending_requests
            or policy.max_requests
        )
    )


def has_timeout(policy: TrafficPolicy | None) -> bool:
    """Tell whether a global service needs a route of its own on its first hop."""
    return bool(policy and policy.timeout)


def to_global(policy: TrafficPolicy | None) -> Spec:
    """Return the fields of the route of a global service's first hop: there is no choice yet."""
    timeout = {"timeout": policy.timeout} if policy and policy.timeout else {}
    return {"retries": hop_retries(), **timeout}


def member_retries(policy: TrafficPolicy | None, members: int) -> Spec:
    """Return the retries of the hop that chooses a member.

    Envoy goes on to clusters that are further away after every second try only, so these are enough
    to get to the last one. What a service wants to be tried again is tried here, and not by the
    sidecar, which cannot tell one member from another; and so is what nobody has seen.

    Args:
        policy: what the service changes.
        members: how many clusters may be tried.
    """
    if policy and policy.retries:
        retries = _retries(policy.retries)
        if not retries["attempts"]:
            return retries
        wanted = retries["retryOn"].replace(" ", "").split(",")
        conditions = dict.fromkeys((*wanted, *MEMBER_RETRY_ON.split(",")))
        retries["retryOn"] = ",".join(conditions)
    else:
        retries = {"attempts": max(2, 2 * members - 1), "retryOn": MEMBER_RETRY_ON}
    return {**retries, "retryRemoteLocalities": True}


def to_egress() -> Spec:
    """Return the connection pool of the hop from a sidecar to the egress gateway."""
    return {"tcp": {"connectTimeout": "5s"}, "http": {"useClientProtocol": True}}


def to_ingress(policy: TrafficPolicy | None = None, *, http: bool = True) -> Spec:
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
        if policy.max_connections:
            tcp["maxConnections"] = policy.max_connections
        if policy.max_pending_requests:
            pool["http"]["http1MaxPendingRequests"] = policy.max_pending_requests
        if policy.max_requests:
            pool["http"]["http2MaxRequests"] = policy.max_requests
        if policy.outlier_ejection:
            ejection = {
                "consecutive5xxErrors": policy.outlier_ejection.consecutive_errors,
                "interval": policy.outlier_ejection.interval,
                "baseEjectionTime": policy.outlier_ejection.ejection_time,
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


def to_members(policy: TrafficPolicy | None) -> Spec:
    """Return connection pool and outlier detection of the hop to the members of a global service.

    Each global service has connections of its own, so here the answers of the service count: an
    ingress gateway says 502, 503 or 504 for a service that has no pods, and so does a service that
    cannot answer. Connections are given up sooner, as there is somewhere else to go.

    Args:
        policy: what the service changes.
    """
    settings = to_ingress(policy)
    settings["connectionPool"]["tcp"]["connectTimeout"] = "2s"
    ejection = {**settings["outlierDetection"], "consecutiveLocalOriginFailures": 2}
    if not (policy and policy.outlier_ejection):
        ejection |= {
            "consecutiveGatewayErrors": 3,
            "interval": "1s",
            "baseEjectionTime": "5s",
        }
    return {**settings, "outlierDetection": ejection}
