"""Addresses as the objects of a link have them. Pure functions."""

from __future__ import annotations

import ipaddress


def is_ip(address: str) -> bool:
    """Tell whether an address is an IP address, not a host name."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
