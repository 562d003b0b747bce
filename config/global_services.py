"""Global services: `exposes[].global` and `.weight`, `clusters.NAME.locality`, and how they fit.

What several clusters offer under one name has to be the same to those who call it.
"""

from __future__ import annotations

from collections.abc import Mapping

from components import names, protocols
from components.model import ExposedPort
from components.protocols import Protocol
from config.problems import Problems
from config.reader import Section
from config.settings import Cluster

_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"


def parse_locality(section: Section) -> str:
    """Read where a cluster is."""
    return section.text(
        "locality",
        pattern=rf"{_LABEL}(/{_LABEL})?",
        fix="write `region` or `region/zone` with lower-case letters, digits and '-'",
    )


def parse_is_global(item: Section, protocol: Protocol) -> bool:
    """Read whether an exposed port is part of a global service."""
    is_global = item.flag("global")
    if is_global and not protocol.may_be_global:
        what = f"is not possible for a service of protocol {protocol.name}"
        others = protocols.either([other for other in protocols.TABLE if other.may_be_global])
        item.bad("global", what, f"remove it; global services are {others}")
        return False
    return is_global


def parse_weight(item: Section) -> int | None:
    """Read the share of a member of a global service; None: the nearest gets all."""
    return item.integer("weight", None, low=0, high=1000, noun="a share")


def check_global_services(clusters: Mapping[str, Cluster], problems: Problems) -> None:
    """Check that the members of each global service offer the same."""
    first: dict[tuple[str, str, int], tuple[str, ExposedPort]] = {}
    for name, cluster in clusters.items():
        for index, exposed in enumerate(cluster.exposes):
            path = f"clusters.{name}.exposes[{index}]"
            if not exposed.is_global:
                if exposed.weight is not None:
                    fix = "add `global: true`, or remove it"
                    problems.add(f"{path}.weight", "has a meaning for global services only", fix)
                continue
            key = exposed.namespace, exposed.service, exposed.port
            if key in first:
                _check_same(path, exposed, *first[key], problems)
            else:
                first[key] = path, exposed
    if first and names.GLOBAL in clusters:
        problems.add(
            f"clusters.{names.GLOBAL}",
            f"is the name under which clusters offer services together (*.svc.{names.GLOBAL}."
            f"{names.SUFFIX})",
            "rename the cluster, or expose nothing with `global`",
        )


def _check_same(
    path: str, exposed: ExposedPort, other_path: str, other: ExposedPort, problems: Problems
) -> None:
    if exposed.protocol != other.protocol:
        what = f"{exposed.protocol!r}, but {other_path}.protocol is {other.protocol!r}"
        problems.add(f"{path}.protocol", what, "members of a global service have the same one")
    if exposed.policy != other.policy:
        what = f"differs from {other_path}.policy"
        problems.add(f"{path}.policy", what, "members of a global service have the same one")
    if (exposed.weight is None) != (other.weight is None):
        with_weight, without = (path, other_path) if other.weight is None else (other_path, path)
        what = f"is missing, but {with_weight} has one"
        problems.add(f"{without}.weight", what, "give all members one, or none")
