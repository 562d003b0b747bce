"""Specs for exposed services that no proxy looks into, such as `tls` and `tcp`. Pure functions.

Their connections take the way of all calls, over both gateways and with mTLS on each hop, and they
share the link port: a gateway tells them apart by the SNI of the gateways' own mTLS, which names
Service and port. What the application itself says, its own TLS included, is inside.

For each Service the caller has a ServiceEntry with an address of its own, by which a sidecar knows
what is meant, and for each port a VirtualService.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components import names, protocols
from components.model import ExposedPort
from components.specs import traffic_policy
from components.specs.exposed_ports import host, label, stream_ports

Spec = dict[str, Any]


def sni(cluster: str, exposed: ExposedPort) -> str:
    """Return the SNI of the gateways' mTLS for an exposed port."""
    return names.stream_sni(exposed.service, exposed.namespace, exposed.port, cluster)


def servers(cluster: str, link_port: int, exposes: Iterable[ExposedPort]) -> list[Spec]:
    """Return the servers of the caller's Gateway, one for each exposed port of `cluster`.

    TLS and not HTTPS: Envoy hands on what is inside. They share the port with the server for HTTP;
    the SNI picks among them.
    """
    return [_server(cluster, link_port, item) for item in stream_ports(exposes)]


def arrival_servers(
    cluster: str, link_port: int, exposes: Iterable[ExposedPort], callers: Mapping[str, str]
) -> list[Spec]:
    """Return the servers of the target's own Gateway, each for the clusters that may call it.

    The policy of the link port alone is not enough: Envoy looks at it when the client has sent
    something, and where the server speaks first that is too late. So the handshake is refused to
    all others.

    Args:
        cluster: the target's name.
        link_port: its link port.
        exposes: what it exposes.
        callers: name of each linked cluster to its trust domain.
    """
    servers = []
    for item in stream_ports(exposes):
        identities = [
            names.spiffe_id(callers[caller], names.EGRESS)
            for caller in sorted(item.allow)
            if caller in callers
        ]
        if identities:  # an empty list would be everybody
            server = _server(cluster, link_port, item)
            servers.append({**server, "tls": {**server["tls"], "subjectAltNames": identities}})
    return servers


def _server(cluster: str, link_port: int, exposed: ExposedPort) -> Spec:
    return {
        "port": {"number": link_port, "name": label(cluster, exposed), "protocol": "TLS"},
        "hosts": [f"./{sni(cluster, exposed)}"],
        "tls": {"mode": "ISTIO_MUTUAL"},
    }


def arrival_route(cluster: str, gateway: str, exposed: ExposedPort) -> Spec:
    """Return the VirtualService from the target's own Gateway to the Service."""
    destination = {
        "host": names.local_host(exposed.service, exposed.namespace),
        "port": {"number": exposed.port},
    }
    return {
        "hosts": [sni(cluster, exposed)],
        "gateways": [gateway],
        "tcp": [{"route": [{"destination": destination}]}],
    }


def entry(target: str, ports: Sequence[ExposedPort]) -> Spec:
    """Return the ServiceEntry of one Service with all its ports.

    A sidecar has a listener for this very address, so it clashes with no port of a local service.
    Where there is no route nothing is behind the address.
    """
    return {
        "hosts": [host(target, ports[0])],
        "addresses": [ports[0].address],
        "location": "MESH_EXTERNAL",
        "ports": [protocols.named(item.protocol).entry_port(item.port) for item in ports],
        "resolution": "NONE",
    }


def egress_subsets(target: str, link_port: int, exposes: Iterable[ExposedPort]) -> list[Spec]:
    """Return the subsets of the egress gateway by which sidecars say what they want there."""

    def subset(item: ExposedPort) -> Spec:
        setting = {
            "port": {"number": link_port},
            "connectionPool": {"tcp": traffic_policy.to_egress()["tcp"]},
            "tls": {"mode": "ISTIO_MUTUAL", "sni": sni(target, item)},
        }
        policy = {"portLevelSettings": [setting]}
        return {"name": label(target, item), "trafficPolicy": policy}

    return [subset(item) for item in stream_ports(exposes)]


def port_route(
    target: str, gateway: str, caller_port: int, target_port: int, exposed: ExposedPort
) -> Spec:
    """Return the VirtualService of one exposed port over both hops.

    One for each port: the routes of a Gateway's TCP servers are told apart by their hosts only.

    Args:
        target: the target cluster's name.
        gateway: name of the Gateway on the egress pods, in the gateways' namespace.
        caller_port: the caller's link port.
        target_port: the port to dial at the target.
        exposed: the exposed port.
    """
    gateway = f"{names.GATEWAY_NAMESPACE}/{gateway}"
    subset, name = label(target, exposed), host(target, exposed)

    def to(destination: str, port: int) -> list[Spec]:
        return [{"destination": {"host": destination, "subset": subset, "port": {"number": port}}}]

    in_mesh: Spec = {"gateways": ["mesh"], "port": exposed.port}
    at_egress = {
        "match": [{"gateways": [gateway]}],
        "route": to(names.stream_ingress_host(target), target_port),
    }
    spec: Spec = {"hosts": [name, sni(target, exposed)], "gateways": ["mesh", gateway]}
    to_egress = to(names.EGRESS_HOST, caller_port)
    if protocols.named(exposed.protocol).has_sni:
        return {
            **spec,
            "tls": [{"match": [{**in_mesh, "sniHosts": [name]}], "route": to_egress}],
            "tcp": [at_egress],
        }
    return {**spec, "tcp": [{"match": [in_mesh], "route": to_egress}, at_egress]}


def ingress_entry(target: str, entry: Spec) -> Spec:
    """Return the ServiceEntry of the target's ingress gateway for what is not HTTP.

    Args:
        target: the target cluster's name.
        entry: that for HTTP; address and port are the same.
    """
    (port,) = entry["ports"]
    return {
        **entry,
        "hosts": [names.stream_ingress_host(target)],
        "ports": [{"number": port["number"], "name": "tcp-link", "protocol": "TCP"}],
    }


def ingress_rule(target: str, ingress_spiffe_id: str, exposes: Iterable[ExposedPort]) -> Spec:
    """Return the DestinationRule for the egress gateway's mTLS to the target's ingress gateway.

    Args:
        target: the target cluster's name.
        ingress_spiffe_id: the identity it must prove.
        exposes: the exposed ports, each with a subset of its own.
    """

    def subset(item: ExposedPort) -> Spec:
        tls = {
            "mode": "ISTIO_MUTUAL",
            "sni": sni(target, item),
            "subjectAltNames": [ingress_spiffe_id],
        }
        policy = traffic_policy.to_ingress(item.policy, http=False)
        return {"name": label(target, item), "trafficPolicy": {**policy, "tls": tls}}

    return {
        "host": names.stream_ingress_host(target),
        "exportTo": ["."],
        "subsets": [subset(item) for item in stream_ports(exposes)],
    }
