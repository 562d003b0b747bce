"""What is missing on this machine, said in one line before anything is made."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.instance import Cluster
from lab.machine import cgroups
from lab.machine.processes import Process, environment

_PACKAGES = {  # program -> Debian package
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ipset": "ipset",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
}
_CNI = Path("/usr/lib/cni/ptp")

# Tried in a network namespace that is gone when the command ends.
_FEATURES = {
    "network namespaces (CONFIG_NET_NS)": "true",
    "mount namespaces": "unshare --mount true",
    "bridges (module bridge)": "ip link add br0 type bridge",
    "veth pairs (module veth)": "ip link add v0 type veth peer name v1",
    "NAT with nftables (modules nf_tables, nft_nat, nft_masq)": (
        "nft 'add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; "
        "add rule ip t c masquerade'"
    ),
    "NAT with iptables (modules nft_compat, xt_MASQUERADE)": (
        "iptables -w -t nat -A POSTROUTING -m comment --comment lab -j MASQUERADE"
    ),
    "IP sets with iptables (modules ip_set_hash_ip, ip_set_hash_net, xt_set)": (
        "ipset create a hash:ip timeout 0 && ipset create b hash:net timeout 0 && "
        "iptables -w -A FORWARD -m set --match-set a src -m set --match-set b dst"
    ),
    "rules of network policies (modules xt_physdev, xt_limit, xt_NFLOG, ipt_REJECT)": (
        "iptables -w -A FORWARD -m physdev --physdev-is-bridged -m limit --limit 10/minute "
        "-j NFLOG && iptables -w -A FORWARD -j REJECT"
    ),
}


def check_platform() -> None:
    """Fail unless this is Linux and the user is root."""
    if sys.platform != "linux":
        raise LabError(
            f"the lab needs Linux, and this is {sys.platform}: use a Linux machine or VM"
        )
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and needs root: run it again with sudo")


def check_machine() -> None:
    """Fail with the first thing that this machine lacks, and what to do about it."""
    check_platform()
    missing = {package for name, package in _PACKAGES.items() if not _has(name)}
    if not _CNI.exists():
        missing.add("containernetworking-plugins")
    if missing:
        raise LabError(f"programs are missing: run `apt-get install {' '.join(sorted(missing))}`")
    for feature, probe in _FEATURES.items():
        words = ["unshare", "--net", "sh", "-c", probe]
        done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
        if done.returncode:
            reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise LabError(f"the kernel or container lacks {feature}: {reason}; enable it")
    if not _has_filesystem("overlay"):
        raise LabError("the kernel lacks overlayfs: run `modprobe overlay`, or use another kernel")
    if controllers := cgroups.missing_controllers():
        raise LabError(
            f"the cgroup controllers {', '.join(controllers)} are not available: mount them "
            f"below {cgroups.MOUNT}, or boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1)"
        )


def check_ports(clusters: Iterable[Cluster]) -> None:
    """Fail if a port that a cluster needs on 127.0.0.1 is somebody else's."""
    for cluster in clusters:
        if Process(cluster, "agent").pid is not None:
            continue  # it is ours
        ports = {cluster.api_port: "API server"}
        if cluster.has_node:
            ports[cluster.http_port] = "port 80"
        for port, purpose in ports.items():
            if not _is_free(port):
                raise LabError(
                    f"127.0.0.1:{port} is in use, and the {purpose} of cluster {cluster.name} "
                    f"needs it: end what `ss -ltnp 'sport = {port}'` shows, or use --instance NAME"
                )


def _has(program: str) -> bool:
    return shutil.which(program, path=environment()["PATH"]) is not None


def _has_filesystem(name: str) -> bool:
    subprocess.run(["modprobe", name], capture_output=True, check=False) if _has("modprobe") else 0
    return name in Path("/proc/filesystems").read_text().split()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
