"""Our CoreDNS: answers names of linked zones with an address that no packet ever reaches."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

from components import names
from components.dns import corefile
from components.dns.cluster_dns import ClusterDns, ClusterDnsArgs
from components.dns.platforms import LAYOUTS
from components.kubectl import Access
from components.objects import SKIP_AWAIT, Component

NAME = "core-dns"
SELECTOR = {"app": "core-dns"}
COREFILE_ANNOTATION = "istio-multicluster/corefile"
LABELS = {**SELECTOR, "app.kubernetes.io/name": "CoreDNS"}


@dataclass(frozen=True, slots=True)
class RemoteDnsArgs:
    """Arguments of `RemoteDns`."""

    image: str
    """CoreDNS image."""
    replicas: int
    """Number of pods."""
    zones: Mapping[str, pulumi.Resource]
    """Name of each linked cluster to the ConfigMap that holds its zone (made by `ClusterLink`)."""
    mode: str
    """How the cluster's own DNS is told: a mode with a layout, or `none` to leave it alone."""
    access: Access
    """How kubectl reaches the cluster."""


class RemoteDns(Component):
    """CoreDNS for the linked zones of one cluster, and the edit that sends them there.

    Makes in `istio-system`: ServiceAccount, ClusterRole and binding (read-only, and not named
    `system:coredns`, which kubeadm's own DNS owns), the ConfigMap with the Corefile, Deployment and
    Service `core-dns`, and with more than one pod a PodDisruptionBudget. Needs the namespace to be
    there: pass what makes it in `zones`.
    """

    def __init__(self, name: str, args: RemoteDnsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("istio-multicluster:index:RemoteDns", name, None, opts)
        self._name = name
        # The ConfigMaps of the zones are there before the pods: kubelet looks for a missing
        # optional one again only after a minute.
        zones = list(args.zones.values())
        account = self._service_account(zones)
        config = k8s.core.v1.ConfigMap(
            f"{name}-config",
            metadata=_metadata(),
            data={"Corefile": corefile.server_config()},
            opts=self.options(*zones),
        )
        if args.replicas > 1:
            k8s.policy.v1.PodDisruptionBudget(
                f"{name}-disruption",
                metadata=_metadata(),
                spec={"maxUnavailable": 1, "selector": {"matchLabels": SELECTOR}},
                opts=self.options(*zones),
            )
        deployment = k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=_metadata(),
            spec=deployment_spec(args.image, args.replicas, sorted(args.zones)),
            opts=self.options(account, config),
        )
        service = k8s.core.v1.Service(
            f"{name}-service",
            metadata=_metadata(
                annotations={
                    "prometheus.io/scrape": "true",
                    "prometheus.io/port": "9153",
                    **SKIP_AWAIT,
                }
            ),
            spec=service_spec(),
            opts=self.options(*zones),
        )
        if args.mode in LAYOUTS:
            ClusterDns(
                f"{name}-cluster-dns",
                ClusterDnsArgs(args.mode, service.spec.cluster_ip, args.access),
                # Only once ours answers, or names of linked zones would time out.
                self.options(deployment),
            )
        self.register_outputs({})

    def _service_account(self, after: list[pulumi.Resource]) -> pulumi.Resource:
        """Make the ServiceAccount and its right to read what the `kubernetes` plugin serves."""
        account = k8s.core.v1.ServiceAccount(
            f"{self._name}-account", metadata=_metadata(), opts=self.options(*after)
        )
        role = k8s.rbac.v1.ClusterRole(
            f"{self._name}-role",
            metadata={"name": f"istio-multicluster:{NAME}", "labels": LABELS},
            rules=[
                {
                    "apiGroups": [""],
                    "resources": ["services", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
            opts=self.options(*after),
        )
        return k8s.rbac.v1.ClusterRoleBinding(
            f"{self._name}-role-binding",
            metadata={"name": f"istio-multicluster:{NAME}", "labels": LABELS},
            role_ref={
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role.metadata["name"],
            },
            subjects=[
                {
                    "kind": "ServiceAccount",
                    "name": account.metadata["name"],
                    "namespace": names.SYSTEM_NAMESPACE,
                }
            ],
            opts=self.options(),
        )


def _metadata(**fields: Any) -> dict[str, Any]:
    return {"name": NAME, "namespace": names.SYSTEM_NAMESPACE, "labels": LABELS, **fields}


def _corefile_hash() -> str:
    return hashlib.sha256(corefile.server_config().encode()).hexdigest()[:16]


def service_spec() -> dict[str, Any]:
    """Return the spec of the Service: port 53, in front of a port that needs no privilege."""
    return {
        "selector": SELECTOR,
        "ipFamilyPolicy": "PreferDualStack",
        "ports": [
            {"name": "dns", "port": 53, "targetPort": corefile.PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "targetPort": corefile.PORT, "protocol": "TCP"},
        ],
    }


def deployment_spec(image: str, replicas: int, zones: list[str]) -> dict[str, Any]:
    """Return the spec of the Deployment.

    Args:
        image: CoreDNS image.
        replicas: number of pods.
        zones: names of the linked clusters, sorted.
    """
    container = {
        "name": "coredns",
        "image": image,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": corefile.PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": corefile.PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
        ],
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "failureThreshold": 5},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "resources": {
            "requests": {"cpu": "50m", "memory": "70Mi"},
            "limits": {"memory": "170Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/coredns", "readOnly": True},
            {"name": "zones", "mountPath": "/etc/coredns-zones", "readOnly": True},
        ],
    }
    zone_sources = [
        {"configMap": {"name": corefile.zone_config_map(zone), "optional": True}} for zone in zones
    ]
    return {
        "replicas": replicas,
        # A pod more, never one less: no query fails while the pods are replaced.
        "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "selector": {"matchLabels": SELECTOR},
        "template": {
            # Another Corefile makes new pods, so that `up` sees whether CoreDNS takes it.
            "metadata": {"labels": LABELS, "annotations": {COREFILE_ANNOTATION: _corefile_hash()}},
            "spec": {
                "topologySpreadConstraints": [
                    {
                        "topologyKey": "kubernetes.io/hostname",
                        "maxSkew": 1,
                        "whenUnsatisfiable": "ScheduleAnyway",  # there may be one node only
                        "labelSelector": {"matchLabels": SELECTOR},
                    }
                ],
                # They answer for a while after they are told to end: `lameduck` in the Corefile.
                "terminationGracePeriodSeconds": corefile.LAMEDUCK_SECONDS + 20,
                "serviceAccountName": NAME,
                "containers": [container],
                # Upstream for other names is the node's resolver; ClusterFirst would loop.
                "dnsPolicy": "Default",
                "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
                "volumes": [
                    {"name": "config", "configMap": {"name": NAME}},
                    {"name": "zones", "projected": {"sources": zone_sources}},
                ],
            },
        },
    }
