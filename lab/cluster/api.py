"""A cluster's API server as the host reaches it."""

import ssl
from typing import Any

import httpx

from lab.cluster.pki import DIR
from lab.instance import Cluster


def address(cluster: Cluster) -> str:
    """The API server's URL on the host."""
    return f"https://127.0.0.1:{cluster.api_port}"


def tls(cluster: Cluster) -> ssl.SSLContext:
    """The administrator's certificate, and trust in this cluster's CA only."""
    pki = cluster.path(DIR)
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    return context


class Api:
    """Questions to the API server; what cannot be reached is not ready."""

    def __init__(self, cluster: Cluster, timeout: float = 5.0) -> None:
        self._client = httpx.Client(
            base_url=address(cluster), verify=tls(cluster), timeout=timeout, trust_env=False
        )

    def ready(self) -> bool:
        """Whether the API server says so itself."""
        return self._get("/readyz") is not None

    def node_ready(self, name: str) -> bool:
        """Whether the node exists and is Ready."""
        node = self._json(f"/api/v1/nodes/{name}")
        conditions = node.get("status", {}).get("conditions", [])
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    def deployment_ready(self, namespace: str, name: str) -> bool:
        """Whether all replicas of the newest version are ready."""
        found = self._json(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
        status = found.get("status", {})
        wanted = found.get("spec", {}).get("replicas", 1)
        current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
        updated = status.get("updatedReplicas") == wanted
        return bool(found and current and updated and status.get("readyReplicas") == wanted)

    def exists(self, path: str) -> bool:
        """Whether there is an object at this path."""
        return self._get(path) is not None

    def _json(self, path: str) -> dict[str, Any]:
        response = self._get(path)
        return dict(response.json()) if response is not None else {}

    def _get(self, path: str) -> httpx.Response | None:
        try:
            response = self._client.get(path)
        except httpx.HTTPError:
            return None
        return response if response.is_success else None
