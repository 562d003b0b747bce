"""The node of a cluster: containerd, kubelet, kube-proxy, and the images that pods need."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab.cluster.pki import DIR
from lab.errors import LabError
from lab.instance import DNS_SERVICE_IP, POD_CIDR, Cluster, write_private
from lab.machine import cgroups
from lab.machine.processes import Process, run
from lab.software.images import PAUSE

_CONFIG = "/var/lib/kubernetes"
_CONTAINERD = "/run/containerd/containerd.sock"
_CTR = ["ctr", f"--address={_CONTAINERD}", "--namespace=k8s.io"]
_CNI = f"{_CONFIG}/cni"

UPSTREAM_DNS = f"{_CONFIG}/upstream-dns.Corefile"

_CONTAINERD_CONFIG = f"""\
version = 2
[grpc]
  address = "{_CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Without CAP_SYS_RESOURCE runc cannot lower the score and dies.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{_CNI}"
"""


def start_containerd(cluster: Cluster) -> None:
    """Start the container runtime; it needs no API."""
    config = cluster.write(f"{_CONFIG}/containerd.toml", _CONTAINERD_CONFIG)
    cluster.write(f"{_CNI}/10-pods.conflist", json.dumps(_cni_config()))
    Process(cluster, "containerd").start(["containerd", f"--config={config}"])


def containerd_answers(cluster: Cluster) -> bool:
    """Whether images can be imported."""
    try:
        run(cluster, [*_CTR, "version"])
    except LabError:
        return False
    return True


def import_images(cluster: Cluster, images: Sequence[Path], say: Callable[[str], None]) -> int:
    """Import the images that this cluster's containerd does not have yet; return how many."""
    count = 0
    record = cluster.path("/var/lib/containerd/imported.json")
    imported: list[str] = json.loads(record.read_text()) if record.exists() else []
    for image in images:
        state = image.stat()
        identity = f"{image.name} {state.st_size} {state.st_mtime_ns}"
        if identity in imported:
            continue
        say(f"importing {image.name}")
        run(cluster, [*_CTR, "images", "import", "-"], stdin=image)
        imported.append(identity)
        write_private(record, json.dumps(imported))
        count += 1
    return count


def list_images(cluster: Cluster) -> str:
    """What containerd says of its images; it has to run."""
    return run(cluster, [*_CTR, "images", "ls"])


def start_kubelet(cluster: Cluster, binaries: Mapping[str, Path]) -> None:
    """Start what runs pods, and what routes Services to them; the API has to answer by now."""
    pods = f"{cluster.cgroup}/pods"
    cgroups.make_pods(pods)
    _start_upstream_dns(cluster, binaries)
    resolv = cluster.write(f"{_CONFIG}/resolv.conf", f"nameserver {cluster.address}\n")
    kubelet = cluster.write(
        f"{_CONFIG}/kubelet.yaml", yaml.safe_dump(_kubelet_config(cluster, pods, resolv))
    )
    Process(cluster, "kubelet").start(
        [
            binaries["kubelet"],
            f"--config={kubelet}",
            f"--kubeconfig={DIR}/kubelet.kubeconfig",
            f"--hostname-override={cluster.node_name}",
            f"--node-ip={cluster.address}",
            "--housekeeping-interval=30s",  # costs processor time for every cgroup of the machine
        ]
    )
    proxy = cluster.write(f"{_CONFIG}/kube-proxy.yaml", yaml.safe_dump(_proxy_config(cluster)))
    Process(cluster, "kube-proxy").start([binaries["kube-proxy"], f"--config={proxy}"])


def _start_upstream_dns(cluster: Cluster, binaries: Mapping[str, Path]) -> None:
    """Start what the cluster's own DNS forwards to: it knows no names, and says so at once.

    The lab reaches no other network. With nobody there CoreDNS takes 2 s to find that out for each
    name; and if it were itself there, its `loop` plugin would end it.
    """
    config = cluster.write(UPSTREAM_DNS, upstream_dns(cluster.address))
    Process(cluster, "upstream-dns").start([binaries["coredns"], "-conf", config])


def upstream_dns(address: str, names: Mapping[str, str] | None = None) -> str:
    """Return the Corefile of that DNS; one that is written later is read within 3 s.

    Args:
        address: where it listens.
        names: host names that it does know, each with its IPv4 address.
    """
    known = "".join(
        f"""\
    template IN A {name} {{
        answer "{{{{ .Name }}}} 5 IN A {found}"
    }}
    template ANY ANY {name} {{
        rcode NOERROR
    }}
"""
        for name, found in (names or {}).items()
    )
    return f"""\
.:53 {{
    bind {address}
    reload 2s 1s
{known}\
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def _cni_config() -> dict[str, Any]:
    pods = POD_CIDR.replace("/16", "/24")  # the controller manager's choice for the only node
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            # Routed, not bridged: Services then work without br_netfilter, a setting of the host.
            {"type": "ptp", "ipMasq": True, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet_config(cluster: Cluster, pods: str, resolv: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": cluster.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{DIR}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{DIR}/kubelet.crt",
        "tlsPrivateKeyFile": f"{DIR}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{_CONTAINERD}",
        "clusterDNS": [DNS_SERVICE_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": resolv,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{pods}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # a lower one needs CAP_SYS_RESOURCE
        "maxPods": 200,
        "evictionHard": {"memory.available": "100Mi"},  # the host's disk is not the lab's to judge
        "imageGCHighThresholdPercent": 100,  # images cannot be pulled again
        "localStorageCapacityIsolation": False,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    }


def _proxy_config(cluster: Cluster) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": f"{DIR}/kube-proxy.kubeconfig"},
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": cluster.node_name,
        "oomScoreAdj": 0,
        # These are the host's, not the namespace's.
        "conntrack": {
            "maxPerCore": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
