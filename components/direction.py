"""Specs of the objects on the source of one direction of a link. Pure functions.

The way of a request: sidecar -> local egress gateway -> the target's ingress gateway. Their number
does not depend on how many services the target exposes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from . import names

Spec = dict[str, Any]

EGRESS_HOST = names.local_host(names.EGRESS, names.GATEWAY_NAMESPACE)


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def ingress_entry(target: str, addresses: Sequence[str], port: int) -> Spec:
    """Return the ServiceEntry for the target's ingress gateway (seed: `b-ingress`).

    A load balancer that gives a host name is resolved by Envoy, again and again: its addresses
    change, so resolving it here would freeze a mistake (istio/istio#29359).

    Args:
        target: the target cluster's name.
        addresses: IP addresses or host names of its ingress gateway.
        port: its link port.
    """
    resolution = "STATIC" if all(_is_ip(address) for address in addresses) else "DNS"
    return {
        "hosts": [names.ingress_host(target)],
        "location": "MESH_EXTERNAL",
        "ports": [{"number": port, "name": "http-link", "protocol": "HTTP"}],
        "resolution": resolution,
        "endpoints": [{"address": address} for address in addresses],
        # Only the egress gateway may know the way out; for a sidecar it would be a way around it.
        "exportTo": ["."],
    }


def zone_entry(target: str, ports: Iterable[int], addresses: Sequence[str] = ()) -> Spec:
    """Return the ServiceEntry for the target's exposed services.

    Without it a sidecar has no listener on a port that no local service uses, and with
    `outboundTrafficPolicy: REGISTRY_ONLY` no call leaves the pod.

    Args:
        target: the target cluster's name.
        ports: the ports that the target exposes to the source; 80 stands in when there is none.
        addresses: what sidecars with DNS capture answer for any name of the zone. Without them
            they ask the cluster's DNS.
    """
    return {
        "hosts": [f"*.{names.zone(target)}"],
        **({"addresses": [*addresses]} if addresses else {}),
        "location": "MESH_EXTERNAL",
        "ports": [
            {"number": port, "name": f"http-{port}", "protocol": "HTTP"}
            for port in sorted(set(ports)) or [80]
        ],
        "resolution": "NONE",
    }


def egress_gateway(target: str, link_port: int) -> Spec:
    """Return the Gateway that takes calls to the target's zone on the egress pods.

    Args:
        target: the target cluster's name.
        link_port: the source's link port.
    """
    server = {
        # Server names must differ between the Gateways that share a port.
        "port": {"number": link_port, "name": f"https-{target}", "protocol": "HTTPS"},
        "hosts": [f"./*.{names.zone(target)}"],
        "tls": {"mode": "ISTIO_MUTUAL"},
    }
    return {"selector": {"istio": "egressgateway"}, "servers": [server]}


def egress_rule(target: str, link_port: int) -> Spec:
    """Return the DestinationRule for the sidecars' mTLS to the egress gateway.

    Explicit, because gateway pods carry no label for automatic mTLS, and with an SNI, because the
    default one is the name of the Envoy cluster and matches no server.

    Args:
        target: the target cluster's name.
        link_port: the source's link port.
    """
    tls = {"mode": "ISTIO_MUTUAL", "sni": names.link_sni(target)}
    settings = [{"port": {"number": link_port}, "tls": tls}]
    subset = {"name": target, "trafficPolicy": {"portLevelSettings": settings}}
    return {"host": EGRESS_HOST, "subsets": [subset]}


def route(
    target: str, gateway: str, source_port: int, target_port: int, *, caller_identity: bool
) -> Spec:
    """Return the VirtualService for both hops (seed: `b-virtual-service`).

    Args:
        target: the target cluster's name.
        gateway: name of the Gateway on the egress pods, in the gateways' namespace.
        source_port: the source's link port, where the egress gateway listens.
        target_port: the target's link port, where its ingress gateway listens.
        caller_identity: tell the target which workload calls; whatever that workload itself wrote
            into the header is overwritten.
    """
    gateway = f"{names.GATEWAY_NAMESPACE}/{gateway}"

    def hop(at: str, destination: Spec, port: int) -> Spec:
        to = {**destination, "port": {"number": port}}
        return {"match": [{"gateways": [at]}], "route": [{"destination": to}]}

    out = hop(gateway, {"host": names.ingress_host(target)}, target_port)
    if caller_identity:
        out["headers"] = {"request": {"set": {names.CALLER_HEADER: "%DOWNSTREAM_PEER_URI_SAN%"}}}
    return {
        "hosts": [f"*.{names.zone(target)}"],
        "gateways": ["mesh", gateway],
        "http": [
            hop("mesh", {"host": EGRESS_HOST, "subset": target}, source_port),
            out,
        ],
    }


def ingress_rule(target: str, ingress_spiffe_id: str) -> Spec:
    """Return the DestinationRule for the egress gateway's mTLS to the target's ingress gateway.

    Args:
        target: the target cluster's name.
        ingress_spiffe_id: the identity it must prove; without this any workload with a certificate
            of the shared root could stand in for it.
    """
    tls = {
        "mode": "ISTIO_MUTUAL",
        "sni": names.link_sni(target),
        "subjectAltNames": [ingress_spiffe_id],
    }
    return {
        "host": names.ingress_host(target),
        "exportTo": ["."],
        "trafficPolicy": {"tls": tls},
    }
