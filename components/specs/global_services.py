"""Specs for a service that several clusters offer under one global name. Pure functions.

The caller's egress gateway chooses among the clusters: for each global service it has one Envoy
cluster whose endpoints are the ingress gateways of the members, nearest first. An ingress gateway
that fails for this service is ejected for this service only.

How near a member is, the program says itself, with labels on the endpoints: what Istio makes of the
labels of nodes would need such labels on every node.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components import names
from components.addresses import is_ip
from components.model import ExposedPort
from components.specs import traffic_policy
from components.specs.exposed_ports import authority_match

if TYPE_CHECKING:
    from pulumi import Input, Resource

Spec = dict[str, Any]

SAME_CLUSTER, SAME_ZONE, SAME_REGION, ELSEWHERE = range(4)

_NEAR = [f"istio-multicluster/near-{rank}" for rank in (SAME_REGION, SAME_ZONE, SAME_CLUSTER)]
UNSERVED = "x-remote-unserved"
"""Response header by which a member's ingress gateway says that the service has seen nothing."""

# Envoy's flags UH (no pod is there), UF (no connection came to be), and UF after its own retries.
# They are never those of a service's answer. Istio refuses a header value with parentheses in it.
_NOBODY_THERE = "response.flags in [2, 32, 32800]"

_PORT = {"number": names.DEFAULT_LINK_PORT, "name": "http-link", "protocol": "HTTP"}


@dataclass(frozen=True, slots=True)
class Member:
    """A cluster that takes part in global services, as others know it."""

    cluster: str
    """Its name."""
    addresses: Input[Sequence[str]]
    """IP addresses or host names of its ingress gateway, as the caller reaches it."""
    port: int
    """The port to dial there."""
    spiffe_id: Input[str]
    """The identity of its ingress gateway."""
    exposes: Sequence[ExposedPort]
    """What it exposes, global or not."""
    locality: str | None = None
    """`region` or `region/zone`; None: unknown."""
    ready: Sequence[Resource] = ()
    """What has to be there before it is called; empty when that is not known."""


@dataclass(frozen=True, slots=True)
class Place:
    """One member of one global service, as the caller sees it."""

    cluster: str
    rank: int
    """Calls go to the lowest rank that works."""
    weight: int | None
    """Share among those of the same rank; None: the same as all."""


@dataclass(frozen=True, slots=True)
class GlobalService:
    """One exposed port that several clusters offer together."""

    exposed: ExposedPort
    """As one member exposes it; name, namespace, port, protocol and policy are those of all."""
    places: tuple[Place, ...]
    """The members that the caller may call, by name."""


def distance(one: str | None, other: str | None) -> int:
    """Return how far two different clusters are from each other, by their localities."""
    if one is None or other is None:
        return ELSEWHERE
    region, _, zone = one.partition("/")
    other_region, _, other_zone = other.partition("/")
    if region != other_region:
        return ELSEWHERE
    return SAME_ZONE if zone and zone == other_zone else SAME_REGION


def offered(exposes: Iterable[ExposedPort], member: str, caller: str) -> list[ExposedPort]:
    """Return the parts of global services that `caller` may call on `member`: all of its own."""
    return [
        item for item in exposes if item.is_global and (member == caller or caller in item.allow)
    ]


def callable_services(
    caller: str, locality: str | None, members: Iterable[Member]
) -> list[GlobalService]:
    """Return the global services that a cluster may call, in an order of their own.

    Args:
        caller: the calling cluster's name.
        locality: its locality; None: unknown.
        members: the clusters that it is linked to, and itself; without global services they add
            nothing.
    """
    services: dict[tuple[str, str, int], tuple[ExposedPort, list[Place]]] = {}
    for member in sorted(members, key=lambda member: member.cluster):
        name = member.cluster
        near = SAME_CLUSTER if name == caller else distance(locality, member.locality)
        for item in offered(member.exposes, name, caller):
            # With weights, locality is ignored. Weight 0 means: only when all others fail.
            rank = near if item.weight is None else SAME_CLUSTER if item.weight else ELSEWHERE
            _, places = services.setdefault((item.namespace, item.service, item.port), (item, []))
            places.append(Place(name, rank, item.weight))
    return [GlobalService(item, tuple(places)) for _, (item, places) in sorted(services.items())]


def unserved() -> Spec:
    """Return the operation on the response by which an ingress gateway says `UNSERVED`.

    A 503 of Envoy and one of the service look the same to the caller's egress gateway. The first
    may be tried again elsewhere whatever it was: no connection to a pod came to be. A header
    without a value is left out.
    """
    return {"remove": [UNSERVED], "set": {UNSERVED: f"%CEL({_NOBODY_THERE} ? 'true' : '')%"}}


def host(service: GlobalService) -> str:
    """Return the mesh-internal name of the members' ingress gateways."""
    item = service.exposed
    return names.global_ingress_host(item.service, item.namespace, item.port)


def entry(
    service: GlobalService,
    addresses: Mapping[str, Sequence[str]],
    ports: Mapping[str, int],
) -> Spec:
    """Return the ServiceEntry of all ingress gateways that lead to a global service.

    Args:
        service: the global service.
        addresses: member to the addresses of its ingress gateway.
        ports: member to the port to dial.
    """
    # A member's share is that of all its addresses together.
    multiple = math.lcm(*(len(addresses[place.cluster]) or 1 for place in service.places))
    endpoints: list[Spec] = []
    for place in service.places:
        for address in addresses[place.cluster]:
            endpoint: Spec = {
                "address": address,
                "ports": {_PORT["name"]: ports[place.cluster]},
                "labels": {
                    label: "true"
                    for rank, label in zip((2, 1, 0), _NEAR, strict=True)
                    if place.rank <= rank
                },
                "weight": (place.weight or 1) * multiple // len(addresses[place.cluster]),
            }
            endpoints.append(endpoint)
    return {
        "hosts": [host(service)],
        "location": "MESH_EXTERNAL",
        "ports": [dict(_PORT)],
        "resolution": "STATIC" if all(is_ip(item["address"]) for item in endpoints) else "DNS",
        "endpoints": endpoints,
        "exportTo": ["."],
    }


def rule(service: GlobalService, identities: Mapping[str, str]) -> Spec:
    """Return the DestinationRule: mTLS to the members' ingress gateways, the nearest first.

    Istio gives an endpoint a priority by the first label of the list that it does not have.

    Args:
        service: the global service.
        identities: member to the SPIFFE ID of its ingress gateway.
    """
    return {
        "host": host(service),
        "exportTo": ["."],
        "trafficPolicy": {
            **traffic_policy.to_members(service.exposed.policy),
            "loadBalancer": {
                "simple": "ROUND_ROBIN",  # the one that keeps to weights
                "localityLbSetting": {
                    "enabled": True,
                    "failoverPriority": [f"{label}=true" for label in _NEAR],
                },
            },
            "tls": {
                "mode": "ISTIO_MUTUAL",
                "sni": names.link_sni(names.GLOBAL),
                "subjectAltNames": sorted({identities[place.cluster] for place in service.places}),
            },
        },
    }


def global_routes(
    services: Sequence[GlobalService], gateway: str, caller_port: int, *, caller_identity: bool
) -> Spec:
    """Return the VirtualService of all global services, over both hops.

    Args:
        services: what the caller may call.
        gateway: name of the Gateway on the egress pods, in the gateways' namespace.
        caller_port: the caller's link port, where the egress gateway listens.
        caller_identity: tell the member which workload calls, see `outbound.zone_routes()`.
    """
    gateway = f"{names.GATEWAY_NAMESPACE}/{gateway}"
    egress = {
        "host": names.EGRESS_HOST,
        "subset": names.GLOBAL,
        "port": {"number": caller_port},
    }
    # Envoy's own header: it is not sent on.
    request_headers = {"x-envoy-retriable-header-names": UNSERVED}
    if caller_identity:
        request_headers[names.CALLER_HEADER] = "%DOWNSTREAM_PEER_URI_SAN%"
    headers = {"request": {"set": request_headers}, "response": {"remove": [UNSERVED]}}

    def in_mesh(service: GlobalService) -> Spec:
        match = {"gateways": ["mesh"], "authority": _authority(service)}
        return {
            "match": [match],
            "route": [{"destination": egress}],
            **traffic_policy.to_global(service.exposed.policy),
        }

    def at_egress(service: GlobalService) -> Spec:
        match = {"gateways": [gateway], "authority": _authority(service)}
        destination = {"host": host(service), "port": {"number": _PORT["number"]}}
        retries = traffic_policy.member_retries(service.exposed.policy, len(service.places))
        return {
            "match": [match],
            "route": [{"destination": destination}],
            "retries": retries,
            "headers": headers,
        }

    timed = [item for item in services if traffic_policy.has_timeout(item.exposed.policy)]
    rest = {
        "match": [{"gateways": ["mesh"]}],
        "route": [{"destination": egress}],
        **traffic_policy.to_global(None),
    }
    return {
        "hosts": [f"*.{names.zone(names.GLOBAL)}"],
        "gateways": ["mesh", gateway],
        "http": [*map(in_mesh, timed), rest, *map(at_egress, services)],
    }


def _authority(service: GlobalService) -> dict[str, str]:
    return authority_match(names.GLOBAL, service.exposed)
