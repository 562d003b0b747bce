"""The two rules of a root's rotation, over what clusters are to trust and what proxies say.

Pure functions: `rotation_guard.py` asks the proxies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from components.trust import proxies
from components.trust.proxies import Proxy


class Trust(TypedDict):
    """What a cluster is to trust and sign with, as the state has it."""

    signer: str
    """Fingerprint of the root that its cluster CA comes from."""
    roots: Sequence[str]
    """Fingerprints of the roots that it trusts."""
    bundle: str
    """The same roots, PEM."""
    revocation: bool
    """Whether it is handed revocation lists."""


def refusals(
    wanted: Mapping[str, Trust],
    changed: Sequence[str],
    linked: Mapping[str, Sequence[str]],
    seen: Mapping[str, Sequence[Proxy]],
) -> list[str]:
    """Return why the trust of some clusters cannot change yet, by two rules that need no phases.

    Nobody stops to trust a root while a proxy that may call still has a certificate of it, and
    nobody signs with a root while a proxy that may be called does not trust it.

    Args:
        wanted: what each cluster is to have.
        changed: the clusters that have something else now.
        linked: the linked clusters of each.
        seen: the proxies of each cluster that matters.
    """
    reasons: list[str] = []
    for cluster in changed:
        for other in (cluster, *linked.get(cluster, ())):
            answers = [proxy for proxy in seen.get(other, ()) if not proxy.problem]
            reasons += _late(cluster, wanted[cluster], other, answers)
            reasons += _unaware(cluster, wanted[cluster], other, answers)
    for cluster, asked in sorted(seen.items()):
        reasons += _silent(cluster, asked)
    return reasons


def _late(cluster: str, trust: Trust, other: str, answers: Sequence[Proxy]) -> Iterator[str]:
    """Yield why a cluster has to trust a root for longer: certificates of it are in use."""
    late = [proxy for proxy in answers if proxy.signer not in trust["roots"]]
    if late:
        old = ", ".join(sorted({short(proxy.signer) for proxy in late}))
        yield (
            f"cluster {cluster} cannot stop to trust root {old}: in cluster {other}, "
            f"{len(late)} of {len(answers)} proxies still have a certificate of it "
            f"({proxies.names_of(late)}); they renew it after half of its life, or when "
            "their pods restart"
        )


def _unaware(cluster: str, trust: Trust, other: str, answers: Sequence[Proxy]) -> Iterator[str]:
    """Yield why a cluster cannot sign with a root yet: it is not trusted everywhere."""
    unaware = [proxy for proxy in answers if trust["signer"] not in proxy.roots]
    if unaware:
        yield (
            f"cluster {cluster} cannot sign with root {short(trust['signer'])}: in cluster "
            f"{other}, {len(unaware)} of {len(answers)} proxies do not trust it yet "
            f"({proxies.names_of(unaware)}); put both roots into every cluster first, and "
            "wait about two minutes until istiod has passed them on; a proxy that started "
            "before the program supported rotation has to restart"
        )


def _silent(cluster: str, asked: Sequence[Proxy]) -> Iterator[str]:
    """Yield which proxies did not answer: nobody knows what they would refuse."""
    silent = [proxy for proxy in asked if proxy.problem]
    if silent:
        yield (
            f"in cluster {cluster}, {len(silent)} proxies cannot be asked what they trust "
            f"({proxies.names_of(silent)}): {silent[0].problem}"
        )


def short(fingerprint: str) -> str:
    """Return as much of a fingerprint as a message needs."""
    return fingerprint[:23] or "unknown"
