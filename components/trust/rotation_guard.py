"""The guard of a root's rotation: no cluster goes on before every proxy is where it has to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from components.kubectl import Access, Kubectl, KubectlError
from components.trust import certificates, proxies, removal_rules
from components.trust.proxies import Proxy
from components.trust.removal_rules import Abroad


class Trust(TypedDict):
    """What a cluster is to trust and sign with."""

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
    peers: Mapping[str, Sequence[str]],
    seen: Mapping[str, Sequence[Proxy]],
) -> list[str]:
    """Return why the trust of some clusters cannot change yet, by two rules that need no phases.

    Nobody stops to trust a root while a proxy that may call still has a certificate of it, and
    nobody signs with a root while a proxy that may be called does not trust it.

    Args:
        wanted: what each cluster is to have.
        changed: the clusters that have something else now.
        peers: the linked clusters of each.
        seen: the proxies of each cluster that matters.
    """
    found = []
    for cluster in changed:
        signer, roots = wanted[cluster]["signer"], set(wanted[cluster]["roots"])
        for other in (cluster, *peers.get(cluster, ())):
            asked = [proxy for proxy in seen.get(other, ()) if not proxy.problem]
            late = [proxy for proxy in asked if proxy.signer not in roots]
            if late:
                old = ", ".join(sorted({short(proxy.signer) for proxy in late}))
                found.append(
                    f"cluster {cluster} cannot stop to trust root {old}: in cluster {other}, "
                    f"{len(late)} of {len(asked)} proxies still have a certificate of it "
                    f"({proxies.names_of(late)}); they renew it after half of its life, or when "
                    "their pods restart"
                )
            unaware = [proxy for proxy in asked if signer not in proxy.roots]
            if unaware:
                found.append(
                    f"cluster {cluster} cannot sign with root {short(signer)}: in cluster {other}, "
                    f"{len(unaware)} of {len(asked)} proxies do not trust it yet "
                    f"({proxies.names_of(unaware)}); put both roots into every cluster first, and "
                    "wait about two minutes until istiod has passed them on; a proxy that started "
                    "before the program supported rotation has to restart"
                )
    for cluster, all_of_it in sorted(seen.items()):
        silent = [proxy for proxy in all_of_it if proxy.problem]
        if silent:
            found.append(
                f"in cluster {cluster}, {len(silent)} proxies cannot be asked what they trust "
                f"({proxies.names_of(silent)}): {silent[0].problem}"
            )
    return found


def short(fingerprint: str) -> str:
    """Return as much of a fingerprint as a message needs."""
    return fingerprint[:23] or "unknown"


class TrustPhaseArgs(TypedDict):
    """Arguments of `TrustPhase`."""

    wanted: Mapping[str, pulumi.Input[Trust]]
    """Cluster to what it is to trust and sign with."""
    peers: Mapping[str, Sequence[str]]
    """Cluster to the clusters that it is linked to."""
    access: Mapping[str, Access]
    """Cluster to how kubectl reaches it."""
    listed: NotRequired[pulumi.Input[Sequence[str]]]
    """Fingerprints of the CAs that `RootCa` makes a revocation list of."""
    abroad: NotRequired[Abroad]
    """Linked clusters of other stacks."""
    removed: NotRequired[Sequence[str]]
    """Clusters that may be destroyed though others import from them."""


class TrustPhaseProvider(ResourceProvider):
    """Asks before anything changes. Pickled into the state by reference: do not rename or move."""

    serialize_as_secret_always = False

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse a change of trust that some proxy is not ready for; a preview refuses it too."""
        before, wanted = olds.get("wanted") or {}, news["wanted"]
        # In a preview what is not issued yet is unknown; `up` asks again once it is.
        known = {name: trust for name, trust in wanted.items() if isinstance(trust, dict)}
        both = sorted(name for name in known if isinstance(before.get(name), dict))
        reasons = [
            f"cluster {name}: its proxies go by revocation lists, and would refuse every cluster "
            "CA that is issued from now on; keep `rootCa.revoked`, if with an empty list (or your "
            "ca-crl.pem)"
            for name in both
            if before[name].get("revocation") and not known[name]["revocation"]
        ]
        rotated = [name for name in both if _roots(before[name]) != _roots(known[name])]
        if rotated:
            reasons += _refusals(before, known, rotated, news)
        begun = [n for n in both if known[n]["revocation"] and not before[n].get("revocation")]
        reasons += _unlisted(begun, news)
        reasons += _removals(olds, news) + _distrust(known, news)
        # Not of a property: Pulumi would print all that is wanted before each reason.
        return CheckResult(news, [CheckFailure("", reason) for reason in reasons])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare what is wanted."""
        return DiffResult(
            changes=any(olds.get(key) != news.get(key) for key in ("wanted", "peers", "abroad"))
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Remember what was allowed."""
        return CreateResult(id_="trust-phase", outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Remember what was allowed."""
        return UpdateResult(news)


def _roots(trust: Mapping[str, Any]) -> tuple[str, list[str]]:
    return trust["signer"], sorted(trust["roots"])


def _removals(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """Return why clusters that are in the state cannot be left out yet."""
    before, abroad = olds.get("peers") or {}, news.get("abroad") or {}
    further = (olds.get("abroad") or {}).get("links") or {}
    return removal_rules.refusals(
        {name: [*others, *further.get(name, ())] for name, others in before.items()},
        news["peers"],
        [*news["peers"], *abroad.get("trust", ())],
        news.get("removed") or (),
    )


def _distrust(known: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """Return why clusters and their peers in other stacks would not trust each other."""
    abroad = news.get("abroad")
    if not abroad:
        return []
    return [
        reason
        for name, trust in sorted(known.items())
        for reason in removal_rules.distrust(
            name, trust["roots"], trust["signer"], abroad["links"][name], abroad
        )
    ]


def _unlisted(begun: Sequence[str], props: Mapping[str, Any]) -> list[str]:
    """Return why clusters cannot begin to go by revocation lists yet.

    A proxy that cannot be asked holds nobody back here: a stolen key is more urgent.
    """
    listed = props.get("listed")
    if not isinstance(listed, list):  # the user's own lists, or not known yet
        return []
    seen, reasons = _ask(begun, props, "", "whose certificates it has")
    for name, asked in seen.items():
        late = [proxy for proxy in asked if not proxy.problem and proxy.issuer not in listed]
        if late:
            reasons.append(
                f"cluster {name} cannot go by revocation lists yet: {len(late)} of {len(asked)} "
                "proxies have a certificate of a cluster CA that was renewed since, of which no "
                "list can be signed any more, and would be refused by all others "
                f"({proxies.names_of(late)}); restart their pods first"
            )
    return reasons


def _refusals(
    before: Mapping[str, Any],
    wanted: Mapping[str, Any],
    changed: Sequence[str],
    props: Mapping[str, Any],
) -> list[str]:
    peers = props["peers"]
    bundles = [t["bundle"] for t in (*before.values(), *wanted.values()) if isinstance(t, dict)]
    known_roots = certificates.roots_bundle(bundles)
    asked = sorted({*changed, *(peer for name in changed for peer in peers.get(name, ()))})
    seen, reasons = _ask(asked, props, known_roots, "what its proxies trust")
    return [*refusals(wanted, changed, peers, seen), *reasons]


def _ask(
    clusters: Iterable[str], props: Mapping[str, Any], known_roots: str, what: str
) -> tuple[dict[str, list[Proxy]], list[str]]:
    """Return the proxies of each cluster, and why some clusters cannot be asked."""
    seen, reasons = {}, []
    for name in clusters:
        try:
            seen[name] = proxies.ask(Kubectl.of(props["access"][name]), known_roots)
        except KubectlError as error:
            reasons.append(f"cluster {name} cannot be asked {what}: {error}")
    return seen, reasons


class TrustPhase(Resource, module="istio-multicluster", name="TrustPhase"):
    """What every cluster trusts and signs with. Whatever changes that has to wait for this.

    Raises, in a preview as well, when a change comes too early.
    """

    def __init__(
        self,
        name: str,
        args: TrustPhaseArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Register the guard.

        Args:
            name: Pulumi name.
            args: what is wanted.
            opts: options.
        """
        super().__init__(TrustPhaseProvider(), name, {**args}, opts)
