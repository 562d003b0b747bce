"""IP addresses: what is one, and which one stands for a service on the callers' side."""

from __future__ import annotations

import hashlib
import ipaddress

from components import names


def is_ip(address: str) -> bool:
    """Tell an IP address from a host name."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def virtual_address(service: str, namespace: str, cluster: str, network: str) -> str:
    """Return the address that a service other than HTTP has on the callers' side.

    Args:
        service: name of the Service.
        namespace: its namespace.
        cluster: the cluster that exposes it.
        network: IPv4 network, e.g. `241.0.0.0/8`; its first and last address are not used.
    """
    host = names.service_host(service, namespace, cluster)
    usable = ipaddress.IPv4Network(network)
    number = int.from_bytes(hashlib.sha256(host.encode()).digest()[:8], "big")
    return str(usable[1 + number % (usable.num_addresses - 2)])
