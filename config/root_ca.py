"""`rootCa`: where the cluster CAs come from. Checked as far as it can be here.

There are four sources: cert-manager on a cluster (`context`), the stack that has that cluster
(`stack`), and two of certificates that the user brings, see `own_certificates`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from components.model import CaCerts, CertManager, Root, RootCa
from config import own_certificates
from config.kubeconfig import Kubeconfig
from config.links import FORM, REFERENCE
from config.own_certificates import Wanted
from config.reader import DNS_LABEL, Section, duplicates
from config.secret import Secret

OF_CONTEXT = (
    "clusters",
    "namespace",
    "roots",
    "lifetimeDays",
    "renewBeforeDays",
    "certManager",
    "revoked",
    "opensslImage",
)
"""Keys that tell cert-manager what to do."""

SELF_SIGNED = "self-signed"
"""Ends the name of the Issuer that the program makes for each root, beside one of its own name."""
OBJECT_NAME = rf"{DNS_LABEL.pattern}(\.{DNS_LABEL.pattern})*"

WARN_DAYS = 14

SERIAL = re.compile(r"[0-9a-f]+|[0-9a-f]{2}(:[0-9a-f]{2})+", re.IGNORECASE)
SERIAL_DIGITS = 40
"""RFC 5280: at most 20 octets."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the cluster CAs come from."""

    root_ca: RootCa | None = None
    """cert-manager; None: the user brings certificates, or there is no link."""
    cacerts: Mapping[str, CaCerts[str]] = field(default_factory=dict)
    """Name of each cluster to the cluster CA that the user brings; empty otherwise."""
    stack: str | None = None
    """The stack that issues the cluster CAs; None: none does."""
    warn_days: int = WARN_DAYS


def parse_root_ca(section: Section, wanted: Wanted, kubeconfig: Kubeconfig) -> Source:
    """Read the section `rootCa`; mistakes go into its problems.

    Args:
        section: the section.
        wanted: the clusters that need a CA.
        kubeconfig: which contexts there are.
    """
    sources = [key for key in SOURCES if section.has(key)]
    source = Source()
    if not sources and wanted.links:
        section.problems.add(
            section.path,
            "is missing, and linked clusters need a shared root of trust",
            "set `context` of a cluster that runs cert-manager, `stack` of one that does, or "
            "`directory` of certificates",
            sure=False,
        )
    elif not sources:
        _refuse_others(section, "means nothing without `context`")
    elif len(sources) == 1:
        source = SOURCES[sources[0]](section, wanted, kubeconfig)
    for key in sources[1:]:
        section.refuse(key, f"stands beside `{sources[0]}`", "keep one source of certificates")
    source = replace(source, warn_days=_days(section, "warnDays", WARN_DAYS, low=0))
    section.skip(*SOURCES, *OF_CONTEXT)
    section.finish()
    return source


def _of_context(section: Section, wanted: Wanted, kubeconfig: Kubeconfig) -> Source:
    return Source(root_ca=_root_ca(section, kubeconfig, wanted.clusters))


def _of_stack(section: Section, _wanted: Wanted, _kubeconfig: Kubeconfig) -> Source:
    _refuse_others(section, "means nothing beside `stack`")
    return Source(stack=section.text("stack", pattern=REFERENCE, fix=FORM) or None)


def _of_directory(section: Section, wanted: Wanted, _kubeconfig: Kubeconfig) -> Source:
    _refuse_others(section, "means nothing beside `directory`")
    return Source(cacerts=own_certificates.of_directory(section, wanted))


def _of_stack_file(section: Section, wanted: Wanted, _kubeconfig: Kubeconfig) -> Source:
    _refuse_others(section, "means nothing beside `certificates`")
    return Source(cacerts=own_certificates.of_stack_file(section, wanted))


SOURCES: Mapping[str, Callable[[Section, Wanted, Kubeconfig], Source]] = {
    "context": _of_context,
    "stack": _of_stack,
    "directory": _of_directory,
    "certificates": _of_stack_file,
}
"""Key to what reads it; a stack has at most one of them."""


def _refuse_others(section: Section, what: str) -> None:
    for key in filter(section.has, OF_CONTEXT):
        fix = "remove it, or use `context`"
        section.refuse(key, f"{what}: it is for cert-manager", fix, sure=False)


def _days(section: Section, key: str, default: int, *, low: int = 1) -> int:
    return section.integer(key, default, low=low, high=3650, noun="a number of days")


def _root_ca(section: Section, kubeconfig: Kubeconfig, clusters: Sequence[str]) -> RootCa:
    root_ca = RootCa(
        context=section.member(
            "context",
            kubeconfig.contexts,
            required="name a context of the kubeconfig",
            whole="the kubeconfig",
        ),
        clusters=_further_clusters(section, clusters),
        namespace=section.label("namespace", "istio-root-ca"),
        roots=_roots(section),
        lifetime_days=_days(section, "lifetimeDays", 90),
        renew_before_days=_days(section, "renewBeforeDays", 30),
        cert_manager=_cert_manager(section),
        revoked=_revoked(section),
        openssl_image=section.text("opensslImage", "docker.io/alpine/openssl:3.5.4"),
    )
    if root_ca.renew_before_days >= root_ca.lifetime_days:
        what = f"{root_ca.renew_before_days} is too long"
        fix = f"renew before the end of the {root_ca.lifetime_days} days of rootCa.lifetimeDays"
        section.bad("renewBeforeDays", what, fix, sure=False)
    if root_ca.revoked is not None and any(root.issuer for root in root_ca.roots):
        what = "stands beside a root with an issuer: the program cannot sign for the user's issuer"
        section.bad("revoked", what, "remove one of the two")
    return root_ca


def _further_clusters(section: Section, own: Sequence[str]) -> tuple[str, ...]:
    """Read the clusters of other stacks that get a CA from here."""
    others = section.labels("clusters", required="name a cluster of another stack")
    for name in (name for name in others if name in own):
        section.bad("clusters", f"{name!r} is a cluster of this stack", "it has a CA: remove it")
    return tuple(sorted({*others}))


def _roots(section: Section) -> tuple[Root, ...]:
    written = section.items("roots", default=["root-ca"])
    if not 1 <= len(written) <= 2:
        fix = "name one root, or two while one takes the place of the other"
        section.bad("roots", f"has {len(written)} entries", fix)
    roots = [(f"roots[{i}]", _root(section, f"roots[{i}]", item)) for i, item in enumerate(written)]
    named = [(key, root) for key, root in roots if root.name]
    for key, root in duplicates(named, lambda pair: pair[1].name):
        section.bad(key, f"{root.name!r} is another root's name too", "give each its own")
    self_signed = [root.name for _, root in named if not root.issuer]
    own = {*self_signed, *(f"{name}-{SELF_SIGNED}" for name in self_signed)}
    for key, root in named:
        if f"-{root.name}".endswith(f"-{SELF_SIGNED}"):
            what = f"{root.name!r} could be an Issuer that the program makes for another root"
            section.bad(key, what, "choose another name")
        if root.issuer_kind == "Issuer" and root.issuer in own:
            what = f"{root.issuer!r} is an Issuer that the program makes itself"
            section.bad(f"{key}.issuer", what, "name one of yours, or write the root's name alone")
    return tuple(root for _, root in roots)


def _root(section: Section, key: str, value: Any) -> Root:
    if isinstance(value, Mapping):
        item = Section(value, section.at(key), section.problems)
        root = Root(
            name=item.label("name", required="name the root"),
            issuer=item.text(
                "issuer",
                required="name the cert-manager issuer; a root without one is its name alone",
                pattern=OBJECT_NAME,
                fix="give the name of a cert-manager issuer",
            )
            or None,
            issuer_kind=item.choice("kind", "ClusterIssuer", ("ClusterIssuer", "Issuer")),
        )
        item.finish()
        return root
    # A section of its own, so that the name is checked like any other.
    name = Section({key: value}, section.path, section.problems).label(key, required="name a root")
    return Root(name)


def _cert_manager(section: Section) -> CertManager | None:
    value = section.take("certManager")
    if value is None or value is False:
        return None
    if value is not True and not isinstance(value, Mapping):
        fix = "write `true`, or a mapping of version, repository and values"
        section.refuse("certManager", f"{value!r} is not valid", fix)
        return None
    item = Section({} if value is True else value, section.at("certManager"), section.problems)
    cert_manager = CertManager(
        version=item.text("version", "v1.18.2"),
        repository=item.text("repository", "https://charts.jetstack.io"),
        values=item.mapping("values"),
    )
    item.finish()
    return cert_manager


def _revoked(section: Section) -> tuple[str, ...] | None:
    if not section.has("revoked"):
        return None
    numbered, keys = section.numbered("revoked")
    serials = [serial for key in keys if (serial := _serial(numbered, key))]
    for serial in duplicates(serials, str):
        section.bad("revoked", f"{serial!r} is listed twice", "remove one of the two")
    return tuple(sorted(serials))


def _serial(section: Section, key: str) -> str:
    """Return a serial number as `certificates.Facts` has it, empty when it is none."""
    value = section.take(key)
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        section.bad(key, f"{value!r} is not a text", "quote it: YAML takes its digits for a number")
        return ""
    serial = value.replace(":", "").lower().lstrip("0")
    if not SERIAL.fullmatch(value) or not serial:
        fix = "write the hex digits that `openssl x509 -noout -serial` prints"
        section.bad(key, f"{value!r} is not a serial number", fix)
        return ""
    if len(serial) > SERIAL_DIGITS:
        what = f"{value!r} has {len(serial)} hex digits"
        fix = f"a serial number has at most {SERIAL_DIGITS}: this may be a fingerprint"
        section.bad(key, what, fix)
    return serial
