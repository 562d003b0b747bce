"""`istio`: which Istio is installed, and the user's Helm values for it."""

from __future__ import annotations

from components.model import Istio
from config.reader import Section


def parse_istio(section: Section) -> Istio:
    """Read `istio`."""
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
