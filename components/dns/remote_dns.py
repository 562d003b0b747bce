"""The seed's CoreDNS: answers names of linked zones with an address that no packet ever reaches."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

from components import names
from components.dns import corefile
from components.dns.cluster_dns import ClusterDns, ClusterDnsArgs
from components.dns.platforms import LAYOUTS
from components.kubectl import Access
from components.objects import SKIP_AWAIT

NAME = "core-dns"
SELECTOR = {"app": "core-dns"}
COREFILE_ANNOTATION = "istio-multicluster/corefile"
LABELS = {**SELECTOR, "app.kubernetes.io/name": "CoreDNS"}


class RemoteDnsArgs(TypedDict):
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


class RemoteDns(pulumi.ComponentResource):
    """CoreDNS for the linked zones of one cluster, and the edit that sends them there.

    Makes in `istio-system`: ServiceAccount, ClusterRole and binding (read-only, and not named
    `system:coredns`, which kubeadm's own DNS owns), the ConfigMap with the Corefile, Deployment and
    Service `core-dns`, and with more than one pod a PodDisruptionBudget. Needs the namespace to be
    there: pass what makes it in `zones`.
    """

    def __init__(
        self,
        name: str,
        args: RemoteDnsArgs,
        provider: k8s.Provider,
        opts: ResourceOptions | None = None,
    ) -> None:
        opts = ResourceOptions.merge(opts, ResourceOptions(providers=[provider]))
        super().__init__("istio-multicluster:index:RemoteDns", name, None, opts)
        self._name = name
        self._provider = provider
        # The ConfigMaps of the zones are there before the pods: kubelet looks for a missing
        # optional one again only after a minute.
        zones = list(args["zones"].values())
        account = self._service_account(zones)
        config = k8s.core.v1.ConfigMap(
            f"{name}-config",
            metadata=_metadata(),
            data={"Corefile": corefile.server_config()},
            opts=self._options(*zones),
        )
        if args["replicas"] > 1:
            k8s.policy.v1.PodDisruptionBudget(
                f"{name}-disruption",
                metadata=_metadata(),
                spec={"max_unavailable": 1, "selector": {"match_labels": SELECTOR}},
                opts=self._options(*zones),
            )
        deployment = k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=_metadata(),
            spec=deployment_spec(args["image"], args["replicas"], sorted(args["zones"])),
            opts=self._options(account, config),
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
            opts=self._options(*zones),
        )
        if args["mode"] in LAYOUTS:
            ClusterDns(
                f"{name}-cluster-dns",
                ClusterDnsArgs(args["mode"], service.spec.cluster_ip, args["access"]),
                # Only once ours answers, or names of linked zones would time out.
                ResourceOptions(parent=self, depends_on=[deployment]),
            )
        self.register_outputs({})

    def _options(self, *depends_on: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(parent=self, provider=self._provider, depends_on=list(depends_on))

    def _service_account(self, after: list[pulumi.Resource]) -> pulumi.Resource:
        """Make the ServiceAccount and its right to read what the `kubernetes` plugin serves."""
        account = k8s.core.v1.ServiceAccount(
            f"{self._name}-account", metadata=_metadata(), opts=self._options(*after)
        )
        role = k8s.rbac.v1.ClusterRole(
            f"{self._name}-role",
            metadata={"name": f"istio-multicluster:{NAME}", "labels": LABELS},
            rules=[
                {
                    "api_groups": [""],
                    "resources": ["services", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "api_groups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
            opts=self._options(),
        )
        return k8s.rbac.v1.ClusterRoleBinding(
            f"{self._name}-role-binding",
            metadata={"name": f"istio-multicluster:{NAME}", "labels": LABELS},
            role_ref={
                "api_group": "rbac.authorization.k8s.io",
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
            opts=self._options(),
        )


def _metadata(**further: Any) -> dict[str, Any]:
    return {"name": NAME, "namespace": names.SYSTEM_NAMESPACE, "labels": LABELS, **further}


def _corefile_hash() -> str:
    return hashlib.sha256(corefile.server_config().encode()).hexdigest()[:16]


def service_spec() -> dict[str, Any]:
    """Return the spec of the Service: port 53, in front of a port that needs no privilege."""
    return {
        "selector": SELECTOR,
        "ip_family_policy": "PreferDualStack",
        "ports": [
            {"name": "dns", "port": 53, "target_port": corefile.PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "target_port": corefile.PORT, "protocol": "TCP"},
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
            {"name": "dns", "container_port": corefile.PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "container_port": corefile.PORT, "protocol": "TCP"},
            {"name": "metrics", "container_port": 9153, "protocol": "TCP"},
        ],
        "liveness_probe": {"http_get": {"path": "/health", "port": 8080}, "failure_threshold": 5},
        "readiness_probe": {"http_get": {"path": "/ready", "port": 8181}, "period_seconds": 2},
        "resources": {
            "requests": {"cpu": "50m", "memory": "70Mi"},
            "limits": {"memory": "170Mi"},
        },
        "security_context": {
            "allow_privilege_escalation": False,
            "capabilities": {"drop": ["ALL"]},
            "read_only_root_filesystem": True,
            "run_as_non_root": True,
            "run_as_user": 65532,
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "volume_mounts": [
            {"name": "config", "mount_path": "/etc/coredns", "read_only": True},
            {"name": "zones", "mount_path": "/etc/coredns-zones", "read_only": True},
        ],
    }
    zone_sources = [
        {"config_map": {"name": corefile.zone_config_map(zone), "optional": True}} for zone in zones
    ]
    return {
        "replicas": replicas,
        # A pod more, never one less: no query fails while the pods are replaced.
        "strategy": {"rolling_update": {"max_unavailable": 0, "max_surge": 1}},
        "selector": {"match_labels": SELECTOR},
        "template": {
            # Another Corefile makes new pods, so that `up` sees whether CoreDNS takes it.
            "metadata": {"labels": LABELS, "annotations": {COREFILE_ANNOTATION: _corefile_hash()}},
            "spec": {
                "topology_spread_constraints": [
                    {
                        "topology_key": "kubernetes.io/hostname",
                        "max_skew": 1,
                        "when_unsatisfiable": "ScheduleAnyway",  # there may be one node only
                        "label_selector": {"match_labels": SELECTOR},
                    }
                ],
                # They answer for a while after they are told to end: `lameduck` in the Corefile.
                "termination_grace_period_seconds": corefile.LAMEDUCK_SECONDS + 20,
                "service_account_name": NAME,
                "containers": [container],
                # Upstream for other names is the node's resolver (seed); ClusterFirst would loop.
                "dns_policy": "Default",
                "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
                "volumes": [
                    {"name": "config", "config_map": {"name": NAME}},
                    {"name": "zones", "projected": {"sources": zone_sources}},
                ],
            },
        },
    }
