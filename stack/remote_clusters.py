"""Linked clusters of other stacks: read from what those stacks export, and guarded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.link.destroy_guard import Importers, ImportersArgs
from components.model import ExposedPort, RemoteCluster
from components.outputs import UnreadableError, cluster_from_output
from config.problems import Problems
from config.settings import Settings
from stack import wiring
from stack.configuration import shown_by_pulumi
from stack.other_stacks import UnreadableStackError, outputs_of, own_name


@dataclass(frozen=True)
class RemoteClusters:
    """The clusters of other stacks that are linked to ones of this stack."""

    linked: Mapping[str, RemoteCluster]
    """Those that are up."""
    waiting: Mapping[str, str]
    """Those that are not, to the reason."""


@shown_by_pulumi()
def read(settings: Settings) -> RemoteClusters:
    """Read the linked clusters of other stacks.

    One that is not up yet is a warning: all else is made, and the next `up` adds the link. One that
    was linked by the last `up` and is not there any more is a mistake, since its link would go.

    Raises:
        pulumi.RunError: with every mistake found.
    """
    wanted = {name for link in settings.links for name in link}
    linked: dict[str, RemoteCluster] = {}
    waiting: dict[str, str] = {}
    problems = Problems(pulumi.get_project())
    for name, stack in sorted(settings.peers.items()):
        if name not in wanted:
            continue
        try:
            remote = _read(name, stack)
        except UnreadableStackError as error:
            fix = "check the name, and that whoever runs this may read that stack"
            problems.add(f"peers.{name}.stack", f"{stack!r} cannot be read ({error})", fix)
        except UnreadableError as error:
            what = f"{stack!r} has an output clusters.{name} that cannot be read ({error})"
            problems.add(f"peers.{name}.stack", what, "run `pulumi up` there with this version")
        else:
            if isinstance(remote, RemoteCluster):
                linked[name] = remote
            else:
                waiting[name] = remote
    _check(settings, linked, problems)
    if waiting:
        _wait(settings, waiting, problems)
    problems.raise_if_any()
    return RemoteClusters(linked, waiting)


def _read(name: str, stack: str) -> RemoteCluster | str:
    """Return a cluster of another stack, or why it is not there."""
    outputs = outputs_of(stack)
    if outputs is None:
        return f"there is no stack {stack!r}"
    clusters = outputs.get("clusters") or {}
    if name in clusters:
        return cluster_from_output(name, clusters[name])
    if clusters:
        return f"stack {stack!r} has no cluster {name!r}, it has: {', '.join(sorted(clusters))}"
    return f"stack {stack!r} has no outputs"


def _wait(settings: Settings, waiting: Mapping[str, str], problems: Problems) -> None:
    """Warn of peers that are not up; note a mistake where a link would go because of that."""
    before = (outputs_of(own_name()) or {}).get("peers") or {}
    for name, reason in waiting.items():
        path = f"peers.{name}.stack"
        if (before.get(name) or {}).get("linked"):
            fix = f"if it is gone for good, take {name} out of `peers`, `links` and every `allow`"
            problems.add(path, f"{reason}, and {name} is linked", fix)
            continue
        pulumi.log.warn(
            f"{problems.project}:{path}: {reason}, so {name} is not linked yet; run `pulumi up` "
            "for that stack, or mend the name; then run it here again"
        )


def _check(settings: Settings, linked: Mapping[str, RemoteCluster], problems: Problems) -> None:
    """Check what only a look at all clusters together can tell."""
    domains = {cluster.trust_domain: name for name, cluster in settings.clusters.items()}
    addresses = {
        port.address: name
        for name, cluster in settings.clusters.items()
        for port in cluster.exposes
        if port.address
    }
    for name, remote in linked.items():
        owner = domains.setdefault(remote.trust_domain, name)
        if owner != name:
            what = f"its trust domain {remote.trust_domain!r} is that of {owner}, too"
            problems.add(f"peers.{name}", what, "give each cluster its own")
        for port in remote.exposes:
            _check_global(settings, name, port, problems)
        for address in sorted({port.address for port in remote.exposes if port.address}):
            owner = addresses.setdefault(address, name)
            if owner != name:
                what = f"a service of it has the address {address}, and so has one of {owner}"
                problems.add(f"peers.{name}", what, "give one of them another `address`")


def _check_global(settings: Settings, name: str, theirs: ExposedPort, problems: Problems) -> None:
    """Check that a remote cluster's member of a global service fits those of this stack."""
    key = theirs.service, theirs.namespace, theirs.port
    for cluster in settings.clusters.values() if theirs.is_global else ():
        for ours in cluster.exposes:
            if not ours.is_global or (ours.service, ours.namespace, ours.port) != key:
                continue
            path = f"clusters.{cluster.name}.exposes"
            where = f"{ours.service}.{ours.namespace}:{ours.port} is a global service, and {name}"
            if ours.protocol != theirs.protocol:
                what = f"{where} offers it with protocol {theirs.protocol}"
                problems.add(path, what, "give all members the same protocol")
            if (ours.weight is None) != (theirs.weight is None):
                what = f"{where} has {'no' if ours.weight is not None else 'a'} weight for it"
                problems.add(path, what, "give all members a weight, or none")


def finish(
    settings: Settings, remote: RemoteClusters, made: pulumi.Output[list[pulumi.Resource]]
) -> None:
    """Export what this stack makes of its remote clusters, and guard it against `destroy`.

    Args:
        settings: the settings, with at least one remote cluster.
        remote: the remote clusters.
        made: all that is to be there until the guard has gone.
    """
    states = {
        name: {"stack": settings.peers[name], "linked": name in remote.linked}
        for name in sorted({*remote.linked, *remote.waiting})
    }
    pulumi.export("peers", states)
    args = ImportersArgs(wiring.imported(settings, remote.linked))
    Importers("importers", args, pulumi.ResourceOptions(depends_on=made))
