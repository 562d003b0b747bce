"""Specs of the objects by which a cluster offers services to its peers. Pure functions.

What stands here is the boundary: the Gateway takes in the cluster's own zone only, routes exist for
exposed services only, and the policy lets only the peers' egress gateways speak at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pulumi

from components import names
from components.specs import global_services, streams, traffic_policy
from components.specs.exposed_ports import (
    ExposedService,
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


def gateway(
    cluster: str, link_port: int, exposes: Iterable[ExposedService], peers: Mapping[str, str]
) -> Spec:
    """Return the Gateway for the cluster's own zone (seed: `ingress-gateway`).

    Args:
        cluster: the cluster's name.
        link_port: the port that all its servers share.
        exposes: the exposed services; one server is for all HTTP, every other port has its own.
        peers: name of each linked cluster to its trust domain.
    """
    exposes = list(exposes)
    http: Spec = {
        "port": {"number": link_port, "name": "https-link", "protocol": "HTTPS"},
        # `./`: no VirtualService of another namespace can bind: the operator exposes.
        "hosts": [f"./{host}" for host in _hosts(cluster, exposes)],
        "tls": {"mode": "ISTIO_MUTUAL"},
    }
    return {
        "selector": {"istio": "ingressgateway"},
        "servers": [http, *streams.arrival_servers(cluster, link_port, exposes, peers)],
    }


def virtual_service(
    cluster: str, exposes: Iterable[ExposedService], *, caller_identity: bool
) -> Spec | None:
    """Return the VirtualService of all that is exposed for HTTP, a route for each port.

    None if nothing is: Istio has no VirtualService without routes. All calls arrive on the one link
    port, so the port that the caller meant is told by the authority alone. One object for all, so
    that their number does not grow with services: ADR 17.

    Args:
        cluster: the cluster's name.
        exposes: the exposed services.
        caller_identity: whether the header with the caller's identity may pass.

    Raises:
        pulumi.RunError: they are too many for one object.
    """

    def route(exposed: ExposedService) -> Spec:
        destination = {
            "host": names.local_host(exposed["service"], exposed["namespace"]),
            "port": {"number": exposed["port"]},
        }
        made: Spec = {
            "name": title(exposed),  # as access logs and a diff will show it
            "match": [
                {"authority": authority_match(zone, exposed)} for zone in _zones(cluster, [exposed])
            ],
            "route": [{"destination": destination}],
            "retries": traffic_policy.hop_retries(),
        }
        if not caller_identity:  # nobody has vouched for it
            made["headers"] = {"request": {"remove": [names.CALLER_HEADER]}}
        if exposed.get("is_global"):
            made.setdefault("headers", {})["response"] = global_services.unserved()
        return made

    http = http_ports(exposes)
    if not http:
        return None
    spec = {
        "hosts": _hosts(cluster, http),
        "gateways": [EXPOSED],
        "http": [route(item) for item in http],
    }
    if (size := len(json.dumps(spec, separators=(",", ":")))) > MAX_BYTES:
        raise pulumi.RunError(
            f"clusters.{cluster}.exposes: the routes of {len(http)} HTTP ports are {size} bytes, "
            f"and a Kubernetes object has room for {MAX_BYTES}; expose fewer from this cluster"
        )
    return spec


def _zones(cluster: str, exposes: Iterable[ExposedService]) -> list[str]:
    """Return by which clusters' names callers may mean one of them: `global` if any is."""
    shared = any(item.get("is_global") for item in exposes)
    return [cluster, names.GLOBAL] if shared else [cluster]


def _hosts(cluster: str, exposes: Iterable[ExposedService]) -> list[str]:
    """Return all hosts of these zones."""
    return [f"*.{names.zone(zone)}" for zone in _zones(cluster, exposes)]


def policy(
    cluster: str,
    link_port: int,
    peers: Mapping[str, str],
    exposes: Iterable[ExposedService],
    *,
    caller_identity: bool,
    trust_domain: str = "",
) -> Spec:
    """Return the AuthorizationPolicy of the link port: shut, but for what is listed.

    A DENY with what is allowed in its `not` fields, limited to the link port: ordinary traffic on
    the same pods stays as it is, which an ALLOW policy would end. The Gateway's mTLS only proves
    that a caller has a certificate of the shared root, which every workload of every cluster has.

    Hosts are compared as a whole and without regard to case. What is not written exactly as a
    service that this caller may call (another port, a trailing dot, a service that is not exposed)
    is refused here, before any route is looked for.

    A connection that is not HTTP has no host: there Istio leaves the condition out of the rule,
    which then refuses all of a peer's connections. So the rule is not for connections with the
    SNIs of the streams that the peer may call. No HTTP comes in with these SNIs: the server for
    HTTP does not match them.

    The cluster's own egress gateway may call its global services, by their global names only: that
    is how its own workloads come to them.

    Args:
        cluster: the cluster's name.
        link_port: the port that the policy is about.
        peers: name of each linked cluster to its trust domain.
        exposes: the exposed services with who may call each.
        caller_identity: whether peers tell which of their workloads calls.
        trust_domain: the cluster's own; needed with global services only.
    """
    ports = [str(link_port)]
    exposed = list(exposes)
    if any(item.get("is_global") for item in exposed):
        assert trust_domain, "a global service is called from its own cluster too"
        peers = {**peers, cluster: trust_domain}
    callers = {peer: names.principal(peers[peer], names.EGRESS) for peer in sorted(peers)}
    strangers: Spec = {"to": [{"operation": {"ports": ports}}]}
    if callers:
        strangers["from"] = [{"source": {"notPrincipals": list(callers.values())}}]
    rules = [strangers]

    allowed: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for peer, principal in callers.items():
        mine = [item for item in exposed if peer in item["allow"]]
        snis = [streams.sni(cluster, item) for item in stream_ports(mine)]
        hosts = {host for item in http_ports(mine) for host in authorities(cluster, item)} | {
            host
            for item in global_services.offered(exposed, cluster, peer)
            for host in authorities(names.GLOBAL, item)
        }
        allowed.setdefault((tuple(sorted(hosts)), tuple(snis)), []).append(principal)
    for (hosts_of, snis_of), principals in sorted(allowed.items()):
        operation: Spec = {"ports": ports, **({"notHosts": list(hosts_of)} if hosts_of else {})}
        rule: Spec = {
            "from": [{"source": {"principals": principals}}],
            "to": [{"operation": operation}],
        }
        if snis_of:
            rule["when"] = [{"key": "connection.sni", "notValues": list(snis_of)}]
        rules.append(rule)
    if caller_identity:
        rules += _caller_identity_rules(cluster, ports, peers, callers)
    return {
        "selector": {"matchLabels": {"istio": "ingressgateway"}},
        "action": "DENY",
        "rules": rules,
    }


def _caller_identity_rules(
    cluster: str, ports: list[str], peers: Mapping[str, str], callers: Mapping[str, str]
) -> list[Spec]:
    """Return the rules by which the header with the caller's identity can be believed.

    A peer speaks for its own workloads only; who comes in by another port speaks for nobody. Only
    HTTP has headers: see `policy()` for the condition on the SNI.
    """
    header = f"request.headers[{names.CALLER_HEADER}]"
    http = {"key": "connection.sni", "notValues": [f"*.{names.stream_zone(cluster)}"]}
    own = [
        {
            "from": [{"source": {"principals": [callers[peer]]}}],
            "to": [{"operation": {"ports": ports}}],
            "when": [{"key": header, "notValues": [f"spiffe://{peers[peer]}/*"]}, http],
        }
        for peer in callers
    ]
    foreign: Spec = {
        "to": [{"operation": {"notPorts": ports}}],
        "when": [{"key": header, "values": ["*"]}],
    }
    return [*own, foreign]
