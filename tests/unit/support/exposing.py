"""What clusters expose, as components get it."""

from __future__ import annotations

from typing import Any

from components.specs.exposed_ports import ExposedService
from components.specs.traffic_policy import Policy

NO_POLICY: Policy = {
    "timeout": "",
    "retries": None,
    "outlier_ejection": None,
    "max_connections": 0,
    "max_pending_requests": 0,
    "max_requests": 0,
}


def exposed(service: str, port: int, **further: Any) -> ExposedService:
    """Return one exposed port, of namespace `shop` and allowed to b unless said otherwise."""
    found: ExposedService = {
        "service": service,
        "namespace": "shop",
        "port": port,
        "protocol": "http",
        "address": "",
        "allow": ["b"],
        "policy": None,
    }
    found.update(further)  # type: ignore[typeddict-item]
    return found


def policy(**further: Any) -> Policy:
    """Return a policy that says nothing but what is given."""
    found: Policy = {**NO_POLICY}
    found.update(further)  # type: ignore[typeddict-item]
    return found
