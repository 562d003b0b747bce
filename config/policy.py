"""`exposes[].policy`: where one exposed port differs from the defaults of every link."""

from __future__ import annotations

from components.model import RETRY_ON, OutlierEjection, Retries, TrafficPolicy
from components.protocols import Protocol
from config.reader import Section

_DURATION = r"(?=.*[1-9])([0-9]+(h|m|s|ms))+"
_MOST = 2**31 - 1
_CONDITIONS = r"[a-z0-9-]+( *, *[a-z0-9-]+)*"
HTTP_ONLY = ("timeout", "retries", "outlierEjection", "maxPendingRequests", "maxRequests")


def parse_policy(section: Section, protocol: Protocol) -> TrafficPolicy | None:
    """Read the policy of an exposed port; None when there is none.

    Args:
        section: the policy's.
        protocol: the port's; a connection that no proxy looks into has limits only.
    """
    keys = section.keys()
    if not protocol.is_http:
        for key in (key for key in keys if key in HTTP_ONLY):
            what = f"has no meaning for {protocol.name}"
            section.refuse(key, what, "remove it; maxConnections remains")
    policy = TrafficPolicy(
        timeout=_duration(section, "timeout") or None,
        retries=_retries(section),
        outlier_ejection=_outlier_ejection(section),
        max_connections=_limit(section, "maxConnections") or None,
        max_pending_requests=_limit(section, "maxPendingRequests") or None,
        max_requests=_limit(section, "maxRequests") or None,
    )
    section.finish()
    return policy if keys else None


def _retries(section: Section) -> Retries | None:
    inner = section.optional_section("retries")
    if inner is None:
        return None
    retries = Retries(
        attempts=inner.integer("attempts", 2, low=0, high=10, noun="a number of retries"),
        per_try_timeout=_duration(inner, "perTryTimeout") or None,
        retry_on=inner.text(
            "retryOn",
            RETRY_ON,
            pattern=_CONDITIONS,
            fix="give Envoy's conditions or status codes, separated by commas, e.g. `5xx,reset`",
        ),
    )
    inner.finish()
    return retries


def _outlier_ejection(section: Section) -> OutlierEjection | None:
    inner = section.optional_section("outlierEjection")
    if inner is None:
        return None
    ejection = OutlierEjection(
        consecutive_errors=inner.integer("consecutiveErrors", 5, low=1, high=1000, noun="a number"),
        interval=_duration(inner, "interval") or "10s",
        ejection_time=_duration(inner, "ejectionTime") or "30s",
    )
    inner.finish()
    return ejection


def _limit(section: Section, key: str) -> int:
    return section.integer(key, 0, low=1, high=_MOST, noun="a limit")


def _duration(section: Section, key: str) -> str:
    fix = "give a time like `500ms`, `10s` or `1m30s`"
    return section.text(key, pattern=_DURATION, fix=fix)
