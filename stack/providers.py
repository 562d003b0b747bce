"""The Kubernetes providers: one per context, all made here."""

from __future__ import annotations

import pulumi_kubernetes as k8s
from pulumi import Input


def make(name: str, kubeconfig: str | None, context: Input[str]) -> k8s.Provider:
    """Make the provider of one cluster.

    Args:
        name: the cluster's name, by which Pulumi knows the cluster from now on: another context or
            kubeconfig for the same name is the same cluster, and nothing is replaced.
        kubeconfig: path of the kubeconfig; None: KUBECONFIG, then the default file.
        context: the cluster's context.
    """
    return k8s.Provider(
        name,
        kubeconfig=kubeconfig,
        context=context,
        cluster_identifier=name,
        # A Secret or ConfigMap that changes is updated: replacing `cacerts` would leave a gap in
        # which an istiod that restarts signs with a root of its own.
        enable_secret_mutable=True,
        enable_config_map_mutable=True,
        kube_client_settings={"burst": 240, "qps": 120},
    )
