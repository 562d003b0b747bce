"""`clusters.NAME.exposes`: what a cluster offers to the ones that are linked to it."""

from __future__ import annotations

import ipaddress

from components import protocols
from components.model import ExposedPort
from components.protocols import Protocol
from config.global_services import parse_is_global, parse_weight
from config.policy import parse_policy
from config.ports import parse_port
from config.reader import Section, duplicates
from config.secret import Secret


def parse_exposes(section: Section, linked: tuple[str, ...]) -> tuple[ExposedPort, ...]:
    """Read what a cluster exposes.

    Args:
        section: the cluster's.
        linked: names of the clusters that are linked to it.
    """
    ports: list[tuple[str, ExposedPort]] = []
    for item in section.sections("exposes"):
        known = [protocol.name for protocol in protocols.TABLE]
        protocol = protocols.named(item.choice("protocol", protocols.HTTP.name, known))
        exposed = ExposedPort(
            service=item.label("service", required="name the Service to expose"),
            namespace=item.label("namespace", required="name the namespace of the Service"),
            port=parse_port(item, "port", required="give a port of the Service"),
            protocol=protocol.name,
            address=_address(item, protocol) or None,
            allow=_allow(item, linked),
            policy=parse_policy(item.section("policy"), protocol),
            is_global=parse_is_global(item, protocol),
            weight=parse_weight(item),
        )
        item.finish()
        ports.append((item.path, exposed))
    for path, again in duplicates(
        ports, lambda pair: (pair[1].service, pair[1].namespace, pair[1].port)
    ):
        what = f"{again.service}.{again.namespace}:{again.port} is listed twice"
        section.problems.add(path, what, "remove one of the two")
    return tuple(exposed for _, exposed in ports)


def _address(item: Section, protocol: Protocol) -> str:
    """Read the address that a service is to have on the callers' side, if its protocol has one."""
    text = item.text("address")
    if not text:
        return ""
    if not protocol.has_address:
        what = f"{text!r}: a service of protocol {protocol.name} has no address of its own"
        others = protocols.either([other for other in protocols.TABLE if other.has_address])
        item.bad("address", what, f"remove it, or set `protocol` to {others}")
        return ""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        item.bad("address", f"{text!r} is not valid", "give an IPv4 address")
        return ""


def _allow(item: Section, linked: tuple[str, ...]) -> tuple[str, ...]:
    if "allow" not in item.keys():  # noqa: SIM118 - Section is not a mapping
        return linked
    allowed = item.items("allow")
    if not allowed:
        item.bad(
            "allow", "is empty", "name the clusters that may call it, or remove the whole entry"
        )
    for name in duplicates(allowed, str):
        item.bad("allow", f"{name!r} is listed twice", "remove one of the two")
    for name in (name for name in allowed if name not in linked and not isinstance(name, Secret)):
        item.bad(
            "allow",
            f"{name!r} is not linked to this cluster",
            f"linked: {', '.join(linked) or 'none'}",
            sure=False,
        )
    return tuple(sorted(str(name) for name in allowed))
