"""The services of the sample application Bookinfo, and how they are spread. Plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

NAMESPACE = "bookinfo"
PORT = 9080
"""Where every service listens."""
HTTP_PORT = 80
"""Where the ingress gateway of the frontend serves the page."""

FRONTEND, BACKEND = "frontend", "backend"
"""The two clusters: that of the page, and that of what it shows."""


@dataclass(frozen=True, slots=True)
class BookinfoService:
    """One service of Bookinfo."""

    name: str
    role: str
    """Which of the two clusters it is on."""
    versions: tuple[str, ...] = ("v1",)
    calls: tuple[str, ...] = ()
    """The services of the other cluster that it calls."""


SERVICES = (
    BookinfoService("productpage", FRONTEND, calls=("details", "reviews")),
    BookinfoService("ratings", FRONTEND),
    BookinfoService("details", BACKEND),
    BookinfoService("reviews", BACKEND, versions=("v1", "v2", "v3"), calls=("ratings",)),
)


def exposed_by(role: str) -> Iterator[str]:
    """Yield the services that one cluster has to expose, because the other calls them."""
    called = {name for service in SERVICES for name in service.calls}
    return (item.name for item in SERVICES if item.role == role and item.name in called)
