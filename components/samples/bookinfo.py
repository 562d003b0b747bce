"""Istio's sample application, spread over two linked clusters so that calls go both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Output, ResourceOptions

from components import names
from components.cluster.istio_cluster import IstioCluster
from components.objects import SKIP_AWAIT, Component
from components.ownership import claim
from components.samples.bookinfo_services import (
    FRONTEND,
    HTTP_PORT,
    NAMESPACE,
    PORT,
    SERVICES,
    BookinfoService,
)

PATHS = ("/productpage", "/static", "/login", "/logout", "/api/v1/products")


@dataclass(frozen=True, slots=True)
class BookinfoArgs:
    """Arguments of `Bookinfo`."""

    frontend: IstioCluster
    """The cluster of productpage and ratings; its ingress gateway serves the page."""
    backend: IstioCluster
    """The cluster of details and reviews v1, v2, v3."""
    hub: str
    """Registry and prefix of the official images `examples-bookinfo-*`."""
    tag: str
    """Their tag."""


class Bookinfo(Component):
    """Bookinfo with productpage and ratings on one cluster, details and reviews on the other.

    productpage calls details and reviews across the link; reviews v2 and v3 call ratings back.
    """

    url: Output[str]
    """Address of the page on the frontend's ingress gateway."""

    def __init__(self, name: str, args: BookinfoArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("istio-multicluster:index:Bookinfo", name, None, opts)
        self._name = name
        self._args = args
        front, back = args.frontend, args.backend
        self._namespaces = {
            cluster.cluster_name: self._namespace(cluster) for cluster in (front, back)
        }
        for service in SERVICES:
            here, other = (front, back) if service.role == FRONTEND else (back, front)
            self._service(here, other, service)
        self._page(front)
        self.url = front.ingress_addresses.apply(_page_url)
        self.register_outputs({"url": self.url})

    def _on(self, cluster: IstioCluster, *depends_on: pulumi.Resource) -> ResourceOptions:
        return self.options(*depends_on, provider=cluster.provider)

    def _namespace(self, cluster: IstioCluster) -> pulumi.Resource:
        return claim.namespace(
            f"{self._name}-{cluster.cluster_name}-namespace",
            NAMESPACE,
            cluster.claim,
            # Pods made before istiod is ready would stay without a sidecar.
            self._on(cluster, cluster.control_plane),
            {"istio-injection": "enabled"},
        )

    def _service(self, cluster: IstioCluster, other: IstioCluster, wanted: BookinfoService) -> None:
        """Make Service, ServiceAccount and one Deployment per version."""
        service = wanted.name
        options = self._on(cluster, self._namespaces[cluster.cluster_name])
        account = f"bookinfo-{service}"
        env = {
            f"{called.upper()}_HOSTNAME": names.service_host(called, NAMESPACE, other.cluster_name)
            for called in wanted.calls
        }
        k8s.core.v1.ServiceAccount(
            f"{self._name}-{service}-account",
            metadata={"name": account, "namespace": NAMESPACE, "labels": {"account": service}},
            opts=options,
        )
        k8s.core.v1.Service(
            f"{self._name}-{service}",
            metadata={
                "name": service,
                "namespace": NAMESPACE,
                "labels": {"app": service},
                "annotations": SKIP_AWAIT,
            },
            spec={"ports": [{"port": PORT, "name": "http"}], "selector": {"app": service}},
            opts=options,
        )
        for version in wanted.versions:
            image = f"examples-bookinfo-{service}-{version}:{self._args.tag}"
            k8s.apps.v1.Deployment(
                f"{self._name}-{service}-{version}",
                metadata={
                    "name": f"{service}-{version}",
                    "namespace": NAMESPACE,
                    "labels": {"app": service, "version": version},
                },
                spec=deployment_spec(
                    service,
                    version,
                    f"{self._args.hub}/{image}",
                    account,
                    # What reviews reports, as the official image does.
                    {**env, "CLUSTER_NAME": cluster.cluster_name},
                ),
                opts=options,
            )

    def _page(self, cluster: IstioCluster) -> None:
        """Make the Gateway and VirtualService of the page on the ingress gateway."""
        after = cluster.control_plane, self._namespaces[cluster.cluster_name]
        metadata = {"name": "bookinfo", "namespace": NAMESPACE}
        port = {"number": HTTP_PORT, "name": "http", "protocol": "HTTP"}
        gateway: dict[str, Any] = {
            "selector": {"istio": "ingressgateway"},
            "servers": [{"port": port, "hosts": ["./*"]}],
        }
        destination = {
            "host": names.local_host("productpage", NAMESPACE),
            "port": {"number": PORT},
        }
        route = {
            "match": [{"uri": {"prefix": path}} for path in PATHS],
            "route": [{"destination": destination}],
        }
        routes = {"hosts": ["*"], "gateways": ["bookinfo"], "http": [route]}

        def put(kind: str, suffix: str, spec: Mapping[str, Any]) -> None:
            name = f"{self._name}-{suffix}"
            self.put(kind, name, metadata, spec, *after, provider=cluster.provider)

        put("Gateway", "gateway", gateway)
        put("VirtualService", "page", routes)


def _page_url(addresses: list[str]) -> str:
    host = addresses[0] if addresses else "pending"
    return f"http://{f'[{host}]' if ':' in host else host}/productpage"


def deployment_spec(
    service: str, version: str, image: str, account: str, env: dict[str, str]
) -> dict[str, Any]:
    """Return the spec of one version of a Bookinfo service."""
    labels = {"app": service, "version": version}
    container = {
        "name": service,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in sorted(env.items())],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": account,
                "containers": [container],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        },
    }
