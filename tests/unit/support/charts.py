"""What charts render, as far as the program looks at it: their objects, without what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.charts import crds

_VERSIONS = {
    "ConfigMap": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "Deployment": "apps/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "MutatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
}
_OF_THE_CLUSTER = (
    "ClusterRole",
    "ClusterRoleBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "CustomResourceDefinition",
)
_GATEWAY = {"Service": None, "Deployment": None}
_CHARTS: Mapping[str, Mapping[str, str | None]] = {
    "istio-base": {"ValidatingWebhookConfiguration": "istiod-default-validator"},
    "istiod": {
        "ConfigMap": "istio-sidecar-injector",
        "Service": "istiod",
        "ClusterRoleBinding": "istiod-clusterrole-istio-system",
        "ClusterRole": "istiod-clusterrole-istio-system",
        "RoleBinding": "istiod",
        "Role": "istiod",
        "MutatingWebhookConfiguration": "istio-sidecar-injector",
        "Deployment": "istiod",
    },
    "cert-manager": {
        "Deployment": "cert-manager",
        "ValidatingWebhookConfiguration": "cert-manager-webhook",
    },
    "istio-ingressgateway": _GATEWAY,
    "istio-egressgateway": _GATEWAY,
}
"""Release to the kinds of its objects, with their names; None: that of the release."""


def rendered(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of a chart.

    Args:
        options: those with which the program has it rendered.
    """
    release, namespace = options["release_name"], options["namespace"]
    objects = [_object(kind, name or release, namespace) for kind, name in _CHARTS[release].items()]
    return [*objects, *(_object("CustomResourceDefinition", n, "") for n in _crds(options))]


def _crds(options: Mapping[str, Any]) -> list[str]:
    values = options["values"]
    if options["release_name"] == "istio-base":
        return sorted(crds.ISTIO.names - {*values["base"]["excludedCRDs"]})
    if options["release_name"] == "cert-manager" and values["crds"]["enabled"]:
        return sorted(crds.CERT_MANAGER.names)
    return []


def _object(kind: str, name: str, namespace: str) -> dict[str, Any]:
    where = {} if kind in _OF_THE_CLUSTER else {"namespace": namespace}
    item: dict[str, Any] = {
        "apiVersion": _VERSIONS[kind],
        "kind": kind,
        "metadata": {"name": name, **where},
    }
    if "Webhook" in kind:
        hook = {"name": "h", "failurePolicy": "Ignore", "clientConfig": {"service": {"name": "s"}}}
        return {**item, "webhooks": [hook]}
    return {**item, "spec": {}}
