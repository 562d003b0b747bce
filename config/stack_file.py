"""The stack's configuration: typed, checked as a whole, free of Pulumi resources.

`load()` reads the `istio-multicluster:` keys of the stack file, the kubeconfig and, where the user
brings certificates, their files. All mistakes are reported together as one `ConfigError`. Values
that the stack file keeps encrypted arrive in plain text here; no message quotes them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi

from components import names
from components.dns import platforms
from components.model import CaCerts, Istio, RootCa
from config.addresses import assign_addresses
from config.bookinfo import parse_bookinfo
from config.exposes import parse_exposes
from config.global_services import check_global_services, parse_locality
from config.ingress import check_ingresses, parse_ingress
from config.kubeconfig import Kubeconfig, KubeconfigError
from config.peers import parse_peers, parse_removed
from config.ports import parse_port
from config.reader import DNS_LABEL, Problems, Section, duplicates
from config.remote_dns import parse_remote_dns
from config.root_ca import parse_root_ca
from config.settings import Cluster, Settings

PROJECT = "istio-multicluster"
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


class ConfigError(pulumi.RunError):
    """Everything that is wrong with the configuration; Pulumi shows it without a traceback."""

    def __init__(self, messages: list[str]) -> None:
        count = f"{len(messages)} mistake{'s' if len(messages) > 1 else ''}"
        lines = "\n".join(f"  - {PROJECT}:{message}" for message in messages)
        super().__init__(f"{count} in the configuration of this stack:\n{lines}")
        self.messages = messages


def load(config: pulumi.Config, directory: Path) -> Settings:
    """Read and check the configuration of the current stack.

    Args:
        config: the project's configuration bag.
        directory: the project's directory, which relative paths in it start from.

    Raises:
        ConfigError: with every mistake found.
    """
    raw = {key: _value(config, key) for key in KEYS}
    unknown = _unknown_keys()
    return parse({**raw, **dict.fromkeys(unknown, True)}, directory, os.environ)


def _value(config: pulumi.Config, key: str) -> Any:
    """Return a key's structure, or its text where it is none."""
    try:
        return config.get_object(key)
    except pulumi.ConfigTypeError:
        return config.get(key)


def _unknown_keys() -> list[str]:
    """Return the keys of our namespace that the stack file has and the program does not know."""
    prefix = f"{PROJECT}:"
    present = (key.removeprefix(prefix) for key in _all_config() if key.startswith(prefix))
    return sorted(key for key in present if key not in KEYS)


def _all_config() -> Mapping[str, Any]:
    # pulumi.Config reads single keys only; this is the bag that the language host fills.
    from pulumi.runtime.config import CONFIG

    return CONFIG.get()


def parse(raw: Mapping[str, Any], directory: Path, environ: Mapping[str, str]) -> Settings:
    """Turn the raw values of the `istio-multicluster:` keys into checked settings.

    Args:
        raw: key (without the namespace) to value.
        directory: the directory that relative paths start from.
        environ: environment variables (`KUBECONFIG`, `HOME`).

    Raises:
        ConfigError: with every mistake found.
    """
    problems = Problems()
    top = Section(raw, "", problems)
    kubeconfig = _kubeconfig(top, directory, environ, problems)
    root_ca_only = "clusters" in (raw.get("rootCa") or ())
    sections = _cluster_sections(top, required=not root_ca_only)
    peers = parse_peers(top.section("peers"), sections)
    links = _links(top.take("links"), sorted(sections), sorted(peers), problems)
    removed = parse_removed(top, sections)
    root_ca = parse_root_ca(
        top.section("rootCa"), sorted(sections), links, kubeconfig, directory, datetime.now(UTC)
    )
    clusters = {
        name: _cluster(name, section, links, kubeconfig, root_ca.cacerts.get(name))
        for name, section in sorted(sections.items())
    }
    caller_identity = top.flag("callerIdentity")
    istio = _istio(top.section("istio"))
    remote_dns = parse_remote_dns(top.section("remoteDns"))
    bookinfo = parse_bookinfo(top.section("bookinfo"), clusters)
    top.finish()
    _check_across(clusters, problems)
    check_ingresses(clusters, problems)
    check_global_services(clusters, problems)
    _check_root_cluster(clusters, root_ca.root_ca, problems)
    clusters = assign_addresses(clusters, remote_dns, problems)
    if problems.messages:
        raise ConfigError(problems.messages)
    return Settings(
        kubeconfig=kubeconfig.path,
        clusters=clusters,
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


def _kubeconfig(
    top: Section, directory: Path, environ: Mapping[str, str], problems: Problems
) -> Kubeconfig:
    path = top.text("kubeconfig")
    try:
        return Kubeconfig.read(path, directory, environ)
    except KubeconfigError as error:
        problems.add("kubeconfig", str(error), "name one readable kubeconfig file")
        return Kubeconfig(path or None, None)


def _cluster_sections(top: Section, *, required: bool) -> dict[str, Section]:
    section = top.section("clusters")
    written = section.keys()
    if not written and required:
        top.bad("clusters", "is empty", "name at least one cluster, each with its kube `context`")
    for name in written:
        if not DNS_LABEL.fullmatch(name):
            section.bad(
                name,
                f"{name!r} is not a legal cluster name",
                "it becomes part of host names: use at most 63 lower-case letters, digits and '-'",
            )
    for name in duplicates(written, str.lower):
        section.bad(name, "differs from another cluster's name in case only", "rename one of them")
    return {name: section.section(name) for name in written}


def _links(
    value: Any, clusters: list[str], peers: list[str], problems: Problems
) -> tuple[tuple[str, str], ...]:
    if value is None or value == "all":
        # What clusters of other stacks are linked to among themselves is theirs to say.
        abroad = [(first, second) for first in clusters for second in peers]
        pairs = [*itertools.combinations(clusters, 2), *abroad]
        return tuple(sorted((min(pair), max(pair)) for pair in pairs))
    if not isinstance(value, list):
        problems.add(
            "links", f"{value!r} is not valid", "write `all` or a list of pairs `- [a, b]`"
        )
        return ()
    links = []
    for index, pair in enumerate(value):
        path = f"links[{index}]"
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(p, str) for p in pair)
        ):
            problems.add(path, f"{pair!r} is not a pair", "name two clusters: `- [a, b]`")
            continue
        both = [*clusters, *peers]
        for name in (name for name in dict.fromkeys(pair) if name not in both):
            known = ", ".join(both)
            problems.add(path, f"there is no cluster {name!r}", f"use two of: {known}")
        if all(name in peers for name in pair):
            what = f"links {pair[0]!r} and {pair[1]!r}, both of other stacks"
            problems.add(path, what, "name at least one of `clusters`")
        if pair[0] == pair[1]:
            problems.add(path, f"links {pair[0]!r} to itself", "name two different clusters")
        first, second = sorted(pair)
        if (first, second) in links:
            problems.add(path, f"{first!r} and {second!r} are linked already", "remove this line")
        links.append((first, second))
    return tuple(sorted(links))


def _cluster(
    name: str,
    section: Section,
    links: tuple[tuple[str, str], ...],
    kubeconfig: Kubeconfig,
    cacerts: CaCerts[str] | None,
) -> Cluster:
    peers = tuple(sorted({other for link in links if name in link for other in link} - {name}))
    link_port = parse_port(section, "linkPort", names.DEFAULT_LINK_PORT)
    cluster = Cluster(
        name=name,
        context=section.member(
            "context",
            kubeconfig.contexts,
            required="name a context of the kubeconfig",
            whole="the kubeconfig",
        ),
        trust_domain=section.text(
            "trustDomain",
            names.trust_domain(name),
            pattern=rf"{DNS_LABEL.pattern}(\.{DNS_LABEL.pattern})*",
            fix="use a lower-case DNS name",
        ),
        link_port=link_port,
        http_ports=_http_ports(section),
        dns=section.choice("dns", "coredns", platforms.MODES),
        replicas=section.integer("replicas", 1, low=1, high=100, noun="a number of replicas"),
        exposes=parse_exposes(section, peers),
        peers=peers,
        cacerts=cacerts,
        ingress=parse_ingress(section.section("ingress"), link_port),
        unreachable=section.flag("unreachable"),
        network_policy=tuple(
            sorted({*section.labels("networkPolicy", required="name a namespace")})
        ),
        locality=parse_locality(section) or None,
    )
    if cluster.link_port in cluster.http_ports:
        section.bad("httpPorts", f"{cluster.link_port} is the linkPort", "remove it here")
    section.finish()
    return cluster


def _http_ports(section: Section) -> tuple[int, ...]:
    numbered, keys = section.numbered("httpPorts")
    return tuple(sorted({parse_port(numbered, key) for key in keys}))


def _istio(section: Section) -> Istio:
    values = section.section("values")
    images = section.section("images")
    repository = section.text("repository", "https://istio-release.storage.googleapis.com/charts")
    istio = Istio(
        version=section.text("version", "1.31.0"),
        repository=repository,
        hub=section.text("hub") or None,
        istiod_image=_image(images, "istiod") or None,
        proxy_image=_image(images, "proxy") or None,
        base_values=values.mapping("base"),
        istiod_values=values.mapping("istiod"),
        gateway_values=values.mapping("gateway"),
    )
    values.finish()
    images.finish()
    section.finish()
    return istio


def _image(section: Section, key: str) -> str:
    """Read a whole image reference: the charts take one with a slash in it as it is."""
    fix = "give a whole reference, e.g. registry.example.com/istio/pilot@sha256:…"
    return section.text(key, pattern=r"[^/\s]+(/[^/\s]+)+", fix=fix)


def _check_across(clusters: Mapping[str, Cluster], problems: Problems) -> None:
    """Check what only a look at all clusters together can tell."""
    for cluster in duplicates(clusters.values(), lambda c: c.trust_domain):
        problems.add(
            f"clusters.{cluster.name}.trustDomain",
            f"{cluster.trust_domain!r} is another cluster's too",
            "give each cluster its own, or a workload of one passes for the other's",
        )
    for cluster in duplicates((c for c in clusters.values() if c.context), lambda c: c.context):
        problems.add(
            f"clusters.{cluster.name}.context",
            f"{cluster.context!r} is another cluster's too",
            "each cluster needs a context of its own",
        )


def _check_root_cluster(
    clusters: Mapping[str, Cluster], root_ca: RootCa | None, problems: Problems
) -> None:
    for cluster in clusters.values():
        if cluster.unreachable and root_ca and cluster.context == root_ca.context:
            problems.add(
                f"clusters.{cluster.name}.unreachable",
                "it is the root cluster too, and the cluster CAs are read from there",
                "wait until it is back",
            )
