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
from config.problems import Problems
from config.reader import Section
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
    assignment = _Assignment(remote_dns.virtual_range, problems)
    return {name: assignment.complete(cluster) for name, cluster in clusters.items()}


class _Assignment:
    """Gives each service its address, and remembers whose each is."""

    def __init__(self, virtual: str, problems: Problems) -> None:
        self._virtual = virtual
        self._problems = problems
        self._owners: dict[str, str] = {}
        """Address to the host that has it."""

    def complete(self, cluster: Cluster) -> Cluster:
        """Return a cluster with the addresses of its services."""
        streams = [e for e in cluster.exposes if protocols.named(e.protocol).has_address]
        services = sorted({(e.service, e.namespace) for e in streams})
        addresses = {service: self._address(cluster, *service) for service in services}
        exposes = tuple(
            replace(e, address=addresses[e.service, e.namespace]) if e in streams else e
            for e in cluster.exposes
        )
        return replace(cluster, exposes=exposes)

    def _address(self, cluster: Cluster, service: str, namespace: str) -> str:
        path = f"clusters.{cluster.name}.exposes"
        address = self._wished(path, cluster, service, namespace) or virtual_address(
            service, namespace, cluster.name, self._virtual
        )
        host = names.service_host(service, namespace, cluster.name)
        owner = self._owners.setdefault(address, host)
        if owner != host:
            fix = "give one of them another `address`"
            self._problems.add(path, f"{host} and {owner} both have the address {address}", fix)
        return address

    def _wished(self, path: str, cluster: Cluster, service: str, namespace: str) -> str:
        """Return the address that the configuration gives a service; empty: none."""
        ports = [e for e in cluster.exposes if (e.service, e.namespace) == (service, namespace)]
        wished = sorted({e.address for e in ports if e.address})
        if len(wished) > 1:
            what = f"{service}.{namespace} has the addresses {', '.join(wished)}"
            self._problems.add(path, what, "all ports of a Service have one address: give it once")
        if wished and ipaddress.IPv4Address(wished[0]) not in ipaddress.IPv4Network(self._virtual):
            what = f"{service}.{namespace} has the address {wished[0]}"
            fix = f"choose one in remoteDns.virtualRange, {self._virtual}"
            self._problems.add(path, what, fix, sure=False)
        return wished[0] if wished else ""
