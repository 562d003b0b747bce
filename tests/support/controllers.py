"""What controllers would write on an API server without nodes, so that nobody waits for pods.

Each Deployment gets a ReplicaSet with all its pods ready, each Service an endpoint, and one of type
LoadBalancer an address; webhooks get a CA, and let all pass; what is deleted goes.
Whatever is wanted is there at once: what is measured so is without pods.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from typing import Any

from tests.support.apiservers import ApiServer, RefusedError

INTERVAL_SECONDS = 1.0
REVISION = "deployment.kubernetes.io/revision"
PATCH = "merge-patch+json"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
VALIDATING = "validatingwebhookconfigurations"
WEBHOOKS = ("mutatingwebhookconfigurations", VALIDATING)
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
COLLECTED = (
    "/api/v1/namespaces",
    *(f"/api/v1/{kind}" for kind in ("services", "serviceaccounts", "configmaps", "secrets")),
    *(f"/apis/apps/v1/{kind}" for kind in ("deployments", "replicasets")),
    *(f"{_RBAC}/{kind}" for kind in ("roles", "rolebindings")),
    *(f"{_RBAC}/{kind}" for kind in ("clusterroles", "clusterrolebindings")),
    "/apis/autoscaling/v2/horizontalpodautoscalers",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/networking.k8s.io/v1/networkpolicies",
    *(f"{ADMISSION}/{kind}" for kind in WEBHOOKS),
    *(
        f"/apis/networking.istio.io/v1/{kind}"
        for kind in ("gateways", "virtualservices", "serviceentries", "destinationrules")
    ),
    *(
        f"/apis/security.istio.io/v1/{kind}"
        for kind in ("authorizationpolicies", "peerauthentications")
    ),
)
"""What Pulumi deletes in the foreground, for which a garbage collector has to be there."""
CA_BUNDLE = base64.b64encode(b"nobody").decode()


class Controllers:
    """A thread that looks at each of some clusters again and again; `with` ends it."""

    def __init__(self, clusters: dict[str, ApiServer]) -> None:
        self._clusters = clusters
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.paused = False
        """Set to leave the clusters alone, e.g. while something is measured."""
        self.last_error = ""

    def __enter__(self) -> Controllers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(INTERVAL_SECONDS):
            for number, cluster in enumerate([] if self.paused else [*self._clusters.values()]):
                try:
                    reconcile(cluster, f"192.0.2.{number + 1}")
                except OSError as error:  # it is away, or the object has changed meanwhile
                    self.last_error = f"{cluster.name}: {error}"


def reconcile(cluster: ApiServer, address: str) -> None:
    """Write what is missing; `address` is that of the ingress gateway."""
    deployments = cluster.items("/apis/apps/v1/deployments")
    owners = {deployment["metadata"]["uid"] for deployment in deployments}
    for replica_set in cluster.items("/apis/apps/v1/replicasets"):
        metadata = replica_set["metadata"]
        if metadata["ownerReferences"][0]["uid"] not in owners:
            at = f"/apis/apps/v1/namespaces/{metadata['namespace']}/replicasets"
            cluster.call("DELETE", f"{at}/{metadata['name']}")
    for deployment in deployments:
        if deployment.get("status", {}).get("observedGeneration") != _generation(deployment):
            _roll_out(cluster, deployment)
    for service in cluster.items("/api/v1/services"):
        name, namespace = (service["metadata"][key] for key in ("name", "namespace"))
        balanced = service["spec"].get("type") == "LoadBalancer"
        if balanced and not service.get("status", {}).get("loadBalancer"):
            _endpoint(cluster, service, address)
            status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
            at = f"/api/v1/namespaces/{namespace}/services/{name}/status"
            cluster.call("PATCH", at, status, PATCH)
    for kind in WEBHOOKS:
        for item in cluster.items(f"{ADMISSION}/{kind}"):
            if not all(hook["clientConfig"].get("caBundle") for hook in item["webhooks"]):
                _complete(cluster, f"{ADMISSION}/{kind}/{item['metadata']['name']}", item)
    for path in COLLECTED:
        for item in _items(cluster, path):
            if "deletionTimestamp" in item["metadata"]:
                _collect(cluster, path, item["metadata"])
    for namespace in cluster.items("/api/v1/namespaces"):
        if "deletionTimestamp" in namespace["metadata"]:
            at = f"/api/v1/namespaces/{namespace['metadata']['name']}/finalize"
            cluster.call("PUT", at, {**namespace, "spec": {"finalizers": []}})


def _complete(cluster: ApiServer, path: str, configuration: dict[str, Any]) -> None:
    """Write what istiod writes into its webhooks; nobody answers here, so all is let pass."""
    policy = {"failurePolicy": "Ignore"} if VALIDATING in path else {}
    hooks = [
        {**hook, **policy, "clientConfig": {**hook["clientConfig"], "caBundle": CA_BUNDLE}}
        for hook in configuration["webhooks"]
    ]
    cluster.call("PUT", path, {**configuration, "webhooks": hooks})


def _items(cluster: ApiServer, path: str) -> list[dict[str, Any]]:
    try:
        return cluster.items(path)
    except RefusedError:  # a kind that is not there yet
        return []


def _collect(cluster: ApiServer, path: str, metadata: dict[str, Any]) -> None:
    """Let go what waits for its dependents to be deleted: there are none."""
    prefix, _, plural = path.rpartition("/")
    where = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    at = f"{prefix}{where}/{plural}/{metadata['name']}"
    cluster.call("PATCH", at, {"metadata": {"finalizers": None}}, PATCH)


def _generation(deployment: dict[str, Any]) -> int:
    return int(deployment["metadata"]["generation"])


def _endpoint(cluster: ApiServer, service: dict[str, Any], address: str) -> None:
    """Write the endpoint that a pod behind a Service would be."""
    name, namespace = (service["metadata"][key] for key in ("name", "namespace"))
    ports = [{"name": p["name"], "port": p["port"]} for p in service["spec"]["ports"]]
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name, "namespace": namespace},
        "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
    }
    _create(cluster, f"/api/v1/namespaces/{namespace}/endpoints", endpoints)


def _roll_out(cluster: ApiServer, deployment: dict[str, Any]) -> None:
    """Write the ReplicaSet of a Deployment, ready, and the status of both."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    at = f"/apis/apps/v1/namespaces/{metadata['namespace']}"
    text = json.dumps(spec["template"], sort_keys=True).encode()
    name = f"{metadata['name']}-{hashlib.sha256(text).hexdigest()[:10]}"
    mine = {
        item["metadata"]["name"]: item["metadata"]["annotations"][REVISION]
        for item in cluster.items(f"{at}/replicasets")
        if item["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]
    }
    revision = mine.get(name) or str(len(mine) + 1)
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": spec["template"]["metadata"]["labels"],
            "annotations": {REVISION: revision},
            "ownerReferences": [owner],
        },
        "spec": {key: spec[key] for key in ("replicas", "selector", "template")},
    }
    _create(cluster, f"{at}/replicasets", replica_set)
    count = spec["replicas"]
    pods = {key: count for key in ("replicas", "readyReplicas", "availableReplicas")}
    ready = {**pods, "observedGeneration": 1}
    cluster.call("PATCH", f"{at}/replicasets/{name}/status", {"status": ready}, PATCH)
    annotations = {"metadata": {"annotations": {REVISION: revision}}}
    cluster.call("PATCH", f"{at}/deployments/{metadata['name']}", annotations, PATCH)
    status = {
        **pods,
        "updatedReplicas": count,
        "observedGeneration": _generation(deployment),
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    }
    cluster.call("PATCH", f"{at}/deployments/{metadata['name']}/status", {"status": status}, PATCH)


def _create(cluster: ApiServer, path: str, body: dict[str, Any]) -> None:
    """Create an object unless it is there."""
    try:
        cluster.call("POST", path, body)
    except RefusedError as error:
        if error.status != 409:
            raise
