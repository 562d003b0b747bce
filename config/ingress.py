"""The key `ingress` of a cluster: how linked clusters reach its ingress gateway."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator, Mapping

from components.addresses import is_ip
from components.model import Ingress
from config.ports import port_number
from config.problems import Problems
from config.reader import DNS_LABEL, Section, duplicates
from config.settings import Cluster

LOAD_BALANCER = "LoadBalancer"
NODE_PORT = "NodePort"

WAIT_SECONDS = 600
"""As long as Pulumi itself waits for a load balancer."""

_DNS_NAME = re.compile(rf"({DNS_LABEL.pattern}\.)+{DNS_LABEL.pattern}")


def parse_ingress(section: Section, link_port: int) -> Ingress:
    """Read `ingress`.

    Args:
        section: the section.
        link_port: the cluster's link port, which linked clusters dial unless told otherwise.
    """
    service = section.choice("service", LOAD_BALANCER, (LOAD_BALANCER, NODE_PORT))
    by_hand = section.has("addresses")
    addresses = _addresses(section)
    asked = section.has("waitSeconds")
    noun = "a number of seconds"
    wait = section.integer("waitSeconds", WAIT_SECONDS, low=1, high=7200, noun=noun)
    node_port = 0
    if service == NODE_PORT:
        node_port = port_number(
            section, "nodePort", required="give one of the cluster's node ports, e.g. 31443"
        )
        if not by_hand:
            fix = "list the addresses by which peers reach the nodes"
            section.bad("addresses", f"is missing, and service is {NODE_PORT}", fix, sure=False)
    elif section.has("nodePort"):
        section.skip("nodePort")
        fix = f"remove it, or set service to {NODE_PORT}"
        section.bad("nodePort", f"has no meaning with service {service}", fix)
    if asked and by_hand:
        section.bad("waitSeconds", "waits for nothing: there are addresses", "remove one of both")
    port = port_number(section, "port", node_port or link_port)
    if service == LOAD_BALANCER and not by_hand and port != link_port:
        fix = "list `addresses`, too: the cluster's own load balancer listens on the linkPort"
        section.bad("port", f"{port} is not the linkPort", fix, sure=False)
    section.finish()
    return Ingress(
        service=service,
        addresses=addresses,
        port=port,
        node_port=node_port or None,
        wait_seconds=wait,
    )


def _addresses(section: Section) -> tuple[str, ...]:
    numbered, keys = section.numbered("addresses")
    addresses = []
    for key in keys:
        text = numbered.text(key, required="give an IP address or a host name")
        fault = _fault(text)
        if fault:
            numbered.bad(key, f"{text!r} {fault}", "give an IP address or a whole host name")
        elif text:
            addresses.append(str(ipaddress.ip_address(text)) if is_ip(text) else text)
    for address in duplicates(addresses, str):
        section.bad("addresses", f"{address} is listed twice", "remove one of the two")
    return tuple(dict.fromkeys(addresses))


def _fault(text: str) -> str:
    """Tell what is wrong with an address; empty: nothing."""
    if not text:
        return ""
    if is_ip(text):
        ip = ipaddress.ip_address(text)
        here = ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.is_multicast
        return "cannot be reached from another cluster" if here or "%" in text else ""
    # Names of digits only are mistyped addresses; one without a dot would be looked up in the
    # namespace of whoever calls.
    legal = _DNS_NAME.fullmatch(text) and len(text) <= 253
    return "" if legal and not text.rpartition(".")[2].isdigit() else "is not valid"


def check_ingresses(clusters: Mapping[str, Cluster], problems: Problems) -> None:
    """Note what only a look at all clusters together can tell."""
    for (one, place), (other, same) in itertools.combinations(_places(clusters), 2):
        if place == same:
            what = f"{place[0]} with port {place[1]} is that of cluster {one!r}, too"
            problems.add(f"clusters.{other}.ingress", what, "give each cluster its own port there")
    for cluster in clusters.values():
        for peer in cluster.linked if cluster.network_policy else ():
            if peer not in clusters:  # of another stack, which may not be up yet
                continue
            for name in (a for a in clusters[peer].ingress.addresses if not is_ip(a)):
                problems.add(
                    f"clusters.{cluster.name}.networkPolicy",
                    f"its peer {peer!r} has the host name {name} among its ingress.addresses",
                    "a NetworkPolicy takes IP addresses only: list those there, or remove this",
                )


def _places(clusters: Mapping[str, Cluster]) -> Iterator[tuple[str, tuple[str, int]]]:
    for name, cluster in clusters.items():
        for address in cluster.ingress.addresses:
            yield name, (address, cluster.ingress.port)
