"""What makes a node enforce NetworkPolicies: kube-router's controller, beside kube-proxy.

It turns policies into rules of the node's own kernel: no packet waits for a process.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.cluster import addons
from lab.cluster.api import Api
from lab.cluster.pki import DIR, NETWORK_POLICIES
from lab.errors import LabError
from lab.instance import SERVICE_CIDR, Cluster
from lab.machine.processes import Process, run

_RBAC = "rbac.authorization.k8s.io"
_READ = ["list", "watch"]


def start(cluster: Cluster, api: Api, binaries: Mapping[str, Path]) -> None:
    """Give the controller its rights and start it; the node has to exist by now."""
    if not api.exists(f"/apis/{_RBAC}/v1/clusterrolebindings/{NETWORK_POLICIES}"):  # made last
        manifest = "\n---\n".join(json.dumps(item) for item in _rights(cluster.node_name))
        addons.apply(cluster, binaries["kubectl"], manifest)
    Process(cluster, "network-policies").start(
        [
            binaries["kube-router"],
            f"--kubeconfig={DIR}/{NETWORK_POLICIES}.kubeconfig",
            f"--hostname-override={cluster.node_name}",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
        ]
    )


def enforced(cluster: Cluster) -> bool:
    """Whether the rules are there: the jump to this chain is the last that is made."""
    try:
        rules = run(cluster, ["iptables", "--wait", "--list-rules", "KUBE-ROUTER-FORWARD"])
    except LabError:
        return False
    return "KUBE-NWPLCY-TAIL" in rules


def _rights(node: str) -> list[dict[str, Any]]:
    """A role for the controller, and who has it."""
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NETWORK_POLICIES},
        "rules": [
            {"apiGroups": [""], "resources": ["nodes"], "resourceNames": [node], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": _READ},
            {
                "apiGroups": ["networking.k8s.io"],
                "resources": ["networkpolicies"],
                "verbs": _READ,
            },
        ],
    }
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NETWORK_POLICIES},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": NETWORK_POLICIES},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": NETWORK_POLICIES}],
    }
    return [role, binding]
