"""The key `remoteDns`: the DNS server for linked zones, and the addresses that it answers."""

from __future__ import annotations

import ipaddress

from config.addresses import check_apart, virtual_range
from config.reader import Section
from config.settings import RemoteDns

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

EXAMPLE6 = "100::1"
"""Of the prefix whose packets routers drop (RFC 6666)."""


def parse_remote_dns(section: Section) -> RemoteDns:
    """Read `remoteDns`.

    Args:
        section: the section.
    """
    image = section.text("image", "docker.io/coredns/coredns:1.15.0")
    replicas = section.integer("replicas", 2, low=1, high=100, noun="a number of replicas")
    address = _address(section, "address", "240.0.0.1", 4)
    address6 = _address(section, "address6", "", 6)
    virtual = virtual_range(section)
    _check_networks(section, {"address": address, "address6": address6}, virtual)
    if address:
        check_apart(section, virtual, ipaddress.ip_network(address))
    section.finish()
    # As Python writes them: a scope or blanks would end up in a Corefile.
    return RemoteDns(
        image=image,
        replicas=replicas,
        address=str(address or ""),
        address6=str(address6) if address6 else None,
        virtual_range=virtual,
    )


def _address(section: Section, key: str, default: str, version: int) -> Ip | None:
    text = section.text(key, default)
    if not text:
        return None
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        ip = None
    if ip is None or ip.version != version or "%" in text:
        fix = f"give an IPv{version} address"
        section.bad(key, f"{text!r} is not valid", fix if version == 4 else f"{fix}: {EXAMPLE6}")
        return None
    if _on_the_pod(ip):
        what = f"{text!r} never leaves the pod that calls, or is for several"
        section.bad(key, what, "choose one that no cluster can own")
    return ip


def _on_the_pod(ip: Ip) -> bool:
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool(
        ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.is_multicast or mapped
    )


def _check_networks(section: Section, addresses: dict[str, Ip | None], virtual: str) -> None:
    numbered, keys = section.numbered("knownCidrs")
    for key in keys:
        cidr = numbered.take(key)
        try:
            network = ipaddress.ip_network(str(cidr))
        except ValueError:
            numbered.bad(key, f"{cidr!r} is not a network", "write one like 10.0.0.0/8")
            continue
        for name, ip in addresses.items():
            if ip and ip in network:
                section.bad(name, f"{ip} lies in {network}", "choose one that no cluster can own")
        check_apart(section, virtual, network)
