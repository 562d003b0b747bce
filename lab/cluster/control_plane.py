"""The control plane of a cluster: etcd, API server, controller manager, scheduler."""

from collections.abc import Mapping
from pathlib import Path

from lab.cluster.pki import DIR
from lab.instance import POD_CIDR, SERVICE_CIDR, Cluster
from lab.machine.processes import Process

ISSUER = "https://kubernetes.default.svc.cluster.local"
_ETCD = "http://127.0.0.1:2379"


def start_api(cluster: Cluster, binaries: Mapping[str, Path]) -> None:
    """Start what answers the API."""
    Process(cluster, "etcd").start([binaries["etcd"], *_etcd_flags()])
    Process(cluster, "kube-apiserver").start(
        [binaries["kube-apiserver"], *_api_server_flags(cluster)]
    )


def start_controllers(cluster: Cluster, binaries: Mapping[str, Path]) -> None:
    """Start what acts on the API's objects; the API has to answer by now."""
    Process(cluster, "kube-controller-manager").start(
        [binaries["kube-controller-manager"], *_controller_manager_flags(cluster)]
    )
    if cluster.has_node:
        flags = [f"--kubeconfig={DIR}/scheduler.kubeconfig", *_ALONE]
        Process(cluster, "kube-scheduler").start([binaries["kube-scheduler"], *flags])


_ALONE = ("--leader-elect=false", "--bind-address=127.0.0.1")


def _etcd_flags() -> list[str]:
    return [
        "--data-dir=/var/lib/etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # a lab is not worth a disk flush per write
        "--log-level=warn",
    ]


def _api_server_flags(cluster: Cluster) -> list[str]:
    return [
        f"--etcd-servers={_ETCD}",
        f"--advertise-address={cluster.address}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--allow-privileged",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={DIR}/ca.crt",
        f"--tls-cert-file={DIR}/apiserver.crt",
        f"--tls-private-key-file={DIR}/apiserver.key",
        f"--kubelet-certificate-authority={DIR}/ca.crt",
        f"--kubelet-client-certificate={DIR}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={DIR}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer={ISSUER}",
        f"--api-audiences={ISSUER},istio-ca",
        f"--service-account-signing-key-file={DIR}/sa.key",
        f"--service-account-key-file={DIR}/sa.pub",
        f"--requestheader-client-ca-file={DIR}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={DIR}/front-proxy-client.crt",
        f"--proxy-client-key-file={DIR}/front-proxy-client.key",
    ]


def _controller_manager_flags(cluster: Cluster) -> list[str]:
    config = f"{DIR}/controller-manager.kubeconfig"
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--cluster-name={cluster.context}",
        "--allocate-node-cidrs",
        f"--cluster-cidr={POD_CIDR}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={DIR}/sa.key",
        f"--root-ca-file={DIR}/ca.crt",
        f"--cluster-signing-cert-file={DIR}/ca.crt",
        f"--cluster-signing-key-file={DIR}/ca.key",
        *_ALONE,
    ]
