"""The configuration `rootCa`: where the cluster CAs come from. Checked as far as it can be here.

There are four sources: cert-manager on a cluster (`context`), the stack that has that cluster
(`stack`), files (`directory`), or the same in the stack file (`certificates`). Certificates that
the user brings are checked as istiod and the peers will, so that a preview tells what would
otherwise be found in logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from components.model import CaCerts, CertManager, Root, RootCa, cacerts_of_files
from components.trust import certificates
from config.kubeconfig import Kubeconfig
from config.peers import FORM, REFERENCE
from config.reader import DNS_LABEL, Section, duplicates

KEYS_OF_FILES = {
    "ca-cert.pem": "caCert",
    "ca-key.pem": "caKey",
    "cert-chain.pem": "certChain",
    "root-cert.pem": "rootCert",
    "ca-crl.pem": "caCrl",
}
"""Files of Istio's Secret `cacerts` (istio.io, tasks/security/cert-management/plugin-ca-cert), and
how they are called in the stack file; in the order of the fields of `CaCerts`."""
OPTIONAL_FILE = "ca-crl.pem"
FILES = tuple(file for file in KEYS_OF_FILES if file != OPTIONAL_FILE)

SOURCES = ("context", "stack", "directory", "certificates")
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

SERIAL = re.compile(r"[0-9a-f]+|[0-9a-f]{2}(:[0-9a-f]{2})+", re.IGNORECASE)
SERIAL_DIGITS = 40
"""RFC 5280: at most 20 octets."""

Report = Callable[[str, str, str, str], None]
"""Note a mistake: name of the cluster, file, what is wrong with it, fix."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the cluster CAs come from."""

    root_ca: RootCa | None
    """cert-manager; None: the user brings certificates, or there is no link."""
    cacerts: Mapping[str, CaCerts[str]]
    """Name of each cluster to the cluster CA that the user brings; empty otherwise."""
    stack: str | None
    """The stack that issues the cluster CAs; None: none does."""
    warn_days: int


def parse_root_ca(
    section: Section,
    clusters: Sequence[str],
    links: Sequence[tuple[str, str]],
    kubeconfig: Kubeconfig,
    directory: Path,
    now: datetime,
) -> Source:
    """Read the section `rootCa`; mistakes go into its problems.

    Args:
        section: the section.
        clusters: names of the stack's clusters.
        links: pairs of them that are linked.
        kubeconfig: which contexts there are.
        directory: the project's directory, which relative paths start from.
        now: the time at which certificates have to be valid.
    """
    sources = [key for key in SOURCES if section.has(key)]
    for key in sources[1:]:
        section.bad(key, f"stands beside `{sources[0]}`", "keep one source of certificates")
    source = sources[0] if len(sources) == 1 else ""
    if not sources and links:
        section.problems.add(
            section.path,
            "is missing, and linked clusters need a shared root of trust",
            "set `context` of a cluster that runs cert-manager, `stack` of one that does, or "
            "`directory` of certificates",
        )
    elif not sources:
        _refuse_others(section, "means nothing without `context`")
    elif source in ("stack", "directory", "certificates"):
        _refuse_others(section, f"means nothing beside `{source}`")
    root_ca = _root_ca(section, kubeconfig, clusters) if source == "context" else None
    stack = ""
    if source == "stack":
        stack = section.text("stack", pattern=REFERENCE, fix=FORM)
    cacerts: dict[str, CaCerts[str]] = {}
    if source == "directory":
        cacerts = _of_directory(section, clusters, links, directory, now)
    elif source == "certificates":
        cacerts = _of_stack_file(section, clusters, links, now)
    warn_days = _days(section, "warnDays", 14, low=0)
    for key in (*SOURCES, *OF_CONTEXT):  # known, though nothing may have read them
        section.take(key)
    section.finish()
    return Source(root_ca, cacerts, stack or None, warn_days)


def _refuse_others(section: Section, what: str) -> None:
    for key in filter(section.has, OF_CONTEXT):
        section.bad(key, f"{what}: it is for cert-manager", "remove it, or use `context`")


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
        section.bad("renewBeforeDays", what, fix)
    if root_ca.revoked is not None and any(root.issuer for root in root_ca.roots):
        what = "stands beside a root with an issuer: the program cannot sign for the user's issuer"
        section.bad("revoked", what, "remove one of the two")
    return root_ca


def _further_clusters(section: Section, own: Sequence[str]) -> tuple[str, ...]:
    """Read the clusters of other stacks that get a CA from here."""
    found = section.labels("clusters", required="name a cluster of another stack")
    for name in (name for name in found if name in own):
        section.bad("clusters", f"{name!r} is a cluster of this stack", "it has a CA: remove it")
    return tuple(sorted({*found}))


def _roots(section: Section) -> tuple[Root, ...]:
    written = section.items("roots", default=["root-ca"])
    if not 1 <= len(written) <= 2:
        fix = "name one root, or two while one takes the place of the other"
        section.bad("roots", f"has {len(written)} entries", fix)
    found = [(f"roots[{i}]", _root(section, f"roots[{i}]", item)) for i, item in enumerate(written)]
    named = [(key, root) for key, root in found if root.name]
    for key, root in duplicates(named, lambda pair: pair[1].name):
        section.bad(key, f"{root.name!r} is another root's name too", "give each its own")
    made = [root.name for _, root in named if not root.issuer]
    own = {*made, *(f"{name}-{SELF_SIGNED}" for name in made)}
    for key, root in named:
        if f"-{root.name}".endswith(f"-{SELF_SIGNED}"):
            what = f"{root.name!r} could be an Issuer that the program makes for another root"
            section.bad(key, what, "choose another name")
        if root.issuer_kind == "Issuer" and root.issuer in own:
            what = f"{root.issuer!r} is an Issuer that the program makes itself"
            section.bad(f"{key}.issuer", what, "name one of yours, or write the root's name alone")
    return tuple(root for _, root in found)


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
        section.bad("certManager", f"{value!r} is not valid", fix)
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
    serials = [
        _serial(section, f"revoked[{index}]", value)
        for index, value in enumerate(section.items("revoked"))
    ]
    found = [serial for serial in serials if serial]
    for serial in duplicates(found, str):
        section.bad("revoked", f"{serial!r} is listed twice", "remove one of the two")
    return tuple(sorted(found))


def _serial(section: Section, key: str, value: Any) -> str:
    """Return a serial number as `certificates.Facts` has it, empty when it is none."""
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


def _of_directory(
    section: Section,
    clusters: Sequence[str],
    links: Sequence[tuple[str, str]],
    directory: Path,
    now: datetime,
) -> dict[str, CaCerts[str]]:
    """Read the certificates of each cluster from files."""
    problems, place = section.problems, section.at("directory")
    path = section.text("directory", required=f"name one with {', '.join(FILES)} per cluster")
    if not path:
        return {}
    pki = (directory / Path(path).expanduser()).resolve()

    def report(name: str, file: str, what: str, fix: str) -> None:
        problems.add(place, f"{pki / name / file} {what}", fix)

    read = {name: _read(name, pki / name, report) for name in clusters}
    return _checked({n: ca for n, ca in read.items() if ca}, links, now, report)


def _read(name: str, folder: Path, report: Report) -> CaCerts[str] | None:
    contents = {}
    for file in KEYS_OF_FILES:
        try:
            contents[file] = (folder / file).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            if file == OPTIONAL_FILE and isinstance(error, FileNotFoundError):
                contents[file] = ""
                continue
            # Not the exception's text: it quotes what it could not decode.
            reason = getattr(error, "strerror", None) or "it is not a PEM file"
            fix = f"rootCa.directory needs {', '.join(FILES)} for each cluster"
            report(name, file, f"cannot be read ({reason})", fix)
    return cacerts_of_files(contents) if len(contents) == len(KEYS_OF_FILES) else None


def _of_stack_file(
    section: Section, clusters: Sequence[str], links: Sequence[tuple[str, str]], now: datetime
) -> dict[str, CaCerts[str]]:
    """Read the certificates of each cluster from the stack file; none of it gets into a message."""
    problems, path = section.problems, section.at("certificates")
    written = section.section("certificates", secret=True)

    def report(name: str, file: str, what: str, fix: str) -> None:
        problems.add(f"{path}.{name}.{KEYS_OF_FILES[file]}", what, fix)

    read = {name: _written(name, written) for name in clusters}
    written.finish()
    return _checked({n: ca for n, ca in read.items() if ca}, links, now, report)


def _written(name: str, section: Section) -> CaCerts[str] | None:
    command = f"pulumi config set --path --secret istio-multicluster:{section.at(name)}"
    if not section.has(name):
        section.take(name)
        keys = ", ".join(KEYS_OF_FILES[file] for file in FILES)
        section.bad(name, "is missing", f"set {keys} with `{command}.KEY < FILE`")
        return None
    item = section.section(name)
    texts = {}
    for file, key in KEYS_OF_FILES.items():
        required = "" if file == OPTIONAL_FILE else f"set it with `{command}.{key} < {file}`"
        texts[file] = item.secret_text(key, required=required).strip()
    item.finish()
    if not all(texts[file] for file in FILES):
        return None
    # The end of the last line may be lost on the way; where files are joined it is missed.
    return cacerts_of_files({file: f"{text}\n" if text else "" for file, text in texts.items()})


def _checked(
    cacerts: dict[str, CaCerts[str]],
    links: Sequence[tuple[str, str]],
    now: datetime,
    report: Report,
) -> dict[str, CaCerts[str]]:
    """Return the cluster CAs as they are, having noted what istiod or a peer would refuse."""
    for name, ca in cacerts.items():
        for fault in certificates.faults(ca, now, path_length=True):
            report(name, *fault)
    roots = {name: _roots_of(ca) for name, ca in cacerts.items()}
    for first, second in links:
        if roots.get(first) and roots.get(second) and roots[first] != roots[second]:
            what = f"differs from that of {first!r}, to which {second!r} is linked"
            report(second, "root-cert.pem", what, "linked clusters need one root of trust")
    keys = [(name, key) for name, ca in cacerts.items() if (key := _key_of(ca))]
    for name, key in duplicates(keys, lambda pair: pair[1]):
        owner = next(other for other, its in keys if its == key)
        what = f"has the same key as that of {owner!r}, so each could pass for the other"
        report(name, "ca-cert.pem", what, "issue a CA with a key of its own for each cluster")
    return cacerts


def _roots_of(ca: CaCerts[str]) -> list[str]:
    """Return the fingerprints of the trusted roots, none when they cannot be read."""
    try:
        return certificates.fingerprints(ca.root_cert)
    except ValueError:
        return []


def _key_of(ca: CaCerts[str]) -> str:
    try:
        return certificates.key_fingerprint(ca.ca_cert)
    except ValueError:
        return ""
