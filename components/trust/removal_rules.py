"""What may not go unnoticed: a cluster that others still import from. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict


class RemoteTrust(TypedDict):
    """What a cluster of another stack trusts and signs with."""

    roots: Sequence[str]
    """Fingerprints of the roots that it trusts."""
    signer: str
    """Fingerprint of the root that its cluster CA comes from."""


class RemoteLinks(TypedDict):
    """The clusters of other stacks that are linked to the ones of this stack."""

    links: Mapping[str, Sequence[str]]
    """Each cluster of this stack to those that it is linked to."""
    trust: Mapping[str, RemoteTrust]
    """Each of those to its trust."""


def refusals(
    before: Mapping[str, Sequence[str]],
    clusters: Iterable[str],
    importers: Iterable[str],
    removed: Iterable[str],
) -> list[str]:
    """Return why clusters cannot go yet.

    Args:
        before: each cluster that is there to the ones that it is linked to.
        clusters: the ones of this stack that are to be there.
        importers: all that stay, those of other stacks too.
        removed: the ones that the operator lets go by name.
    """
    kept, staying, named = {*clusters}, {*importers}, {*removed}
    reasons = []
    for cluster in sorted({*before} - kept - named):
        callers = [name for name in before[cluster] if name in staying]
        if callers:
            reasons.append(
                f"cluster {cluster} is not in `clusters` any more, and {and_(callers)} still "
                f"import{'s' if len(callers) == 1 else ''} from it; to destroy it nevertheless, "
                f"name it: `removed: [{cluster}]`"
            )
    return reasons


def distrust(
    cluster: str, roots: Iterable[str], signer: str, linked: Iterable[str], remote: RemoteLinks
) -> list[str]:
    """Return why a cluster and the ones of other stacks would refuse each other's certificates.

    Equal roots are not asked for: while a root is rotated, one stack is ahead of the other.

    Args:
        cluster: the cluster.
        roots: fingerprints of the roots that it is to trust.
        signer: that of the root that its cluster CA is to come from.
        linked: those of other stacks that it is linked to.
        remote: what they trust.
    """
    trusted, reasons = {*roots}, []
    for peer in linked:
        theirs = remote["trust"][peer]
        if signer not in theirs["roots"]:
            reasons.append(
                f"peer {peer} does not trust root {_short(signer)}, from which the CA of cluster "
                f"{cluster} comes: both stacks need that root; if it is new, run `pulumi up` for "
                f"the stack of {peer} first"
            )
        if theirs["signer"] not in trusted:
            reasons.append(
                f"cluster {cluster} is not to trust root {_short(theirs['signer'])}, from "
                f"which the CA of peer {peer} comes: both stacks need that root; if it is old, "
                f"keep it until the stack of {peer} has left it"
            )
    return reasons


def and_(items: Sequence[str]) -> str:
    """Return names as a text has them."""
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def _short(fingerprint: str) -> str:
    return fingerprint[:23] or "(none)"
