"""Three linked clusters with servers and clients in them, made once for all e2e tests."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lab.commands import digests
from lab.instance import Instance
from tests.conftest import CLUSTERS, INSTANCE, Lab
from tests.support import identity, rbac, workloads
from tests.support.kube import Kube
from tests.support.stack import Stack
from tests.support.wait import at_once, until


def exposed(service: str, port: int, **further: Any) -> dict[str, Any]:
    """Return one entry of a cluster's `exposes`."""
    return {"service": service, "namespace": workloads.NAMESPACE, "port": port, **further}


# Every protocol but gRPC (`TWINS`), on ports of one Service; more of it for one cluster only, or
# with a policy.
TALK = [
    exposed("talk", 8081),
    exposed("talk", 9081, protocol="http2"),
    exposed("talk", 8083, protocol="tls"),
    exposed("talk", 8084, protocol="tcp"),
    exposed("talk", 8085, protocol="tcp"),
    exposed("vault", 8081, allow=["c"]),
    exposed("vault", 8082, protocol="grpc", allow=["c"]),
    exposed("vault", 8084, protocol="tcp", allow=["c"]),
    exposed("narrow", 8081, policy={"maxRequests": 1}),
    exposed("narrow", 8084, protocol="tcp", policy={"maxConnections": 1}),
    exposed(
        "patient", 8081, policy={"timeout": "2s", "retries": {"attempts": 3, "retryOn": "5xx"}}
    ),
    exposed(
        "sick",
        8081,
        policy={
            "outlierEjection": {"consecutiveErrors": 3, "interval": "1s", "ejectionTime": "60s"}
        },
    ),
]

# The same service of several clusters: the nearest, by shares, and for some of the callers only.
TWINS = {
    cluster: [
        exposed("twin", 8080, **{"global": True}),
        exposed("split", 8080, **{"global": True, "weight": weight}),
        exposed("guarded", 8080, allow=[caller], **{"global": True}),
        exposed("talk", 8082, protocol="grpc", **{"global": True}),
    ]
    for cluster, weight, caller in (("a", 90, "b"), ("b", 10, "c"))
}

# Port 7777 is used by no Service of the callers; b's link port differs from the others'. The root
# CA is on c, with a cert-manager that the program installs; tests/engine has it on its own cluster.
# c's sidecars answer for the linked zones; its DNS does not know of them.
CONFIG: dict[str, Any] = {
    "clusters": {
        "a": {
            "context": rbac.deployer("a"),
            "httpPorts": [80],
            "networkPolicy": [workloads.LOCKED],
            "locality": "eu/1",
            "exposes": [
                exposed("echo", 8080),
                *TWINS["a"],
                {"service": "ratings", "namespace": "bookinfo", "port": 9080},
            ],
        },
        "b": {
            "context": rbac.deployer("b"),
            "linkPort": 15999,
            "locality": "us/1",
            "exposes": [
                exposed("echo", 80),
                exposed("echo", 7777),
                exposed("private", 8080, allow=["c"]),
                *TALK,
                *TWINS["b"],
                {"service": "details", "namespace": "bookinfo", "port": 9080},
                {"service": "reviews", "namespace": "bookinfo", "port": 9080},
            ],
        },
        "c": {"context": rbac.deployer("c"), "dns": "istio", "locality": "us/2"},
    },
    "links": "all",
    "rootCa": {
        "context": "lab-c",
        "certManager": {"version": "v1.11.5", "values": {"installCRDs": True}},
    },
    "callerIdentity": True,
    "bookinfo": {"frontend": "a", "backend": "b"},
}

DNS_PODS = ("kube-system", "k8s-app=kube-dns")
NAMESPACES = (workloads.NAMESPACE, workloads.STRICT, workloads.PLAIN, workloads.CALLERS)
SERVICES = [("echo", (80, 7777, 8080)), ("private", (8080,)), ("hidden", (8080,))]


def by_digest() -> dict[str, str]:
    """Return the reference by its digest of each image of the lab, by repository."""
    found: dict[str, set[str]] = {}
    for name, digest in digests.digests(Instance(INSTANCE)).items():
        found.setdefault(name.rpartition(":")[0], set()).add(digest)
    return {of: f"{of}@{one}" for of, (one, *others) in found.items() if not others}


@dataclass(frozen=True)
class Mesh:
    """The linked clusters."""

    clusters: dict[str, Kube]
    stack: Stack
    config: dict[str, Any]
    outputs: dict[str, Any]

    def call(self, cluster: str, url: str, namespace: str = workloads.NAMESPACE) -> str:
        """Call a URL from the client pod of a namespace; return the status and `CLUSTER=` seen."""
        script = (
            f"curl -s -m 10 -o /tmp/body -w '%{{http_code}} ' '{url}'; "
            "grep -o 'CLUSTER=[a-z]*' /tmp/body; rm -f /tmp/body"
        )
        return " ".join(self.clusters[cluster].shell(namespace, script).split())

    def wait_for_dns(self, cluster: str) -> None:
        """Wait until every pod of the cluster's own DNS has read its new configuration.

        CoreDNS's `reload` takes up to 45 s, each pod its own. A sidecar that answers itself is
        ready only when it can.
        """
        kube = self.clusters[cluster]
        if self.config["clusters"][cluster].get("dns") == "istio":
            return
        namespace, selector = DNS_PODS
        pods = kube.get("pods", "-n", namespace, "-l", selector)["items"]
        name = f"any.any.svc.{'b' if cluster == 'a' else 'a'}.remote"
        for pod in pods:
            ask = f"dig +short +tries=1 +time=2 @{pod['status']['podIP']} {name}"
            until(
                lambda ask=ask: kube.shell(workloads.PLAIN, ask),  # type: ignore[misc]
                lambda seen: seen == "240.0.0.1",
                150,
                f"DNS pod {pod['metadata']['name']} of {cluster} does not know {name}",
            )

    def ingress(self, cluster: str) -> tuple[str, int]:
        """Return address and link port of a cluster's ingress gateway."""
        output = self.outputs["clusters"][cluster]
        return output["ingressAddresses"][0], output["ingressPort"]


@pytest.fixture(scope="package")
def mesh(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Bring the stack up as the deployer, put workloads in, and take all of it away again."""
    clusters = {name: Kube(lab.kubeconfig, f"lab-{name}") for name in CLUSTERS}
    images = by_digest()
    pinned = {
        "istiod": images["registry.istio.io/release/pilot"],
        "proxy": images["registry.istio.io/release/proxyv2"],
    }
    config = {
        **copy.deepcopy(CONFIG),
        "istio": {**lab.istio, "images": pinned},
        "remoteDns": {"image": images["docker.io/coredns/coredns"]},
    }
    config["rootCa"]["certManager"]["repository"] = lab.istio["repository"]
    config["rootCa"]["opensslImage"] = images[workloads.CLIENT_IMAGE.partition(":")[0]]
    clusters["a"].apply(workloads.namespace(workloads.LOCKED, injected=False))
    rbac.grant(lab.kubeconfig, CLUSTERS, rotation=True)
    stack = Stack(tmp_path_factory.mktemp("e2e"), lab.kubeconfig, config)
    stack.up()

    def fill(name: str) -> None:
        kube = clusters[name]
        kube.refresh_volumes(*DNS_PODS)
        kube.apply(*contents(name))
        for where in NAMESPACES:
            kube.wait_for_deployments(where)

    at_once(fill, CLUSTERS)
    clusters["a"].apply(workloads.client(workloads.LOCKED))
    clusters["a"].wait_for_deployments(workloads.LOCKED)
    made = Mesh(clusters, stack, config, stack.outputs())
    at_once(made.wait_for_dns, CLUSTERS)
    yield made

    def empty(name: str) -> None:
        gone = ("delete", "namespace", *NAMESPACES, workloads.LOCKED, "--ignore-not-found")
        clusters[name].run(*gone, timeout=120)

    at_once(empty, CLUSTERS)
    stack.destroy()


def contents(cluster: str) -> list[workloads.Object]:
    """Return the servers and clients of a cluster."""
    found = [
        *workloads.server(cluster),
        *(workloads.service(service, *ports) for service, ports in SERVICES),
        workloads.namespace(workloads.STRICT, injected=True),
        workloads.registry_only(workloads.STRICT),
        workloads.namespace(workloads.PLAIN, injected=False),
        workloads.client(workloads.NAMESPACE, certs=True),
        workloads.client(workloads.STRICT),
        workloads.client(workloads.PLAIN),
        workloads.namespace(workloads.CALLERS, injected=True),
        workloads.client(workloads.CALLERS),
    ]
    if cluster == "b":
        found += [
            workloads.talk_service("vault", 8081, 8082, 8084),
            workloads.talk_service("narrow", 8081, 8084),
            workloads.talk_service("patient", 8081),
            workloads.talk_service("sick", 8081),
        ]
    if cluster in TWINS:
        found += [
            *workloads.twin(cluster),
            workloads.talker(cluster),
            workloads.talk_service("talk", *workloads.TALK_PORTS),
        ]
    return found


@pytest.fixture(scope="package")
def stolen_certificates(mesh: Mesh) -> None:
    """Put certificates in place that nobody should have: of a's egress gateway, and an impostor."""
    a, c = mesh.clusters["a"], mesh.clusters["c"]
    egress = identity.mint(a, "spiffe://a.remote/ns/istio-gateways/sa/istio-egressgateway")
    identity.put(a, workloads.PLAIN, workloads.STOLEN, egress)
    own = identity.mint(c, "spiffe://c.remote/ns/apps/sa/default")
    identity.put(c, workloads.PLAIN, workloads.IMPOSTOR, own)
