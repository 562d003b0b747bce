"""The guard of a root's rotation: no cluster goes on before every proxy is where it has to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, Resource

from components.dynamic import Kind
from components.handler import Handler, Props
from components.kubectl import Access, Kubectl, KubectlError
from components.trust import certificates, proxies, removal_rules, rotation_rules
from components.trust.proxies import Proxy
from components.trust.removal_rules import RemoteLinks
from components.trust.rotation_rules import Trust


@dataclass(frozen=True)
class TrustPhaseArgs:
    """Arguments of `TrustPhase`."""

    wanted: Mapping[str, pulumi.Input[Trust]]
    """Cluster to what it is to trust and sign with."""
    linked: Mapping[str, Sequence[str]]
    """Cluster to the clusters that it is linked to."""
    access: Mapping[str, Access]
    """Cluster to how kubectl reaches it."""
    with_list: pulumi.Input[Sequence[str]] | None = None
    """Fingerprints of the CAs that `RootCa` makes a revocation list of; None: it makes none."""
    remote: RemoteLinks | None = None
    """Linked clusters of other stacks; None: there are no other stacks."""
    removed: Sequence[str] = ()
    """Clusters that may be destroyed though others import from them."""


class TrustPhaseHandler(Handler):
    """Asks before anything changes, and remembers what was allowed."""

    id = "trust-phase"
    compared = ("wanted", "peers", "abroad")

    def check(self, olds: Props, news: Props) -> CheckResult:
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


def _roots(trust: Mapping[str, Any]) -> tuple[str, list[str]]:
    return trust["signer"], sorted(trust["roots"])


def _removals(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """Return why clusters that are in the state cannot be left out yet."""
    before, remote = olds.get("peers") or {}, news.get("abroad") or {}
    remote_before = (olds.get("abroad") or {}).get("links") or {}
    return removal_rules.refusals(
        {name: [*others, *remote_before.get(name, ())] for name, others in before.items()},
        news["peers"],
        [*news["peers"], *remote.get("trust", ())],
        news.get("removed") or (),
    )


def _distrust(known: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """Return why clusters and linked ones of other stacks would not trust each other."""
    remote = news.get("abroad")
    if not remote:
        return []
    return [
        reason
        for name, trust in sorted(known.items())
        for reason in removal_rules.distrust(
            name, trust["roots"], trust["signer"], remote["links"][name], remote
        )
    ]


def _unlisted(begun: Sequence[str], props: Mapping[str, Any]) -> list[str]:
    """Return why clusters cannot begin to go by revocation lists yet.

    A proxy that cannot be asked holds nobody back here: a stolen key is more urgent.
    """
    with_list = props.get("listed")
    if not isinstance(with_list, list):  # the user's own lists, or not known yet
        return []
    seen, reasons = _ask(begun, props, "", "whose certificates it has")
    for name, asked in seen.items():
        late = [proxy for proxy in asked if not proxy.problem and proxy.issuer not in with_list]
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
    linked = props["peers"]
    bundles = [t["bundle"] for t in (*before.values(), *wanted.values()) if isinstance(t, dict)]
    known_roots = certificates.roots_bundle(bundles)
    asked = sorted({*changed, *(other for name in changed for other in linked.get(name, ()))})
    seen, reasons = _ask(asked, props, known_roots, "what its proxies trust")
    return [*rotation_rules.refusals(wanted, changed, linked, seen), *reasons]


def _ask(
    clusters: Iterable[str], props: Mapping[str, Any], known_roots: str, what: str
) -> tuple[dict[str, list[Proxy]], list[str]]:
    """Return the proxies of each cluster, and why some clusters cannot be asked."""
    seen, reasons = {}, []
    for name in clusters:
        try:
            seen[name] = proxies.ask(Kubectl.from_props(props["access"][name]), known_roots)
        except KubectlError as error:
            reasons.append(f"cluster {name} cannot be asked {what}: {error}")
    return seen, reasons


class TrustPhase(Resource, module="istio-multicluster", name="TrustPhase"):
    """What every cluster trusts and signs with. Whatever changes that has to wait for this.

    Raises, in a preview as well, when a change comes too early.
    """

    def __init__(
        self, name: str, args: TrustPhaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the guard.

        Args:
            name: Pulumi name.
            args: what is wanted.
            opts: options.
        """
        props: Props = {"wanted": args.wanted, "peers": args.linked, "access": args.access}
        # Not there without a use: what has not changed is not updated.
        if args.with_list is not None:
            props["listed"] = args.with_list
        if args.removed:
            props["removed"] = args.removed
        if args.remote is not None:
            props["abroad"] = args.remote
        super().__init__(Kind("TrustPhase"), name, props, opts)
