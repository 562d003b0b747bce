"""`clusters`: each of them, and what only a look at all of them together can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components import names
from components.dns import platforms
from components.model import CaCerts, RootCa
from config.exposes import parse_exposes
from config.global_services import parse_locality
from config.ingress import parse_ingress
from config.kubeconfig import Kubeconfig
from config.links import Link
from config.ports import parse_port
from config.problems import Problems
from config.reader import DNS_LABEL, Section, duplicates
from config.settings import Cluster


def cluster_sections(top: Section, *, required: bool) -> dict[str, Section]:
    """Return the section of each cluster, by name.

    Args:
        top: the whole configuration.
        required: whether there has to be one.
    """
    section = top.section("clusters")
    written = section.keys()
    if not written and required:
        fix = "name at least one cluster, each with its kube `context`"
        top.bad("clusters", "is empty", fix, sure=False)
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


def parse_cluster(
    name: str,
    section: Section,
    links: Sequence[Link],
    kubeconfig: Kubeconfig,
    cacerts: CaCerts[str] | None,
) -> Cluster:
    """Read one cluster.

    Args:
        name: its name.
        section: its section.
        links: all links.
        kubeconfig: which contexts there are.
        cacerts: the cluster CA that the user brings for it; None: none.
    """
    linked = tuple(sorted({other for link in links if name in link for other in link} - {name}))
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
        exposes=parse_exposes(section, linked),
        linked=linked,
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


def check_clusters(clusters: Mapping[str, Cluster], problems: Problems) -> None:
    """Check that each cluster has a trust domain and a context of its own."""
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


def check_root_cluster(
    clusters: Mapping[str, Cluster], root_ca: RootCa | None, problems: Problems
) -> None:
    """Check that the root cluster is not one that is away."""
    for cluster in clusters.values():
        if cluster.unreachable and root_ca and cluster.context == root_ca.context:
            problems.add(
                f"clusters.{cluster.name}.unreachable",
                "it is the root cluster too, and the cluster CAs are read from there",
                "wait until it is back",
            )
