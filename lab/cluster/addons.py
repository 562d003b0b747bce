"""What a cluster has besides Kubernetes itself: CoreDNS on a node, cert-manager without one."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from lab.cluster.api import Api
from lab.cluster.pki import DIR
from lab.instance import Cluster
from lab.machine import namespaces
from lab.machine.processes import Process, run
from lab.software import binaries
from tools.families import FAMILIES

COREDNS_IMAGE = f"registry.k8s.io/coredns/coredns:v{FAMILIES['coredns'].version}"
CERT_MANAGER_NAMESPACE = "cert-manager"
_NAMESPACE = json.dumps(
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CERT_MANAGER_NAMESPACE}}
)
_COREDNS = Path(__file__).with_name("coredns.yaml")


def apply_coredns(cluster: Cluster, api: Api, kubectl: Path) -> None:
    """Create CoreDNS, once: later its ConfigMap belongs to whoever configures the cluster."""
    if api.exists("/api/v1/namespaces/kube-system/services/kube-dns"):  # the manifest's last
        return
    manifest = _COREDNS.read_text().replace("COREDNS_IMAGE", COREDNS_IMAGE)
    apply(cluster, kubectl, manifest)


def coredns_ready(api: Api) -> bool:
    """Whether the cluster's DNS answers."""
    return api.deployment_ready("kube-system", "coredns")


def apply_cert_manager_crds(cluster: Cluster, api: Api, kubectl: Path) -> None:
    """Create cert-manager's resource definitions and its namespace, once."""
    if not api.exists(f"/api/v1/namespaces/{CERT_MANAGER_NAMESPACE}"):  # the manifest's last
        crds = sorted(binaries.cert_manager_crds().glob("*.yaml"))
        manifests = [path.read_text() for path in crds]
        apply(cluster, kubectl, "\n---\n".join([*manifests, _NAMESPACE]))


def cert_manager_served(api: Api) -> bool:
    """Whether the API server serves cert-manager's resources."""
    return api.exists("/apis/cert-manager.io/v1/clusterissuers")


def start_cert_manager(cluster: Cluster, programs: Mapping[str, Path]) -> None:
    """Start cert-manager's controller, a process like those of the control plane."""
    Process(cluster, "cert-manager").start(
        [
            programs["cert-manager-controller"],
            f"--kubeconfig={DIR}/admin.kubeconfig",
            "--leader-elect=false",
            f"--cluster-resource-namespace={CERT_MANAGER_NAMESPACE}",
        ]
    )


def cert_manager_ready(cluster: Cluster) -> bool:
    """Whether the controller runs: it serves metrics then."""
    with namespaces.inside(namespaces.network(cluster)), socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", 9402)) == 0


def apply(cluster: Cluster, kubectl: Path, manifest: str) -> None:
    """Create or change objects, as the administrator."""
    command: list[str | Path] = [
        kubectl,
        f"--kubeconfig={DIR}/admin.kubeconfig",
        "apply",
        "--server-side",
    ]
    run(cluster, [*command, "--filename=-"], stdin=manifest.encode())
