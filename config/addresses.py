"""`remoteDns.virtualRange`, and the address in it of each service that is not HTTP.

An address follows from the service's name, so that it stays when others come and go, and two stacks
come to the same. That two names come to one address is rare; it is refused, never settled in
silence by the order of a file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace

from components import names, protocols
from components.addresses import virtual_address
from config.reader import Problems, Section
from config.settings import Cluster, RemoteDns

DEFAULT_RANGE = "241.0.0.0/8"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def virtual_range(section: Section) -> str:
    """Read the network that the addresses of services other than HTTP lie in."""
    key = "virtualRange"
    text = section.text(key, DEFAULT_RANGE)
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        section.bad(key, f"{text!r} is not an IPv4 network", f"write one like {DEFAULT_RANGE}")
        return DEFAULT_RANGE
    if network.prefixlen > 24:
        section.bad(key, f"{text} has too few addresses", "give a network of /24 or larger")
        return DEFAULT_RANGE
    return text


def check_apart(section: Section, virtual: str, other: Network) -> None:
    """Note a mistake when the range overlaps another network (or single address)."""
    if isinstance(other, ipaddress.IPv4Network) and ipaddress.IPv4Network(virtual).overlaps(other):
        what = f"{virtual} overlaps {other}"
        section.bad("virtualRange", what, "choose a network that no cluster can own")


def assign_addresses(
    clusters: Mapping[str, Cluster], remote_dns: RemoteDns, problems: Problems
) -> dict[str, Cluster]:
    """Return the clusters, with an address for each of their services that is not HTTP."""
    network = ipaddress.IPv4Network(remote_dns.virtual_range)
    owners: dict[str, str] = {}

    def address(cluster: Cluster, service: str, namespace: str) -> str:
        path = f"clusters.{cluster.name}.exposes"
        of_service = [
            e for e in cluster.exposes if (e.service, e.namespace) == (service, namespace)
        ]
        wished = sorted({e.address for e in of_service if e.address})
        if len(wished) > 1:
            what = f"{service}.{namespace} has the addresses {', '.join(wished)}"
            problems.add(path, what, "all ports of a Service have one address: give it once")
        found = (
            wished[0]
            if wished
            else virtual_address(service, namespace, cluster.name, remote_dns.virtual_range)
        )
        if wished and ipaddress.IPv4Address(found) not in network:
            what = f"{service}.{namespace} has the address {found}"
            problems.add(path, what, f"choose one in remoteDns.virtualRange, {network}")
        host = names.service_host(service, namespace, cluster.name)
        owner = owners.setdefault(found, host)
        if owner != host:
            fix = "give one of them another `address`"
            problems.add(path, f"{host} and {owner} both have the address {found}", fix)
        return found

    def with_addresses(cluster: Cluster) -> Cluster:
        mine = [e for e in cluster.exposes if protocols.named(e.protocol).has_address]
        found = {
            of: address(cluster, *of) for of in sorted({(e.service, e.namespace) for e in mine})
        }
        exposes = tuple(
            replace(e, address=found[e.service, e.namespace]) if e in mine else e
            for e in cluster.exposes
        )
        return replace(cluster, exposes=exposes)

    return {name: with_addresses(cluster) for name, cluster in clusters.items()}
