"""Specs of the objects on the caller of one direction of a link. Pure functions.

The way of a request: sidecar -> local egress gateway -> the target's ingress gateway. Their number
does not depend on how many services the target exposes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from components import names, protocols
from components.addresses import is_ip
from components.model import ExposedPort
from components.specs import streams, traffic_policy
from components.specs.exposed_ports import authority_match, http_ports, label

Spec = dict[str, Any]


def ingress_entry(target: str, addresses: Sequence[str], port: int) -> Spec:
    """Return the ServiceEntry for the target's ingress gateway.

    A load balancer that gives a host name is resolved by Envoy, again and again: its addresses
    change, so resolving it here would freeze a mistake (istio/istio#29359). IP addresses among host
    names are taken as they are.

    Args:
        target: the target cluster's name.
        addresses: IP addresses or host names of its ingress gateway.
        port: the port to dial there.
    """
    resolution = "STATIC" if all(is_ip(address) for address in addresses) else "DNS"
    return {
        "hosts": [names.ingress_host(target)],
        "location": "MESH_EXTERNAL",
        "ports": [{"number": port, "name": "http-link", "protocol": "HTTP"}],
        "resolution": resolution,
        "endpoints": [{"address": address} for address in addresses],
        # Only the egress gateway may know the way out; for a sidecar it would be a way around it.
        "exportTo": ["."],
    }


def zone_entry(target: str, exposes: Iterable[ExposedPort], addresses: Sequence[str] = ()) -> Spec:
    """Return the ServiceEntry for the target's exposed HTTP services.

    A port whose services speak different kinds of HTTP is plain HTTP, which carries them all.
    Without the entry a sidecar has no listener on a port that no local service uses, and with
    `outboundTrafficPolicy: REGISTRY_ONLY` no call leaves the pod.

    Args:
        target: the target cluster's name.
        exposes: what the target exposes to the caller; port 80 stands in when that is nothing.
        addresses: what sidecars with DNS capture answer for any name of the zone. Without them
            they ask the cluster's DNS.
    """
    spoken: dict[int, set[str]] = {}
    for item in http_ports(exposes):
        spoken.setdefault(item.port, set()).add(item.protocol)

    def port(number: int) -> Spec:
        kinds = spoken.get(number, set())
        protocol = protocols.named(*kinds) if len(kinds) == 1 else protocols.HTTP
        return protocol.entry_port(number)

    return {
        "hosts": [f"*.{names.zone(target)}"],
        **({"addresses": [*addresses]} if addresses else {}),
        "location": "MESH_EXTERNAL",
        "ports": [port(number) for number in sorted(spoken) or [80]],
        "resolution": "NONE",
    }


def egress_gateway(target: str, link_port: int, exposes: Iterable[ExposedPort]) -> Spec:
    """Return the Gateway that takes calls to the target's zone on the egress pods.

    Args:
        target: the target cluster's name.
        link_port: the caller's link port.
        exposes: what the target exposes to the caller.
    """
    server = {
        # Server names must differ between the Gateways that share a port.
        "port": {"number": link_port, "name": f"https-{target}", "protocol": "HTTPS"},
        "hosts": [f"./*.{names.zone(target)}"],
        "tls": {"mode": "ISTIO_MUTUAL"},
    }
    servers = [server, *streams.servers(target, link_port, exposes)]
    return {"selector": {"istio": "egressgateway"}, "servers": servers}


def egress_rule(target: str, link_port: int, exposes: Iterable[ExposedPort]) -> Spec:
    """Return the DestinationRule for the sidecars' mTLS to the egress gateway.

    Explicit, because gateway pods carry no label for automatic mTLS, and with an SNI, because the
    default one is the name of the Envoy cluster and matches no server.

    Args:
        target: the target cluster's name.
        link_port: the caller's link port.
        exposes: what the target exposes to the caller.
    """
    setting = {
        "port": {"number": link_port},
        "connectionPool": traffic_policy.to_egress(),
        "tls": {"mode": "ISTIO_MUTUAL", "sni": names.link_sni(target)},
    }
    subset = {"name": target, "trafficPolicy": {"portLevelSettings": [setting]}}
    subsets = [subset, *streams.egress_subsets(target, link_port, exposes)]
    return {"host": names.EGRESS_HOST, "subsets": subsets}


def zone_routes(
    target: str,
    gateway: str,
    caller_port: int,
    target_port: int,
    exposes: Iterable[ExposedPort],
    *,
    caller_identity: bool,
) -> Spec:
    """Return the VirtualService for both hops of the target's zone.

    Args:
        target: the target cluster's name.
        gateway: name of the Gateway on the egress pods, in the gateways' namespace.
        caller_port: the caller's link port, where the egress gateway listens.
        target_port: the port to dial at the target.
        exposes: what the target exposes to the caller; one with a policy has routes of its own.
        caller_identity: tell the target which workload calls; whatever that workload itself wrote
            into the header is overwritten.
    """
    gateway = f"{names.GATEWAY_NAMESPACE}/{gateway}"
    services = http_ports(exposes)

    def hop(at: str, to: Spec, fields: Spec, only: ExposedPort | None = None) -> Spec:
        match: Spec = {"gateways": [at]}
        if only:
            match["authority"] = authority_match(target, only)
        return {"match": [match], "route": [{"destination": to}], **fields}

    egress = {"host": names.EGRESS_HOST, "subset": target, "port": {"number": caller_port}}
    ingress = {"host": names.ingress_host(target), "port": {"number": target_port}}
    out: Spec = {"retries": traffic_policy.hop_retries()}
    if caller_identity:
        out["headers"] = {"request": {"set": {names.CALLER_HEADER: "%DOWNSTREAM_PEER_URI_SAN%"}}}
    return {
        "hosts": [f"*.{names.zone(target)}"],
        "gateways": ["mesh", gateway],
        "http": [
            *(
                hop("mesh", egress, traffic_policy.first_hop(item.policy), item)
                for item in services
                if traffic_policy.has_route(item.policy)
            ),
            hop("mesh", egress, traffic_policy.first_hop(None)),
            *(
                hop(gateway, {**ingress, "subset": label(target, item)}, out, item)
                for item in services
                if traffic_policy.has_limits(item.policy)
            ),
            hop(gateway, ingress, out),
        ],
    }


def ingress_rule(target: str, ingress_spiffe_id: str, exposes: Iterable[ExposedPort]) -> Spec:
    """Return the DestinationRule for the egress gateway's mTLS to the target's ingress gateway.

    Args:
        target: the target cluster's name.
        ingress_spiffe_id: the identity it must prove; without this any workload with a certificate
            of the shared root could stand in for it.
        exposes: what the target exposes to the caller; one with limits has a subset of its own.
    """
    tls = {
        "mode": "ISTIO_MUTUAL",
        "sni": names.link_sni(target),
        "subjectAltNames": [ingress_spiffe_id],
    }

    def policy(item: ExposedPort | None = None) -> Spec:
        return {**traffic_policy.to_ingress(item.policy if item else None), "tls": tls}

    rule = {
        "host": names.ingress_host(target),
        "exportTo": ["."],
        "trafficPolicy": policy(),
    }
    subsets = [
        {"name": label(target, item), "trafficPolicy": policy(item)}
        for item in http_ports(exposes)
        if traffic_policy.has_limits(item.policy)
    ]
    return {**rule, "subsets": subsets} if subsets else rule
