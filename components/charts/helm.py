"""Where Helm charts are found, and how layers of their values come together. Pure functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]


def merge(*layers: Mapping[str, Any]) -> Values:
    """Merge mappings deeply; where two disagree the later one wins."""
    merged: Values = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(old, Mapping) and isinstance(value, Mapping)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def location(repository: str, chart: str, version: str) -> Values:
    """Return the arguments that make a Helm Release or Chart find a chart.

    Args:
        repository: an `https://` repository, an `oci://` prefix, or a directory of charts.
        chart: the published name of the chart.
        version: its version; a chart in a directory is taken as it is.
    """
    if repository.startswith("oci://"):
        return {"chart": f"{repository}/{chart}", "version": version}
    if "://" in repository:
        return {"chart": chart, "version": version, "repository_opts": {"repo": repository}}
    return {"chart": f"{repository}/{chart}"}


def digest(*parts: Any) -> str:
    """Return what tells one installation from another, fit for a label."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
