"""A cluster's CA on its way into the cluster: checked, described, warned about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi import Output

from components.trust import certificates
from components.trust.cacerts_files import FILES
from components.trust.certificates import CaCerts
from components.trust.rotation_rules import Trust

_CERTIFICATES = ("ca_cert", "cert_chain", "root_cert")


def checked(cluster: str, cacerts: CaCerts, warn_days: int) -> Output[dict[str, str]]:
    """Return the files of a cluster CA, as one secret, if istiod and the peers would take it.

    istiod itself exits, or keeps what it had and only logs a line.

    Args:
        cluster: its name.
        cacerts: the cluster CA.
        warn_days: warn when one of its certificates ends in fewer days.

    Raises:
        pulumi.RunError: with every reason against it, in a preview as soon as it is issued.
    """

    def check(values: dict[str, str]) -> dict[str, str]:
        now = datetime.now(UTC)
        # The user's own need a path length (config.own_certificates); cert-manager sets none.
        found = certificates.problems(values, now, path_length=False)
        if found:
            raise pulumi.RunError(f"the CA of cluster {cluster}:\n  - " + "\n  - ".join(found))
        for warning in warnings(cluster, values, now, warn_days):
            pulumi.log.warn(warning)
        return values

    return Output.secret(Output.all(**cacerts).apply(check))


def secret_data(files: Mapping[str, str]) -> dict[str, str]:
    """Return the contents of the Secret `cacerts`; without a list the key for it is not there."""
    return {FILES[key]: text for key, text in sorted(files.items()) if text}


def warnings(cluster: str, cacerts: Mapping[str, str], now: datetime, warn_days: int) -> list[str]:
    """Return a line for each certificate that ends soon."""
    found = []
    for kind, key, fix in (
        ("cluster CA", "ca_cert", "cert-manager has to renew it, or you, before `up` carries it"),
        ("root", "root_cert", "rotate it (docs/rotation.md)"),
    ):
        for one in certificates.facts(cacerts[key]):
            days = (one.not_after - now).days
            if days < warn_days:
                found.append(
                    f"cluster {cluster}: its {kind} {one.subject} ends in {days} days, on "
                    f"{one.not_after:%Y-%m-%d} (rootCa.warnDays is {warn_days}); {fix}"
                )
    return found


def revocation_lists(cacerts: CaCerts) -> Output[str]:
    """Return the revocation lists, which are no secret."""
    return Output.unsecret(Output.from_input(cacerts["ca_crl"]))


def _certificates(cacerts: CaCerts) -> Output[dict[str, str]]:
    """Return the certificates, which are no secret; they are known before any list is signed."""
    values: Mapping[str, Any] = cacerts
    return Output.unsecret(Output.all(**{key: values[key] for key in _CERTIFICATES}))


def trust(cacerts: CaCerts, *, revocation: bool) -> Output[Trust]:
    """Return what a cluster is to trust and sign with.

    Args:
        cacerts: its CA.
        revocation: whether its proxies are handed revocation lists.
    """

    def of(values: dict[str, str]) -> Trust:
        roots = values["root_cert"]
        return Trust(
            signer=certificates.root_of(values["cert_chain"], roots),
            roots=certificates.fingerprints(roots),
            bundle=certificates.roots_bundle([roots]),
            revocation=revocation,
        )

    return _certificates(cacerts).apply(of)


def describe(cacerts: CaCerts) -> Output[dict[str, Any]]:
    """Return what the stack tells of a cluster's trust: nothing in it is a secret."""

    def of(values: dict[str, str]) -> dict[str, Any]:
        own = certificates.facts(values["ca_cert"])[0]
        return {
            "clusterCa": _told(own),
            "roots": sorted(
                (_told(root) for root in certificates.facts(values["root_cert"])),
                key=lambda told: told["fingerprint"],
            ),
            "signer": certificates.root_of(values["cert_chain"], values["root_cert"]),
        }

    return _certificates(cacerts).apply(of)


def _told(one: certificates.Facts) -> dict[str, str]:
    return {
        "subject": one.subject,
        "serial": one.serial,
        "fingerprint": one.fingerprint,
        "expires": one.not_after.isoformat(),
    }
