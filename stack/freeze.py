"""Clusters with `unreachable: true`: what the state has of them stays there as it is.

Pulumi's own options do it, for every resource of such a cluster, whoever registers it:
`ignore_changes` keeps its inputs, so that nothing is to be done; `retain_on_delete` lets it go from
the state without a word to the cluster once it is wanted no more. What it has answered before, the
address of its ingress gateway above all, its peers still use.

Nobody tries to reach it: its provider is given a kubeconfig without a cluster, and its dynamic
resources are told by `UNREACHABLE` among their properties.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

import pulumi
from pulumi import ResourceOptions, ResourceTransformationArgs, ResourceTransformationResult

from components.kubectl import UNREACHABLE
from config.settings import Cluster

KUBECONFIG = json.dumps({"apiVersion": "v1", "kind": "Config"})
"""With this the Kubernetes provider knows without a look that it reaches nothing."""


def leave_alone(clusters: Mapping[str, Cluster], silent: Container[str] = ()) -> None:
    """From now on leave all resources of the clusters that are away as they are.

    Args:
        clusters: all clusters, by name, which is that of their provider too.
        silent: names of those that do not answer now.
    """
    contexts = {
        name: cluster.context
        for name, cluster in clusters.items()
        if cluster.unreachable or name in silent
    }
    if not contexts:
        return
    refuse = _refuse_new()
    providers: list[pulumi.Resource] = []

    def transform(args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
        if isinstance(args.resource, pulumi.ProviderResource) and args.name in contexts:
            providers.append(args.resource)
            return ResourceTransformationResult({**args.props, "kubeconfig": KUBECONFIG}, args.opts)
        if not isinstance(args.resource, pulumi.CustomResource):
            return None
        if _provider(args) in providers:
            return ResourceTransformationResult(args.props, _left(args.opts, ["*"], refuse))
        if args.props and args.props.get("context") in contexts.values():
            ignored = [key for key in args.props if key != UNREACHABLE]
            props = {**args.props, UNREACHABLE: True}
            return ResourceTransformationResult(props, _left(args.opts, ignored, refuse))
        return None

    pulumi.runtime.register_stack_transformation(transform)


def _provider(args: ResourceTransformationArgs) -> pulumi.ProviderResource | None:
    """Return a resource's provider, its own or that of its parent."""
    if args.opts.provider or not args.opts.parent:
        return args.opts.provider
    return args.opts.parent.get_provider(args.type_)


def _left(opts: ResourceOptions, ignored: list[str], refuse: pulumi.ResourceHook) -> Any:
    return ResourceOptions.merge(
        opts,
        ResourceOptions(
            ignore_changes=ignored,
            retain_on_delete=True,
            hooks=pulumi.ResourceHookBinding(before_create=[refuse]),
        ),
    )


def _refuse_new() -> pulumi.ResourceHook:
    """Return what refuses to make a new object, in a preview too."""

    def refuse(args: pulumi.ResourceHookArgs) -> None:
        raise RuntimeError(
            f"{args.name} is new and would have to be made on a cluster with `unreachable: true`, "
            "or that does not answer; leave out of the configuration what is new for it (its new "
            "links, by writing `links` as a list; its new `exposes`) until it is back"
        )

    return pulumi.ResourceHook("unreachable", refuse, pulumi.ResourceHookOptions(on_dry_run=True))
