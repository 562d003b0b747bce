"""The configuration of the sample application, checked against the clusters it is spread over."""

from __future__ import annotations

from collections.abc import Mapping

from components.samples.bookinfo_services import HTTP_PORT, NAMESPACE, PORT, exposed_by
from config.reader import Section
from config.settings import Bookinfo, Cluster


def parse_bookinfo(section: Section, clusters: Mapping[str, Cluster]) -> Bookinfo | None:
    """Read the `bookinfo` section; None when it is empty.

    Mistakes go into the section's problems.
    """
    if not section.keys():
        return None
    bookinfo = Bookinfo(
        frontend=section.text("frontend", required="name the cluster of productpage and ratings"),
        backend=section.text("backend", required="name the cluster of details and reviews"),
        hub=section.text("hub", "registry.istio.io/release"),
        tag=section.text("tag", "1.20.3"),
    )
    section.finish()
    if bookinfo.frontend and bookinfo.frontend == bookinfo.backend:
        section.bad("backend", f"{bookinfo.backend!r} is the frontend, too", "name another cluster")
        return bookinfo
    _check(section, "frontend", bookinfo.frontend, bookinfo.backend, clusters)
    _check(section, "backend", bookinfo.backend, bookinfo.frontend, clusters)
    frontend = clusters.get(bookinfo.frontend)
    if frontend and HTTP_PORT not in frontend.http_ports:
        what = f"{frontend.name!r} has no port for the page on its ingress gateway"
        section.bad(
            "frontend", what, f"add {HTTP_PORT} to clusters.{frontend.name}.httpPorts", sure=False
        )
    if frontend and frontend.ingress.node_port:
        what = f"{frontend.name!r} has no address with port {HTTP_PORT}: its ingress is a NodePort"
        section.bad("frontend", what, "name another cluster")
    return bookinfo


def _check(
    section: Section, role: str, name: str, other: str, clusters: Mapping[str, Cluster]
) -> None:
    """Check that one end is there, linked to the other, and exposes to it what it has to."""
    cluster = clusters.get(name)
    if cluster is None:
        if name:
            fix = f"use one of {', '.join(clusters)}"
            section.bad(role, f"there is no cluster {name!r}", fix, sure=False)
        return
    if other not in clusters:
        return
    if other not in cluster.linked:
        fix = f"add [{name}, {other}] to links"
        section.bad(role, f"{name!r} is not linked to {other!r}", fix, sure=False)
        return
    for service in exposed_by(role):
        entry = next(
            (
                exposed
                for exposed in cluster.exposes
                if (exposed.service, exposed.namespace, exposed.port) == (service, NAMESPACE, PORT)
            ),
            None,
        )
        what = f"{name!r} does not expose {service} to {other!r}"
        if entry is None:
            wanted = f"{{service: {service}, namespace: {NAMESPACE}, port: {PORT}}}"
            section.bad(role, what, f"add {wanted} to clusters.{name}.exposes", sure=False)
        elif other not in entry.allow:
            section.bad(role, what, f"add {other} to its `allow` in clusters.{name}.exposes")
