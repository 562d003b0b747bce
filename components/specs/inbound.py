"""Specs of the objects by which a cluster offers services to linked clusters. Pure functions.

What stands here is the boundary: the Gateway takes in the cluster's own zone only, routes exist for
exposed services only, and the policy lets only the linked clusters' egress gateways speak at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components import names
from components.model import ExposedPort
from components.specs import global_services, streams, traffic_policy
from components.specs.exposed_ports import (
    authorities,
    authority_match,
    http_ports,
    stream_ports,
    title,
)

Spec = dict[str, Any]

EXPOSED = "exposed-services"
"""Name of the Gateway, and of the VirtualService of what is HTTP."""
MAX_BYTES = 1_500_000
"""Room for a spec: etcd takes requests of 1.5 MiB, and there is more in them."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """What a cluster lets in over its links."""

    cluster: str
    """The cluster's name."""
    trust_domain: str
    """Its own; its own egress gateway calls its global services."""
    link_port: int
    """The port by which all calls come in."""
    callers: Mapping[str, str]
    """Name of each linked cluster to its trust domain."""
    exposes: Sequence[ExposedPort]
    """The exposed ports, each with who may call it."""
    caller_identity: bool
    """Whether callers tell which of their workloads calls."""

    @property
    def has_global(self) -> bool:
        """Whether any of the ports is part of a global service."""
        return any(port.is_global for port in self.exposes)


def gateway(boundary: Boundary) -> Spec:
    """Return the Gateway for the cluster's own zone.

    One server is for all HTTP, every other port has its own. All share the link port.
    """
    cluster, link_port, exposes = boundary.cluster, boundary.link_port, boundary.exposes
    http: Spec = {
        "port": {"number": link_port, "name": "https-link", "protocol": "HTTPS"},
        # `./`: no VirtualService of another namespace can bind: the operator exposes.
        "hosts": [f"./{host}" for host in _hosts(cluster, exposes)],
        "tls": {"mode": "ISTIO_MUTUAL"},
    }
    callers = boundary.callers
    return {
        "selector": {"istio": "ingressgateway"},
        "servers": [http, *streams.arrival_servers(cluster, link_port, exposes, callers)],
    }


def virtual_service(boundary: Boundary) -> Spec | None:
    """Return the VirtualService of all that is exposed for HTTP, a route for each port.

    None if nothing is: Istio has no VirtualService without routes. All calls arrive on the one link
    port, so the port that the caller meant is told by the authority alone. One object for all, so
    that their number does not grow with services: ADR 17.

    Raises:
        pulumi.RunError: they are too many for one object.
    """
    cluster, http = boundary.cluster, http_ports(boundary.exposes)
    if not http:
        return None
    spec = {
        "hosts": _hosts(cluster, http),
        "gateways": [EXPOSED],
        "http": [_arrival_route(boundary, port) for port in http],
    }
    if (size := len(json.dumps(spec, separators=(",", ":")))) > MAX_BYTES:
        raise pulumi.RunError(
            f"clusters.{cluster}.exposes: the routes of {len(http)} HTTP ports are {size} bytes, "
            f"and a Kubernetes object has room for {MAX_BYTES}; expose fewer from this cluster"
        )
    return spec


def _arrival_route(boundary: Boundary, port: ExposedPort) -> Spec:
    """Return the route from the authorities of an exposed port to its Service."""
    zones = _zones(boundary.cluster, [port])
    destination = {
        "host": names.local_host(port.service, port.namespace),
        "port": {"number": port.port},
    }
    route: Spec = {
        "name": title(port),  # as access logs and a diff will show it
        "match": [{"authority": authority_match(zone, port)} for zone in zones],
        "route": [{"destination": destination}],
        "retries": traffic_policy.hop_retries(),
    }
    if not boundary.caller_identity:  # nobody has vouched for it
        route["headers"] = {"request": {"remove": [names.CALLER_HEADER]}}
    if port.is_global:
        route.setdefault("headers", {})["response"] = global_services.unserved()
    return route


def _zones(cluster: str, exposes: Iterable[ExposedPort]) -> list[str]:
    """Return whose zones callers may name these ports in: the cluster's own, and the global one."""
    shared = any(port.is_global for port in exposes)
    return [cluster, names.GLOBAL] if shared else [cluster]


def _hosts(cluster: str, exposes: Iterable[ExposedPort]) -> list[str]:
    """Return all hosts of these zones."""
    return [f"*.{names.zone(zone)}" for zone in _zones(cluster, exposes)]


def policy(boundary: Boundary) -> Spec:
    """Return the AuthorizationPolicy of the link port: shut, but for what is listed.

    A DENY with what is allowed in its `not` fields, limited to the link port: ordinary traffic on
    the same pods stays as it is, which an ALLOW policy would end. The Gateway's mTLS only proves
    that a caller has a certificate of the shared root, which every workload of every cluster has.

    The cluster's own egress gateway may call its global services, by their global names only: that
    is how its own workloads come to them.
    """
    domains = dict(boundary.callers)
    if boundary.has_global:
        domains[boundary.cluster] = boundary.trust_domain
    callers = {caller: names.principal(domains[caller], names.EGRESS) for caller in sorted(domains)}
    rules = [_strangers(boundary, callers), *_callers(boundary, callers)]
    if boundary.caller_identity:
        rules += _caller_identity(boundary, domains, callers)
    return {
        "selector": {"matchLabels": {"istio": "ingressgateway"}},
        "action": "DENY",
        "rules": rules,
    }


def _strangers(boundary: Boundary, callers: Mapping[str, str]) -> Spec:
    """Return the rule that refuses whoever is not the egress gateway of a caller.

    Args:
        boundary: what is let in.
        callers: name of each caller to the principal of its egress gateway.
    """
    rule: Spec = {"to": [{"operation": {"ports": [str(boundary.link_port)]}}]}
    if callers:
        rule["from"] = [{"source": {"notPrincipals": [*callers.values()]}}]
    return rule


def _callers(boundary: Boundary, callers: Mapping[str, str]) -> list[Spec]:
    """Return the rules that refuse callers what they may not call, one for each set of rights.

    Hosts are compared as a whole and without regard to case. What is not written exactly as a
    service that this caller may call (another port, a trailing dot, a service that is not exposed)
    is refused here, before any route is looked for.

    A connection that is not HTTP has no host: there Istio leaves the condition out of the rule,
    which then refuses all connections of the caller. So the rule is not for connections with the
    SNIs of the streams that it may call. No HTTP comes in with these SNIs: the server for HTTP does
    not match them.

    Args:
        boundary: what is let in.
        callers: name of each caller to the principal of its egress gateway.
    """
    principals: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for caller, principal in callers.items():
        principals.setdefault(_rights(boundary, caller), []).append(principal)
    rules = []
    for (hosts, snis), of_these in sorted(principals.items()):
        operation: Spec = {"ports": [str(boundary.link_port)]}
        if hosts:
            operation["notHosts"] = [*hosts]
        rule: Spec = {
            "from": [{"source": {"principals": of_these}}],
            "to": [{"operation": operation}],
        }
        if snis:
            rule["when"] = [{"key": "connection.sni", "notValues": [*snis]}]
        rules.append(rule)
    return rules


def _rights(boundary: Boundary, caller: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the authorities and the SNIs that a caller may use."""
    cluster = boundary.cluster
    allowed = [port for port in boundary.exposes if caller in port.allow]
    own_names = [(cluster, port) for port in http_ports(allowed)]
    shared = global_services.offered(boundary.exposes, cluster, caller)
    global_names = [(names.GLOBAL, port) for port in shared]
    hosts = {host for zone, port in own_names + global_names for host in authorities(zone, port)}
    snis = [streams.sni(cluster, port) for port in stream_ports(allowed)]
    return tuple(sorted(hosts)), tuple(snis)


def _caller_identity(
    boundary: Boundary, domains: Mapping[str, str], callers: Mapping[str, str]
) -> list[Spec]:
    """Return the rules by which the header with the caller's identity can be believed.

    A cluster speaks for its own workloads only; who comes in by another port speaks for nobody.
    Only HTTP has headers: see `_callers()` for the condition on the SNI.

    Args:
        boundary: what is let in.
        domains: name of each caller to its trust domain.
        callers: name of each caller to the principal of its egress gateway.
    """
    ports = [str(boundary.link_port)]
    header = f"request.headers[{names.CALLER_HEADER}]"
    http = {
        "key": "connection.sni",
        "notValues": [f"*.{names.stream_zone(boundary.cluster)}"],
    }
    own = [
        {
            "from": [{"source": {"principals": [principal]}}],
            "to": [{"operation": {"ports": ports}}],
            "when": [{"key": header, "notValues": [f"spiffe://{domains[caller]}/*"]}, http],
        }
        for caller, principal in callers.items()
    ]
    foreign: Spec = {
        "to": [{"operation": {"notPorts": ports}}],
        "when": [{"key": header, "values": ["*"]}],
    }
    return [*own, foreign]
