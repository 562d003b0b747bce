"""The stack's configuration as a whole: from raw values to checked settings.

All mistakes are told together, in one `ConfigError`. Values that the stack file keeps encrypted
arrive in plain text here, or as `Secret`; no message quotes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.addresses import assign_addresses
from config.bookinfo import parse_bookinfo
from config.cluster import check_clusters, check_root_cluster, cluster_sections, parse_cluster
from config.global_services import check_global_services
from config.ingress import check_ingresses
from config.istio import parse_istio
from config.kubeconfig import Kubeconfig, KubeconfigError
from config.links import parse_links, parse_peers, parse_removed
from config.own_certificates import Wanted
from config.problems import Problems
from config.reader import Section
from config.remote_dns import parse_remote_dns
from config.root_ca import parse_root_ca
from config.settings import Settings

KEYS = (
    "kubeconfig",
    "clusters",
    "peers",
    "links",
    "removed",
    "rootCa",
    "callerIdentity",
    "istio",
    "remoteDns",
    "bookinfo",
)


def parse(
    raw: Mapping[str, Any], directory: Path, environ: Mapping[str, str], project: str
) -> Settings:
    """Turn the raw values of the keys into checked settings.

    Args:
        raw: key (without the namespace) to value.
        directory: the directory that relative paths start from.
        environ: environment variables (`KUBECONFIG`, `HOME`).
        project: name of the Pulumi project, the keys' namespace.

    Raises:
        ConfigError: with every mistake found.
    """
    settings, problems = check(raw, directory, environ, project)
    problems.raise_if_any()
    return settings


def check(
    raw: Mapping[str, Any],
    directory: Path,
    environ: Mapping[str, str],
    project: str,
    *,
    complete: bool = True,
) -> tuple[Settings, Problems]:
    """Do what `parse` does, and return the mistakes.

    Args:
        raw: see `parse`.
        directory: see `parse`.
        environ: see `parse`.
        project: see `parse`.
        complete: false when there are values that are not in `raw`; then it is not known either
            which kubeconfig the program would use, unless one is named.

    Returns:
        The settings, with a default (or an empty text) where there is a mistake; and the mistakes.
    """
    problems = Problems(project)
    top = Section(raw, "", problems)
    kubeconfig = _kubeconfig(top, directory, environ, complete=complete)
    sections = cluster_sections(top, required=not _issues_only(raw))
    peers = parse_peers(top.section("peers"), sections)
    links = parse_links(top.take("links"), sorted(sections), sorted(peers), problems)
    removed = parse_removed(top, sections)
    wanted = Wanted(
        clusters=sorted(sections), links=links, directory=directory, now=datetime.now(UTC)
    )
    root_ca = parse_root_ca(top.section("rootCa"), wanted, kubeconfig)
    clusters = {
        name: parse_cluster(name, section, links, kubeconfig, root_ca.cacerts.get(name))
        for name, section in sorted(sections.items())
    }
    caller_identity = top.flag("callerIdentity")
    istio = parse_istio(top.section("istio"))
    remote_dns = parse_remote_dns(top.section("remoteDns"))
    bookinfo = parse_bookinfo(top.section("bookinfo"), clusters)
    top.finish()
    check_clusters(clusters, problems)
    check_ingresses(clusters, problems)
    check_global_services(clusters, problems)
    check_root_cluster(clusters, root_ca.root_ca, problems)
    settings = Settings(
        kubeconfig=kubeconfig.path,
        clusters=assign_addresses(clusters, remote_dns, problems),
        links=links,
        peers=peers,
        removed=removed,
        root_ca=root_ca.root_ca,
        root_stack=root_ca.stack,
        warn_days=root_ca.warn_days,
        caller_identity=caller_identity,
        istio=istio,
        remote_dns=remote_dns,
        bookinfo=bookinfo,
    )
    return settings, problems


def structure(text: str) -> Any:
    """Return what a value of the stack file stands for: Pulumi keeps each as a text.

    Args:
        text: JSON, or anything else, which is a text then.
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def _issues_only(raw: Mapping[str, Any]) -> bool:
    """Tell whether the stack issues the CAs of other stacks' clusters, and may have none itself."""
    root_ca = raw.get("rootCa")
    return isinstance(root_ca, Mapping) and "clusters" in root_ca


def _kubeconfig(
    top: Section, directory: Path, environ: Mapping[str, str], *, complete: bool
) -> Kubeconfig:
    path = top.text("kubeconfig")
    if not path and not complete:
        return Kubeconfig(None, None)
    try:
        return Kubeconfig.read(path, directory, environ)
    except KubeconfigError as error:
        top.bad("kubeconfig", str(error), "name one readable kubeconfig file")
        return Kubeconfig(path or None, None)
