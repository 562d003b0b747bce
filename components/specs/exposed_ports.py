"""What follows from a cluster's exposed ports alone, at both ends of a link. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from components import names, protocols
from components.model import ExposedPort


def ordered(exposes: Iterable[ExposedPort]) -> list[ExposedPort]:
    """Return exposed ports in an order that does not depend on that of the stack file."""
    return sorted(exposes, key=lambda item: (item.namespace, item.service, item.port))


def http_ports(exposes: Iterable[ExposedPort]) -> list[ExposedPort]:
    """Return the exposed ports that are HTTP, in an order of their own."""
    return [item for item in ordered(exposes) if protocols.is_http(item.protocol)]


def stream_ports(exposes: Iterable[ExposedPort]) -> list[ExposedPort]:
    """Return the exposed ports that are not HTTP, in an order of their own."""
    return [item for item in ordered(exposes) if protocols.is_stream(item.protocol)]


def by_service(
    exposes: Iterable[ExposedPort],
) -> dict[tuple[str, str], list[ExposedPort]]:
    """Group exposed ports by namespace and Service."""

    def key(item: ExposedPort) -> tuple[str, str]:
        return item.namespace, item.service

    return {group: list(items) for group, items in groupby(ordered(exposes), key)}


def host(cluster: str, exposed: ExposedPort) -> str:
    """Return the name under which callers know the service."""
    return names.service_host(exposed.service, exposed.namespace, cluster)


def title(exposed: ExposedPort) -> str:
    """Return `SERVICE.NAMESPACE.PORT`, which no other exposed port of the cluster has."""
    return f"{exposed.service}.{exposed.namespace}.{exposed.port}"


def label(cluster: str, exposed: ExposedPort) -> str:
    """Return a DNS label that no other exposed port has."""
    return names.port_label(exposed.service, exposed.namespace, exposed.port, cluster)


def authorities(cluster: str, exposed: ExposedPort) -> list[str]:
    """Return how a caller writes the address of an exposed port: `NAME:PORT`, or `NAME` for 80."""
    name, port = host(cluster, exposed), exposed.port
    return [name, f"{name}:80"] if port == 80 else [f"{name}:{port}"]


def authority_match(cluster: str, exposed: ExposedPort) -> dict[str, str]:
    """Return the match of a VirtualService for exactly these authorities, in any case.

    All of it is compared: Envoy takes `NAME:1:PORT` for the same host.
    """
    written = "|".join(re.escape(authority) for authority in authorities(cluster, exposed))
    return {"regex": f"(?i)({written})"}
