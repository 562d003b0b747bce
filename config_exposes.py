"""`clusters.NAME.exposes`: what a cluster offers to the ones that are linked to it."""

from __future__ import annotations

import config_ports
from config_parser import Section, duplicates
from settings import Exposed


def parse(section: Section, peers: tuple[str, ...]) -> tuple[Exposed, ...]:
    """Read what a cluster exposes.

    Args:
        section: the cluster's.
        peers: names of the clusters that are linked to it.
    """
    found: list[tuple[str, Exposed]] = []
    for item in section.sections("exposes"):
        exposed = Exposed(
            service=item.label("service", required="name the Service to expose"),
            namespace=item.label("namespace", required="name the namespace of the Service"),
            port=config_ports.parse(item, "port", required="give a port of the Service"),
            allow=_allow(item, peers),
        )
        item.finish()
        found.append((item.path, exposed))
    for path, again in duplicates(
        found, lambda pair: (pair[1].service, pair[1].namespace, pair[1].port)
    ):
        what = f"{again.service}.{again.namespace}:{again.port} is listed twice"
        section.problems.add(path, what, "remove one of the two")
    return tuple(exposed for _, exposed in found)


def _allow(item: Section, peers: tuple[str, ...]) -> tuple[str, ...]:
    if "allow" not in item.keys():  # noqa: SIM118 - Section is not a mapping
        return peers
    allowed = item.items("allow")
    if not allowed:
        item.bad(
            "allow", "is empty", "name the clusters that may call it, or remove the whole entry"
        )
    for name in duplicates(allowed, str):
        item.bad("allow", f"{name!r} is listed twice", "remove one of the two")
    for name in (name for name in allowed if name not in peers):
        item.bad(
            "allow",
            f"{name!r} is not linked to this cluster",
            f"linked: {', '.join(peers) or 'none'}",
        )
    return tuple(sorted(str(name) for name in allowed))
