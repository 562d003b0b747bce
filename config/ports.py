"""Port numbers in the configuration: whole, in range, and not one of Istio's own."""

from __future__ import annotations

from components import names
from config.reader import Section


def parse_port(section: Section, key: str, default: int = 0, *, required: str = "") -> int:
    """Read a port number.

    Args:
        section: where it stands.
        key: its key.
        default: stands in when it is absent.
        required: what to do when it is absent and has to be there.
    """
    port = port_number(section, key, default, required=required)
    if port in names.RESERVED_PORTS:
        section.bad(key, f"{port} is used by Istio's proxy itself", "choose another port")
    return port


def port_number(section: Section, key: str, default: int = 0, *, required: str = "") -> int:
    """Read a port number of something that is not Istio's proxy."""
    return section.integer(key, default, low=1, high=65535, required=required, noun="a port number")
