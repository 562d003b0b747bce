"""Certificates that the user brings: as files (`directory`), or in the stack file (`certificates`).

They are checked as istiod and the peers will, so that a preview tells what would otherwise be found
in logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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
from config.links import Link
from config.reader import Section, duplicates
from config.secret import Secret

ClusterCa = CaCerts[str]

KEYS_OF_FILES = {
    CA_CERT: "caCert",
    CA_KEY: "caKey",
    CERT_CHAIN: "certChain",
    ROOT_CERT: "rootCert",
    CA_CRL: "caCrl",
}
"""Files of Istio's Secret `cacerts`, and how they are called in the stack file."""

REQUIRED = tuple(file for file in KEYS_OF_FILES if file != CA_CRL)

Report = Callable[[str, str, str, str], None]
"""Note a mistake: name of the cluster, file, what is wrong with it, fix."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The clusters that need a CA."""

    clusters: Sequence[str]
    """Names of the stack's clusters."""
    links: Sequence[Link]
    directory: Path
    """The project's directory, which relative paths start from."""
    now: datetime
    """The time at which certificates have to be valid."""


def of_directory(section: Section, wanted: Wanted) -> dict[str, ClusterCa]:
    """Read the cluster CA of each cluster from files; mistakes go into the section's problems."""
    problems, place = section.problems, section.at("directory")
    path = section.text("directory", required=f"name one with {', '.join(REQUIRED)} per cluster")
    if not path or isinstance(path, Secret):
        return {}
    pki = (wanted.directory / Path(path).expanduser()).resolve()

    def report(name: str, file: str, what: str, fix: str) -> None:
        problems.add(place, f"{pki / name / file} {what}", fix)

    cacerts = {name: _files(name, pki / name, report) for name in wanted.clusters}
    return _checked({name: ca for name, ca in cacerts.items() if ca}, wanted, report)


def _files(name: str, folder: Path, report: Report) -> ClusterCa | None:
    texts = {}
    for file in KEYS_OF_FILES:
        try:
            texts[file] = (folder / file).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            if file == CA_CRL and isinstance(error, FileNotFoundError):
                texts[file] = ""
                continue
            # Not the exception's text: it quotes what it could not decode.
            reason = getattr(error, "strerror", None) or "it is not a PEM file"
            fix = f"rootCa.directory needs {', '.join(REQUIRED)} for each cluster"
            report(name, file, f"cannot be read ({reason})", fix)
    return cacerts_of_files(texts) if texts.keys() == KEYS_OF_FILES.keys() else None


def of_stack_file(section: Section, wanted: Wanted) -> dict[str, ClusterCa]:
    """Read the cluster CA of each cluster from the stack file; none of it gets into a message."""
    problems, path = section.problems, section.at("certificates")
    written = section.section("certificates", secret=True)

    def report(name: str, file: str, what: str, fix: str) -> None:
        problems.add(f"{path}.{name}.{KEYS_OF_FILES[file]}", what, fix)

    cacerts = {name: _written(name, written) for name in wanted.clusters}
    written.finish()
    return _checked({name: ca for name, ca in cacerts.items() if ca}, wanted, report)


def _written(name: str, section: Section) -> ClusterCa | None:
    key = f"{section.problems.project}:{section.at(name)}"
    command = f"pulumi config set --path --secret {key}"
    item = section.optional_section(name)
    if item is None:
        keys = ", ".join(KEYS_OF_FILES[file] for file in REQUIRED)
        section.missing(name, f"set {keys} with `{command}.KEY < FILE`")
        return None
    texts = {}
    for file, key in KEYS_OF_FILES.items():
        required = "" if file == CA_CRL else f"set it with `{command}.{key} < {file}`"
        texts[file] = _with_newline(item.secret_text(key, required=required))
    item.finish()
    if not all(texts[file] for file in REQUIRED):
        return None
    return cacerts_of_files(texts)


def _with_newline(text: str) -> str:
    """Return a text with the end of its last line, which may be lost on the way to the stack file.

    Where files are joined it would be missed.
    """
    if isinstance(text, Secret) or not text:
        return text
    return f"{text.strip()}\n"


def _checked(cacerts: dict[str, ClusterCa], wanted: Wanted, report: Report) -> dict[str, ClusterCa]:
    """Return the cluster CAs as they are, having noted what istiod or a peer would refuse.

    What is there as a `Secret` is not judged, and neither is what has to fit to it.
    """
    for name, ca in cacerts.items():
        if any(isinstance(text, Secret) for text in ca.files().values()):
            continue
        for fault in certificates.faults(ca, wanted.now, path_length=True):
            report(name, *fault)
    _check_roots(cacerts, wanted.links, report)
    _check_keys(cacerts, report)
    return cacerts


def _check_roots(cacerts: Mapping[str, ClusterCa], links: Sequence[Link], report: Report) -> None:
    """Check that linked clusters trust the same roots."""
    roots = {name: _roots_of(ca) for name, ca in cacerts.items()}
    for first, second in links:
        if roots.get(first) and roots.get(second) and roots[first] != roots[second]:
            what = f"differs from that of {first!r}, to which {second!r} is linked"
            report(second, ROOT_CERT, what, "linked clusters need one root of trust")


def _check_keys(cacerts: Mapping[str, ClusterCa], report: Report) -> None:
    """Check that each cluster CA has a key of its own."""
    keys = [(name, key) for name, ca in cacerts.items() if (key := _key_of(ca))]
    for name, key in duplicates(keys, lambda pair: pair[1]):
        owner = next(other for other, its in keys if its == key)
        what = f"has the same key as that of {owner!r}, so each could pass for the other"
        report(name, CA_CERT, what, "issue a CA with a key of its own for each cluster")


def _roots_of(ca: ClusterCa) -> list[str]:
    """Return the fingerprints of the trusted roots, none when they cannot be read."""
    try:
        return certificates.fingerprints(ca.root_cert)
    except ValueError:
        return []


def _key_of(ca: ClusterCa) -> str:
    try:
        return certificates.key_fingerprint(ca.ca_cert)
    except ValueError:
        return ""
