"""Istio's sample application, spread over two linked clusters so that calls go both ways (seed)."""

from __future__ import annotations

from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Output, ResourceOptions

from components import names
from components.cluster.istio_cluster import IstioCluster
from components.objects import SKIP_AWAIT, custom_resource
from components.samples.bookinfo_names import HTTP_PORT, NAMESPACE, PORT

PATHS = ("/productpage", "/static", "/login", "/logout", "/api/v1/products")


class BookinfoArgs(TypedDict):
    """Arguments of `Bookinfo`."""

    frontend: IstioCluster
    """The cluster of productpage and ratings; its ingress gateway serves the page."""
    backend: IstioCluster
    """The cluster of details and reviews v1, v2, v3."""
    hub: str
    """Registry and prefix of the official images `examples-bookinfo-*`."""
    tag: str
    """Their tag."""


class Bookinfo(pulumi.ComponentResource):
    """Bookinfo with productpage and ratings on one cluster, details and reviews on the other.

    productpage calls details and reviews across the link; reviews v2 and v3 call ratings back.
    """

    url: Output[str]
    """Address of the page on the frontend's ingress gateway."""

    def __init__(self, name: str, args: BookinfoArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("istio-multicluster:index:Bookinfo", name, None, opts)
        self._name = name
        self._args = args
        front, back = args["frontend"], args["backend"]
        for cluster in (front, back):
            self._namespace(cluster)

        def remote(service: str, cluster: IstioCluster) -> str:
            return names.service_host(service, NAMESPACE, cluster.cluster_name)

        page_env = {
            "DETAILS_HOSTNAME": remote("details", back),
            "REVIEWS_HOSTNAME": remote("reviews", back),
        }
        reviews_env = {"RATINGS_HOSTNAME": remote("ratings", front)}
        self._service(front, "productpage", ["v1"], page_env)
        self._service(front, "ratings", ["v1"], {})
        self._service(back, "details", ["v1"], {})
        self._service(back, "reviews", ["v1", "v2", "v3"], reviews_env)
        self._page(front)
        self.url = front.ingress_addresses.apply(_page_url)
        self.register_outputs({"url": self.url})

    def _options(self, cluster: IstioCluster, *depends_on: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(parent=self, provider=cluster.provider, depends_on=list(depends_on))

    def _namespace(self, cluster: IstioCluster) -> None:
        namespace = k8s.core.v1.Namespace(
            f"{self._name}-{cluster.cluster_name}-namespace",
            metadata={"name": NAMESPACE, "labels": {"istio-injection": "enabled"}},
            # Pods made before istiod is ready would stay without a sidecar.
            opts=self._options(cluster, cluster.control_plane),
        )
        self._namespaces = {**getattr(self, "_namespaces", {}), cluster.cluster_name: namespace}

    def _service(
        self, cluster: IstioCluster, service: str, versions: list[str], env: dict[str, str]
    ) -> None:
        """Make Service, ServiceAccount and one Deployment per version."""
        options = self._options(cluster, self._namespaces[cluster.cluster_name])
        account = f"bookinfo-{service}"
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
        for version in versions:
            image = f"examples-bookinfo-{service}-{version}:{self._args['tag']}"
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
                    f"{self._args['hub']}/{image}",
                    account,
                    # What reviews reports, as the official image does.
                    {**env, "CLUSTER_NAME": cluster.cluster_name},
                ),
                opts=options,
            )

    def _page(self, cluster: IstioCluster) -> None:
        """Make the Gateway and VirtualService of the page on the ingress gateway."""
        options = self._options(
            cluster, cluster.control_plane, self._namespaces[cluster.cluster_name]
        )
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
        custom_resource(f"{self._name}-gateway", "Gateway", metadata, gateway, options)
        custom_resource(f"{self._name}-page", "VirtualService", metadata, routes, options)


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
        "image_pull_policy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in sorted(env.items())],
        "ports": [{"container_port": PORT}],
        "readiness_probe": {"http_get": {"path": "/health", "port": PORT}},
        "volume_mounts": [{"name": "tmp", "mount_path": "/tmp"}],
    }
    return {
        "replicas": 1,
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "service_account_name": account,
                "containers": [container],
                "volumes": [{"name": "tmp", "empty_dir": {}}],
            },
        },
    }
