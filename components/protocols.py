"""The protocols that callers of an exposed port can speak: one table for both ends of a link.

The stack file takes these, the target opens and routes them, and callers are told of them. All ask
this table, so a new protocol is one row. Which Istio objects carry a port follows from whether it
is HTTP: there is no third way over a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Protocol:
    """One row of the table."""

    name: str
    """As the stack file has it."""
    port_prefix: str
    """First part of the name of a ServiceEntry's port, by which Istio tells protocols too."""
    istio: str
    """Istio's name for it, in a ServiceEntry."""
    is_http: bool
    """Whether proxies read its requests; if not, they hand on bytes."""
    has_sni: bool = False
    """Whether a connection that is not HTTP begins with TLS that names the service in its SNI."""

    @property
    def may_be_global(self) -> bool:
        """Whether several clusters can offer it under one name: that takes a choice per request."""
        return self.is_http

    @property
    def has_address(self) -> bool:
        """Whether its services have addresses of their own: only HTTP names the one it means."""
        return not self.is_http

    def entry_port(self, number: int) -> dict[str, Any]:
        """Return a port of a ServiceEntry that speaks it."""
        return {"number": number, "name": f"{self.port_prefix}-{number}", "protocol": self.istio}


HTTP = Protocol("http", port_prefix="http", istio="HTTP", is_http=True)
"""What a port speaks that says nothing else."""

TABLE: tuple[Protocol, ...] = (
    HTTP,
    Protocol("http2", port_prefix="http2", istio="HTTP2", is_http=True),
    Protocol("grpc", port_prefix="grpc", istio="GRPC", is_http=True),
    Protocol("tls", port_prefix="tls", istio="TLS", is_http=False, has_sni=True),
    Protocol("tcp", port_prefix="tcp", istio="TCP", is_http=False),
)


def named(name: str) -> Protocol:
    """Return the protocol of this name.

    Raises:
        KeyError: there is none.
    """
    return {protocol.name: protocol for protocol in TABLE}[name]


def is_http(name: str) -> bool:
    """Tell whether a port is carried as HTTP.

    A name that is not in the table is neither this nor a stream: a linked cluster of another stack
    may have a newer version of this program, and what that adds is left out.
    """
    return any(protocol.name == name and protocol.is_http for protocol in TABLE)


def is_stream(name: str) -> bool:
    """Tell whether a port is carried as a stream of bytes."""
    return any(protocol.name == name and not protocol.is_http for protocol in TABLE)


def either(alternatives: Sequence[Protocol]) -> str:
    """Return the names of at least two protocols for a sentence: `a, b or c`."""
    *first, last = (protocol.name for protocol in alternatives)
    return f"{', '.join(first)} or {last}"
