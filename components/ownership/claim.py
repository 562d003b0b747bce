"""What makes a cluster a stack's: its namespaces bear the stack's ID, and the mark its name."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

from components import names
from components.objects import Component
from components.ownership.cluster_mark import ClusterMark, ClusterMarkArgs
from components.ownership.look import OWNER_LABEL


@dataclass(frozen=True, slots=True)
class Claim:
    """What makes a cluster a stack's."""

    mark: ClusterMarkArgs
    """Its mark."""
    strange: Set[str]
    """Namespaces that somebody else made: they are used, and neither changed nor deleted."""


def namespace(
    resource_name: str,
    name: str,
    claim: Claim,
    options: ResourceOptions,
    labels: Mapping[str, str] = names.RESTRICTED_PODS,
) -> k8s.core.v1.Namespace:
    """Register a namespace of the stack.

    Args:
        resource_name: its Pulumi name.
        name: its name.
        claim: whose it is.
        options: those of the resource.
        labels: its labels, but for the stack's ID.
    """
    if name in claim.strange:
        options = ResourceOptions.merge(options, ResourceOptions(retain_on_delete=True))
        return k8s.core.v1.Namespace(resource_name, metadata={"name": name}, opts=options)
    metadata = {"name": name, "labels": {**labels, OWNER_LABEL: claim.mark.stack_id}}
    return k8s.core.v1.Namespace(resource_name, metadata=metadata, opts=options)


def mark(
    parent: Component, resource_name: str, claim: Claim, place: k8s.core.v1.Namespace
) -> ClusterMark:
    """Register the mark.

    Args:
        parent: the component that it belongs to.
        resource_name: its Pulumi name.
        claim: whose the cluster is.
        place: the namespace where it is.
    """
    return ClusterMark(resource_name, claim.mark, parent.options(place))
