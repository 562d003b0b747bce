"""When a cluster is not touched: what the state knows, beside what a look has seen. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping, Set
from dataclasses import dataclass

from components.confirmations import REBUILT, TAKE_OVER
from components.objects import API_VERSIONS
from components.ownership.look import Mark, Seen

TOKEN_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack makes something."""

    label: str
    """What messages call the cluster."""
    path: str
    """Path in the stack file, for messages."""
    context: str
    """Context in the kubeconfig."""
    namespace: str
    """Where its mark is."""


def token(seen: Seen) -> str:
    """Return what has to be named with a new cluster: it fits no other one."""
    return seen.uid[:TOKEN_LENGTH]


def refusals(
    own: str,
    places: Mapping[str, Place],
    seen: Mapping[str, Seen],
    recorded: Mapping[str, str] | None,
    named: Mapping[str, str],
    lost: str = "",
) -> list[str]:
    """Return why nothing may be changed, one text for each cluster that is not what it should be.

    Args:
        own: ID of the stack.
        places: every cluster of the stack, by name.
        seen: what a look has seen; a cluster that does not answer is missing.
        recorded: the UID by which the state knows each cluster; empty or missing: it is new to it.
            None: what the state knows does not matter yet.
        named: the clusters that were built anew, with their tokens.
        lost: ID of a stack whose state is lost: its clusters are taken over.
    """
    found = []
    ours = {own, lost} - {""}
    for name, place in places.items():
        if name not in seen:
            continue
        reason = (
            _another_name(name, places, seen)
            or (recorded is not None and _another_cluster(name, places, seen, recorded, named))
            or _another_stack(ours, seen[name])
            or _another_of_ours(name, seen[name], places if recorded is None else ())
            or _another_istio(ours, seen[name])
            or _old_crds(seen[name])
        )
        if reason:
            what, steps = reason
            listed = "".join(f"\n  - {step}" for step in steps)
            found.append(f"{place.path}: context {place.context!r} {what}{listed}")
    return found


_MEANT = "you meant another cluster: name its context"


def _another_name(
    name: str, places: Mapping[str, Place], seen: Mapping[str, Seen]
) -> tuple[str, list[str]] | None:
    first = next(
        other
        for other, place in places.items()
        if other in seen
        and (seen[other].uid, place.namespace) == (seen[name].uid, places[name].namespace)
    )
    if first == name:
        return None
    return f"leads to the same cluster as {places[first].path}", [_MEANT]


def _another_cluster(
    name: str,
    places: Mapping[str, Place],
    seen: Mapping[str, Seen],
    recorded: Mapping[str, str],
    named: Mapping[str, str],
) -> tuple[str, list[str]] | None:
    known, now = recorded.get(name), seen[name].uid
    if not known or known == now:
        return None
    label = places[name].label
    others = [other for other in places if other != name and recorded.get(other) == now]
    if others:
        other = places[others[0]].label
        what = f"leads to {other} of this stack, not to {label}"
        return what, [f"the contexts of {label} and {other} are swapped: put them right"]
    what = (
        f"leads to another cluster than before: its namespace kube-system has UID {now}, and the "
        f"state knows {label} by {known}"
    )
    if named.get(name) == token(seen[name]):
        return None
    command = f"`{REBUILT}={name}={token(seen[name])} pulumi up --refresh`"
    return what, [_MEANT, f"{label} was built anew: {command} fills it"]


def _another_stack(ours: Set[str], seen: Seen) -> tuple[str, list[str]] | None:
    mark = seen.mark
    if mark is None:
        others = sorted({o for o in seen.namespaces.values() if o is not None and o not in ours})
        if not others:
            return None
        return f"has namespaces of another stack, whose ID is {others[0]}", [_MEANT]
    return None if mark.stack_id in ours else _foreign(mark)


def _another_of_ours(name: str, seen: Seen, others: Container[str]) -> tuple[str, list[str]] | None:
    """Judge a mark of the stack itself; one of the others may be a context that is swapped."""
    mark = seen.mark
    if mark is None or mark.cluster == name or mark.cluster in others:
        return None
    what = f"is cluster {mark.cluster} of this stack: a cluster keeps its name"
    return what, [
        f"you want to rename it: its name is in every other cluster's objects and in DNS, so it is "
        f"taken out first (`removed: [{mark.cluster}]` without the cluster, `pulumi up`) and then "
        "added under its new name",
        f"you meant another cluster or name: call it {mark.cluster} again",
    ]


def _foreign(mark: Mark) -> tuple[str, list[str]]:
    what = f"belongs to stack {mark.stack} (ID {mark.stack_id}) since {mark.since}"
    return f"{what}, as its cluster {mark.cluster}", [
        _MEANT,
        "the stack file is a copy, or the backend is another or an empty one: run the stack that "
        "it belongs to, with the backend that has its state",
        f"that stack is to give it up: take {mark.cluster} out of its stack file and run `pulumi "
        "up` there",
        "its state is lost, and no backup of the backend is left to restore (`pulumi stack "
        f"import`): `{TAKE_OVER}={mark.stack_id} pulumi up` takes its clusters over",
    ]


def _another_istio(ours: Set[str], seen: Seen) -> tuple[str, list[str]] | None:
    if seen.istio is None or seen.mark or ours & {*seen.namespaces.values()}:
        return None
    return f"has an Istio that is no stack's: {seen.istio}", [
        _MEANT,
        "it is to go: uninstall it by the tool that installed it, its namespaces too",
    ]


def _old_crds(seen: Seen) -> tuple[str, list[str]] | None:
    """Judge CRDs of somebody else, which are used as they are."""
    old = []
    for name, crd in sorted((seen.crds or {}).items()):
        needed = API_VERSIONS.get(crd.kind, "").rpartition("/")[2]
        if crd.stamp is None and needed and needed not in crd.served:
            old.append(
                f"{name} (serves {', '.join(sorted(crd.served)) or 'nothing'}, not {needed})"
            )
    if not old:
        return None
    what = f"has CRDs that this program did not make and that are too old: {', '.join(old)}"
    return what, [
        "upgrade them by the tool that installed them, e.g. `kubectl apply --server-side` of the "
        "CRDs of the chart that `istio.version` or `rootCa.certManager.version` names",
        _MEANT,
    ]
