"""What a cluster offers, as both ends of a link know it: data, and what follows from it alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NotRequired, TypedDict

from components import names, protocols
from components.specs.traffic_policy import Policy


class ExposedService(TypedDict):
    """One port of a Service that peers may call."""

    service: str
    """Name of the Service."""
    namespace: str
    """Its namespace."""
    port: int
    """Its port, not the pods'."""
    protocol: str
    """What callers speak: a name from `protocols.TABLE`."""
    address: str
    """IPv4 address of a service that is not HTTP on the callers' side; else empty."""
    allow: Sequence[str]
    """Names of the clusters that may call it."""
    policy: Policy | None
    """Where it differs from the defaults of every link."""
    is_global: NotRequired[bool]
    """Whether it is part of a global service, as on other clusters; if not there: no."""
    weight: NotRequired[int | None]
    """Its share of the calls to that; None: they go to the nearest."""


def ordered(exposes: Iterable[ExposedService]) -> list[ExposedService]:
    """Return exposed ports in an order that does not depend on that of the stack file."""
    return sorted(exposes, key=lambda item: (item["namespace"], item["service"], item["port"]))


def http_ports(exposes: Iterable[ExposedService]) -> list[ExposedService]:
    """Return the exposed ports that are HTTP, in an order of their own."""
    return [item for item in ordered(exposes) if protocols.is_http(item["protocol"])]


def stream_ports(exposes: Iterable[ExposedService]) -> list[ExposedService]:
    """Return the exposed ports that are not HTTP, in an order of their own."""
    return [item for item in ordered(exposes) if protocols.is_stream(item["protocol"])]


def by_service(
    exposes: Iterable[ExposedService],
) -> dict[tuple[str, str], list[ExposedService]]:
    """Group exposed ports by namespace and Service."""

    def key(item: ExposedService) -> tuple[str, str]:
        return item["namespace"], item["service"]

    return {group: list(items) for group, items in groupby(ordered(exposes), key)}


def host(cluster: str, exposed: ExposedService) -> str:
    """Return the name under which callers know the service."""
    return names.service_host(exposed["service"], exposed["namespace"], cluster)


def described(exposed: ExposedService) -> dict[str, Any]:
    """Return an exposed port as the stack exports it: without what only global services have."""
    found: dict[str, Any] = dict(exposed)
    is_global, weight = found.pop("is_global", False), found.pop("weight", None)
    if is_global:
        found["global"] = True
        if weight is not None:
            found["weight"] = weight
    return found


def title(exposed: ExposedService) -> str:
    """Return `SERVICE.NAMESPACE.PORT`, which no other exposed port of the cluster has."""
    return f"{exposed['service']}.{exposed['namespace']}.{exposed['port']}"


def label(cluster: str, exposed: ExposedService) -> str:
    """Return a DNS label that no other exposed port has."""
    return names.port_label(exposed["service"], exposed["namespace"], exposed["port"], cluster)


def authorities(cluster: str, exposed: ExposedService) -> list[str]:
    """Return how a caller writes the address of an exposed port: `NAME:PORT`, or `NAME` for 80."""
    name, port = host(cluster, exposed), exposed["port"]
    return [name, f"{name}:80"] if port == 80 else [f"{name}:{port}"]


def authority_match(cluster: str, exposed: ExposedService) -> dict[str, str]:
    """Return the match of a VirtualService for exactly these authorities, in any case.

    All of it is compared: Envoy takes `NAME:1:PORT` for the same host.
    """
    written = "|".join(re.escape(authority) for authority in authorities(cluster, exposed))
    return {"regex": f"(?i)({written})"}
