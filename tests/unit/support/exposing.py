"""What clusters expose, as components get it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from components.model import ExposedPort
from components.specs.inbound import Boundary


def exposed(service: str, port: int, **fields: Any) -> ExposedPort:
    """Return one exposed port, of namespace `shop` and allowed to b unless said otherwise."""
    usual: dict[str, Any] = {"namespace": "shop", "protocol": "http", "allow": ("b",)}
    return ExposedPort(service=service, port=port, **{**usual, **fields})


def boundary(
    callers: Mapping[str, str],
    exposes: Iterable[ExposedPort],
    *,
    link_port: int = 15443,
    trust_domain: str = "a.remote",
    caller_identity: bool = False,
) -> Boundary:
    """Return what cluster a lets in.

    Args:
        callers: name of each linked cluster to its trust domain.
        exposes: the exposed ports.
        link_port: the port by which all calls come in.
        trust_domain: the cluster's own.
        caller_identity: whether callers tell which of their workloads calls.
    """
    return Boundary(
        cluster="a",
        trust_domain=trust_domain,
        link_port=link_port,
        callers=callers,
        exposes=[*exposes],
        caller_identity=caller_identity,
    )
