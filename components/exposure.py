"""Specs of the objects by which a cluster offers services to its peers. Pure functions.

What stands here is the boundary: the Gateway takes in the cluster's own zone only, a VirtualService
exists per exposed service only, and the policy lets only the peers' egress gateways speak at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, TypedDict

from . import names

Spec = dict[str, Any]

EXPOSED_GATEWAY = "exposed-services"


class ExposedService(TypedDict):
    """One port of a Service that peers may call."""

    service: str
    """Name of the Service."""
    namespace: str
    """Its namespace."""
    port: int
    """Its port, not the pods'."""
    allow: Sequence[str]
    """Names of the clusters that may call it."""


def gateway(cluster: str, link_port: int) -> Spec:
    """Return the Gateway for the cluster's own zone (seed: `ingress-gateway`)."""
    return {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {
                "port": {"number": link_port, "name": "https-link", "protocol": "HTTPS"},
                # `./`: no VirtualService of another namespace can bind: the operator exposes.
                "hosts": [f"./*.{names.zone(cluster)}"],
                "tls": {"mode": "ISTIO_MUTUAL"},
            }
        ],
    }


def by_service(
    exposes: Iterable[ExposedService],
) -> dict[tuple[str, str], list[ExposedService]]:
    """Group exposed ports by namespace and Service: each becomes one VirtualService."""

    def key(item: ExposedService) -> tuple[str, str]:
        return item["namespace"], item["service"]

    ordered = sorted(exposes, key=lambda item: (*key(item), item["port"]))
    return {group: list(items) for group, items in groupby(ordered, key)}


def authorities(cluster: str, exposed: ExposedService) -> list[str]:
    """Return how a caller writes the address of an exposed port: `NAME:PORT`, or `NAME` for 80."""
    host = names.service_host(exposed["service"], exposed["namespace"], cluster)
    port = exposed["port"]
    return [host, f"{host}:80"] if port == 80 else [f"{host}:{port}"]


def virtual_service(
    cluster: str, ports: Sequence[ExposedService], *, caller_identity: bool
) -> Spec:
    """Return the VirtualService of one exposed Service.

    All calls arrive on the one link port, so the port that the caller meant is told by the
    authority alone. All of it is compared: Envoy takes `NAME:1:PORT` for the same host.

    Args:
        cluster: the cluster's name.
        ports: the exposed ports of one Service.
        caller_identity: whether the header with the caller's identity may pass.
    """
    service, namespace = ports[0]["service"], ports[0]["namespace"]

    def route(exposed: ExposedService) -> Spec:
        written = "|".join(re.escape(authority) for authority in authorities(cluster, exposed))
        destination = {
            "host": names.local_host(service, namespace),
            "port": {"number": exposed["port"]},
        }
        made: Spec = {
            "match": [{"authority": {"regex": f"(?i)({written})"}}],
            "route": [{"destination": destination}],
        }
        if not caller_identity:  # nobody has vouched for it
            made["headers"] = {"request": {"remove": [names.CALLER_HEADER]}}
        return made

    return {
        "hosts": [names.service_host(service, namespace, cluster)],
        "gateways": [EXPOSED_GATEWAY],
        "http": [route(item) for item in ports],
    }


def policy(
    cluster: str,
    link_port: int,
    peers: Mapping[str, str],
    exposes: Iterable[ExposedService],
    *,
    caller_identity: bool,
) -> Spec:
    """Return the AuthorizationPolicy of the link port: shut, but for what is listed.

    A DENY with what is allowed in its `not` fields, limited to the link port: ordinary traffic on
    the same pods stays as it is, which an ALLOW policy would end. The Gateway's mTLS only proves
    that a caller has a certificate of the shared root, which every workload of every cluster has.

    Hosts are compared as a whole and without regard to case. What is not written exactly as a
    service that this caller may call (another port, a trailing dot, a service that is not exposed)
    is refused here, before any route is looked for.

    Args:
        cluster: the cluster's name.
        link_port: the port that the policy is about.
        peers: name of each linked cluster to its trust domain.
        exposes: the exposed services with who may call each.
        caller_identity: whether peers tell which of their workloads calls.
    """
    ports = [str(link_port)]
    callers = {peer: names.principal(peers[peer], names.EGRESS) for peer in sorted(peers)}
    strangers: Spec = {"to": [{"operation": {"ports": ports}}]}
    if callers:
        strangers["from"] = [{"source": {"notPrincipals": list(callers.values())}}]
    rules = [strangers]

    exposed = list(exposes)
    allowed: dict[tuple[str, ...], list[str]] = {}
    for peer, principal in callers.items():
        hosts = {
            host for item in exposed if peer in item["allow"] for host in authorities(cluster, item)
        }
        allowed.setdefault(tuple(sorted(hosts)), []).append(principal)
    for hosts_of, principals in sorted(allowed.items()):
        operation: Spec = {"ports": ports, **({"notHosts": list(hosts_of)} if hosts_of else {})}
        rules.append(
            {"from": [{"source": {"principals": principals}}], "to": [{"operation": operation}]}
        )
    if caller_identity:
        rules += _caller_identity_rules(ports, peers, callers)
    return {
        "selector": {"matchLabels": {"istio": "ingressgateway"}},
        "action": "DENY",
        "rules": rules,
    }


def _caller_identity_rules(
    ports: list[str], peers: Mapping[str, str], callers: Mapping[str, str]
) -> list[Spec]:
    """Return the rules by which the header with the caller's identity can be believed.

    A peer speaks for its own workloads only; who comes in by another port speaks for nobody.
    """
    header = f"request.headers[{names.CALLER_HEADER}]"
    own = [
        {
            "from": [{"source": {"principals": [callers[peer]]}}],
            "to": [{"operation": {"ports": ports}}],
            "when": [{"key": header, "notValues": [f"spiffe://{peers[peer]}/*"]}],
        }
        for peer in callers
    ]
    foreign: Spec = {
        "to": [{"operation": {"notPorts": ports}}],
        "when": [{"key": header, "values": ["*"]}],
    }
    return [*own, foreign]
