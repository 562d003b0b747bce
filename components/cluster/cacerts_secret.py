"""A cluster's CA on its way into the cluster: checked, described, warned about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi import Input, Output

from components.model import (
    CA_CERT,
    CA_CRL,
    CA_KEY,
    CERT_CHAIN,
    ROOT_CERT,
    CaCerts,
    cacerts_of_files,
)
from components.trust import certificates
from components.trust.rotation_rules import Trust

Files = CaCerts[Input[str]]
"""A cluster CA that may not be issued yet."""


def checked(cluster: str, cacerts: Files, warn_days: int) -> Output[CaCerts[str]]:
    """Return a cluster CA, as one secret, if istiod and the linked clusters would take it.

    istiod itself exits, or keeps what it had and only logs a line.

    Args:
        cluster: its name.
        cacerts: the cluster CA.
        warn_days: warn when one of its certificates ends in fewer days.

    Raises:
        pulumi.RunError: with every reason against it, in a preview as soon as it is issued.
    """

    def check(files: dict[str, str]) -> CaCerts[str]:
        now, ca = datetime.now(UTC), cacerts_of_files(files)
        # The user's own need a path length (config.own_certificates); cert-manager sets none.
        faults = certificates.problems(ca, now, path_length=False)
        if faults:
            raise pulumi.RunError(f"the CA of cluster {cluster}:\n  - " + "\n  - ".join(faults))
        for warning in warnings(cluster, ca, now, warn_days):
            pulumi.log.warn(warning)
        return ca

    return Output.secret(Output.all(**cacerts.files()).apply(check))


def secret_data(cacerts: CaCerts[str]) -> dict[str, str]:
    """Return the contents of the Secret `cacerts`; without a list the key for it is not there."""
    return dict(sorted(cacerts.files().items()))


def warnings(cluster: str, cacerts: CaCerts[str], now: datetime, warn_days: int) -> list[str]:
    """Return a line for each certificate that ends soon."""
    lines = []
    renew = "cert-manager has to renew it, or you, before `up` carries it"
    for kind, pem, fix in (
        ("cluster CA", cacerts.ca_cert, renew),
        ("root", cacerts.root_cert, "rotate it (docs/rotation.md)"),
    ):
        for one in certificates.facts(pem):
            days = (one.not_after - now).days
            if days < warn_days:
                lines.append(
                    f"cluster {cluster}: its {kind} {one.subject} ends in {days} days, on "
                    f"{one.not_after:%Y-%m-%d} (rootCa.warnDays is {warn_days}); {fix}"
                )
    return lines


def revocation_lists(cacerts: Files) -> Output[str]:
    """Return the revocation lists, which are no secret; empty: there are none."""
    lists = "" if cacerts.ca_crl is None else cacerts.ca_crl
    return Output.unsecret(Output.from_input(lists))


def _certificates(cacerts: Files) -> Output[dict[str, str]]:
    """Return the certificates, which are no secret; they are known before any list is signed."""
    files = {file: pem for file, pem in cacerts.files().items() if file not in (CA_KEY, CA_CRL)}
    return Output.unsecret(Output.all(**files))


def trust(cacerts: Files, *, revocation: bool) -> Output[Trust]:
    """Return what a cluster is to trust and sign with.

    Args:
        cacerts: its CA.
        revocation: whether its proxies are handed revocation lists.
    """

    def of(files: dict[str, str]) -> Trust:
        roots = files[ROOT_CERT]
        return Trust(
            signer=certificates.root_of(files[CERT_CHAIN], roots),
            roots=certificates.fingerprints(roots),
            bundle=certificates.roots_bundle([roots]),
            revocation=revocation,
        )

    return _certificates(cacerts).apply(of)


def describe(cacerts: Files) -> Output[dict[str, Any]]:
    """Return what the stack exports of a cluster's trust: nothing in it is a secret."""

    def of(files: dict[str, str]) -> dict[str, Any]:
        own = certificates.facts(files[CA_CERT])[0]
        roots = [_described(root) for root in certificates.facts(files[ROOT_CERT])]
        return {
            "clusterCa": _described(own),
            "roots": sorted(roots, key=lambda root: root["fingerprint"]),
            "signer": certificates.root_of(files[CERT_CHAIN], files[ROOT_CERT]),
        }

    return _certificates(cacerts).apply(of)


def _described(one: certificates.Facts) -> dict[str, str]:
    return {
        "subject": one.subject,
        "serial": one.serial,
        "fingerprint": one.fingerprint,
        "expires": one.not_after.isoformat(),
    }
