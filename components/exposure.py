"""Specs of the objects by which a cluster offers services to its peers. Pure functions.

What stands here is the boundary: the Gateway takes in the cluster's own zone only, a VirtualService
exists per exposed service only, and the policy lets only the peers' egress gateways speak at all.
"""

from __future__ import annotations

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


def virtual_service(cluster: str, ports: Sequence[ExposedService]) -> Spec:
    """Return the VirtualService of one exposed Service.

    All calls arrive on the one link port, so the port that the caller meant is told by the
    authority alone: `NAME:PORT`, without the port when that is 80. The host in it is matched by
    `hosts` already, without regard to case, so only the port is compared.
    """
    service, namespace = ports[0]["service"], ports[0]["namespace"]

    def route(port: int) -> Spec:
        authority = r"[^:]*(:80)?" if port == 80 else rf".*:{port}"
        destination = {
            "host": names.local_host(service, namespace),
            "port": {"number": port},
        }
        return {
            "match": [{"authority": {"regex": authority}}],
            "route": [{"destination": destination}],
        }

    return {
        "hosts": [names.service_host(service, namespace, cluster)],
        "gateways": [EXPOSED_GATEWAY],
        "http": [route(item["port"]) for item in ports],
    }


def policy(
    cluster: str, link_port: int, peers: Mapping[str, str], exposes: Iterable[ExposedService]
) -> Spec:
    """Return the AuthorizationPolicy that shuts the link port to everybody but the peers.

    A DENY with `notPrincipals`, limited to the link port: ordinary traffic on the same pods stays
    as it is, which an ALLOW policy would end. The Gateway's mTLS only proves that a caller has a
    certificate of the shared root, which every workload of every cluster has.

    Args:
        cluster: the cluster's name.
        link_port: the port that the policy is about.
        peers: name of each linked cluster to its trust domain.
        exposes: the exposed services with who may call each.
    """

    def identities(allowed: Iterable[str]) -> list[str]:
        return [names.principal(peers[peer], names.EGRESS) for peer in sorted(allowed)]

    def deny_all_but(allowed: Iterable[str], operation: Spec) -> Spec:
        rule: Spec = {"to": [{"operation": {"ports": [str(link_port)], **operation}}]}
        if callers := identities(allowed):
            rule["from"] = [{"source": {"notPrincipals": callers}}]
        return rule

    rules = [deny_all_but(peers, {})]
    for (namespace, service), ports in by_service(exposes).items():
        host = names.service_host(service, namespace, cluster)
        for item in ports:
            if set(item["allow"]) != set(peers):
                hosts = [host, f"{host}:80"] if item["port"] == 80 else [f"{host}:{item['port']}"]
                rules.append(deny_all_but(item["allow"], {"hosts": hosts}))
    return {
        "selector": {"matchLabels": {"istio": "ingressgateway"}},
        "action": "DENY",
        "rules": rules,
    }
