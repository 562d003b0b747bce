"""Cluster CAs by way of a stack of their own: only who has it needs the root cluster's kubeconfig.

That stack exports them as secrets; a stack with clusters reads those of its clusters, and goes on
as with certificates that the user brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi

from components.model import CaCerts, RootCa
from components.outputs import cacerts_from_output, cacerts_to_output
from config.problems import Problems
from config.settings import Settings
from stack.other_stacks import UnreadableStackError, outputs_of

OUTPUT = "cacerts"


def export(root_ca: RootCa, cacerts: Mapping[str, CaCerts[pulumi.Input[str]]]) -> None:
    """Export the cluster CAs of other stacks' clusters, if there are any; the keys are secrets."""
    if root_ca.clusters:
        pulumi.export(OUTPUT, {name: cacerts_to_output(cacerts[name]) for name in root_ca.clusters})


def with_cacerts(settings: Settings) -> Settings:
    """Return the settings with the cluster CAs that another stack issues, if that is configured.

    Raises:
        ConfigError: that stack cannot be read, or has no CA for some cluster.
    """
    stack = settings.root_stack
    if not stack:
        return settings
    problems, path = Problems(pulumi.get_project()), "rootCa.stack"
    issued: Mapping[str, Any] = {}
    try:
        outputs = outputs_of(stack)
    except UnreadableStackError as error:
        fix = "check the name, and that whoever runs this may read that stack"
        problems.add(path, f"{stack!r} cannot be read ({error})", fix)
    else:
        issued = (outputs or {}).get(OUTPUT) or {}
        for name in (name for name in settings.clusters if name not in issued):
            reason = f"has no {OUTPUT}.{name}" if outputs is not None else "does not exist"
            fix = (
                f"add {name} to its rootCa.clusters and run `pulumi up` there; its secrets have to "
                "be readable here, by the same passphrase or key"
            )
            problems.add(path, f"stack {stack!r} {reason}", fix)
    problems.raise_if_any()
    clusters = {
        name: replace(cluster, cacerts=cacerts_from_output(issued[name]))
        for name, cluster in settings.clusters.items()
    }
    return replace(settings, clusters=clusters)
