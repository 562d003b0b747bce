"""The stack file of the lab, as settings for a stack in another directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[2] / "Pulumi.dev.yaml"


def settings() -> dict[str, Any]:
    """Return what Pulumi.dev.yaml sets, by key, but for paths: charts are those of the cache.

    The kubeconfig is left to `Stack`.
    """
    from tools import assets

    config = yaml.safe_load(FILE.read_text())["config"]
    found = {key.partition(":")[2]: value for key, value in config.items()}
    del found["kubeconfig"]
    found["istio"] = {**found["istio"], "repository": str(assets.charts())}
    return found
