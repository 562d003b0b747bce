"""What the e2e tests run in the clusters: a server that says where it is, and clients."""

from __future__ import annotations

from typing import Any

SERVER_IMAGE = "docker.io/fortio/fortio:1.68.1"
CLIENT_IMAGE = "docker.io/lab/client:1"
NAMESPACE = "apps"
STRICT = "strict"
PLAIN = "plain"
CALLERS = "callers"
"""With sidecars; nothing but a client, which is not restarted with the rest."""
LOCKED = "locked"
"""Without sidecars, and with the NetworkPolicy that keeps its pods from remote ingresses."""
IMPOSTOR_PORT = 4433
STOLEN = "/tmp/stolen-egress.pem"
IMPOSTOR = "/tmp/impostor.pem"
"""Certificates with keys in client pods of `PLAIN`, see the fixture `stolen_certificates`."""
CERTS = "/etc/istio-output-certs"

Object = dict[str, Any]


def namespace(name: str, *, injected: bool) -> Object:
    """Return a namespace, with sidecars or without."""
    labels = {"istio-injection": "enabled"} if injected else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def deployment(
    name: str, where: str, container: Object, pod: Object, annotations: Object
) -> Object:
    """Return a Deployment of one pod."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": where},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": name, "imagePullPolicy": "IfNotPresent", **container}],
                    **pod,
                },
            },
        },
    }


def server(cluster: str) -> list[Object]:
    """Return a server that answers `/debug?env=dump` with the name of its cluster in it."""
    container = {
        "image": SERVER_IMAGE,
        "args": ["server"],
        "env": [{"name": "CLUSTER", "value": cluster}],
        "readinessProbe": {"httpGet": {"path": "/debug", "port": 8080}, "periodSeconds": 1},
        # It ends after everybody has heard that it will: its restart is no failure of the mesh.
        "lifecycle": {"preStop": {"sleep": {"seconds": 8}}},
    }
    pod = {"terminationGracePeriodSeconds": 20}
    return [namespace(NAMESPACE, injected=True), deployment("echo", NAMESPACE, container, pod, {})]


TWINS = ("twin", "split", "guarded")
"""Services of `twin()`, one for each kind of global service."""


def twin(cluster: str) -> list[Object]:
    """Return a server that can be taken away, and Services in front of it."""
    _, found = server(cluster)
    found["metadata"]["name"] = "twin"
    labels = {"app": "twin"}
    found["spec"]["selector"]["matchLabels"] = labels
    found["spec"]["template"]["metadata"]["labels"] = labels
    return [found, *(service(name, 8080, app="twin") for name in TWINS)]


def service(name: str, *ports: int, app: str = "echo") -> Object:
    """Return a Service in front of the server; all its ports lead to the one the server has."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"app": app},
            "ports": [{"name": f"http-{p}", "port": p, "targetPort": 8080} for p in ports],
        },
    }


TALK_PORTS = {
    # Port of the Service: its name, which declares the protocol to the ingress gateway, and target.
    8081: ("http-talk", 8081),
    9081: ("http2-talk", 8086),  # sidecars know one protocol for a target port
    8082: ("grpc-talk", 8082),
    8083: ("tls-talk", 8083),
    8084: ("tcp-talk", 8084),
    8085: ("tcp-more", 8085),
}


def talker(cluster: str) -> Object:
    """Return a server that speaks each protocol, see tools/go/talk."""
    container: Object = {
        "image": CLIENT_IMAGE,
        "command": ["talk", "serve", cluster, f"talk.{NAMESPACE}.svc.{cluster}.remote"],
        "readinessProbe": {"httpGet": {"path": "/proto", "port": 8081}, "periodSeconds": 1},
    }
    return deployment("talk", NAMESPACE, container, {}, {})


def talk_service(name: str, *ports: int) -> Object:
    """Return a Service in front of `talker()`."""
    found = service(name)
    found["spec"] = {
        "selector": {"app": "talk"},
        "ports": [
            {"name": TALK_PORTS[port][0], "port": port, "targetPort": TALK_PORTS[port][1]}
            for port in ports
        ],
    }
    return found


def client(where: str, *, certs: bool = False) -> Object:
    """Return a pod to call from; with `certs` it can read its sidecar's certificate."""
    container: Object = {"image": CLIENT_IMAGE, "command": ["sleep", "infinity"]}
    pod: Object = {}
    annotations: Object = {}
    if certs:
        mount = {"name": "certs", "mountPath": CERTS}
        container["volumeMounts"] = [mount]
        pod["volumes"] = [{"name": "certs", "emptyDir": {"medium": "Memory"}}]
        annotations = {
            "proxy.istio.io/config": f"proxyMetadata: {{OUTPUT_CERTS: {CERTS}}}",
            "sidecar.istio.io/userVolumeMount": f'[{{"name": "certs", "mountPath": "{CERTS}"}}]',
        }
    return deployment("client", where, container, pod, annotations)


def impostor(port: int) -> Object:
    """Return the Service that gives a client pod an address outside of its cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "impostor", "namespace": PLAIN},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "client"},
            "ports": [{"name": "tls", "port": port, "targetPort": IMPOSTOR_PORT}],
        },
    }


def registry_only(where: str) -> Object:
    """Return the Sidecar that lets a namespace call only what the mesh knows."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": "default", "namespace": where},
        "spec": {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}},
    }
