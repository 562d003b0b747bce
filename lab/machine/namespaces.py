"""Namespaces: a network and a mount namespace per cluster, and the inter-cluster network.

Each is held by a file that it is mounted on, like those of `ip netns`, so it outlives processes.
Veth pairs are made between them directly: the host's own network is never touched.

In its mount namespace a cluster has a /var and a /run of its own. So containerd, the kubelet and
the CNI plugins use their customary paths, nothing of theirs is mounted on the host, and all of it
is gone with the last process.
"""

import contextlib
import ctypes
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.errors import LabError
from lab.instance import LAN_GATEWAY, Cluster, Instance

# The kubelet sets these for the whole machine. It gets copies.
_KUBELET_SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def enter(cluster: Cluster) -> list[str]:
    """The words before a command that is to run in the cluster's namespaces."""
    return ["nsenter", f"--mount={_pin(cluster, 'mnt')}", f"--net={network(cluster)}", "--"]


def network(cluster: Cluster) -> Path:
    """The file that holds the cluster's network namespace."""
    return _pin(cluster, "net")


def lan(instance: Instance) -> Path:
    """The file that holds the inter-cluster network's namespace."""
    return _pins(instance) / "lan.net"


@contextlib.contextmanager
def inside(netns: Path) -> Iterator[None]:
    """Let this thread be in another network namespace; nothing may be awaited meanwhile."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(there)
        yield
    finally:
        _setns(home)
        os.close(there)
        os.close(home)


def ensure_lan(instance: Instance) -> None:
    """Make the inter-cluster network: a bridge in a namespace of its own."""
    pins = _pins(instance)
    pins.mkdir(parents=True, exist_ok=True)
    if not _mounted(pins):  # a mount namespace can be held only where nothing is propagated
        _sh(f"mount -n --bind {pins} {pins}")
        _sh(f"mount -n --make-private {pins}")
    _ensure(
        pins / "lan",
        ["net"],
        [
            "ip link set lo up",
            "ip link add br0 type bridge",
            f"ip addr add {LAN_GATEWAY}/24 dev br0",
            "ip link set br0 up",
        ],
    )


def ensure(cluster: Cluster, visible: Iterable[Path]) -> None:
    """Make the cluster's namespaces; `visible` files must stay so where /var is another one."""
    if _complete(_base(cluster), ["net", "mnt"]):
        return
    shutil.rmtree(cluster.path("/run"), ignore_errors=True)  # sockets of before a reboot
    for folder in ("var/log", "var/lib/kubernetes", "run", "sysctl"):
        (cluster.dir / folder).mkdir(parents=True, exist_ok=True)
    link = cluster.path("/var/run")
    if not link.is_symlink():
        link.symlink_to("/run")
    _ensure(_base(cluster), ["net", "mnt"], [*_network(cluster), *_mounts(cluster, visible)])


def remove(instance: Instance) -> None:
    """Let go of all namespaces of an instance; they end with their last process."""
    for mount in reversed(_mounts_below(instance.dir)):
        subprocess.run(["umount", "-n", "--lazy", mount], check=False, capture_output=True)
    if left := _mounts_below(instance.dir):
        raise LabError(f"cannot unmount {', '.join(left)}: run `umount -l` on it, then down again")


def _network(cluster: Cluster) -> list[str]:
    lan_file, port = lan(cluster.instance), f"v{cluster.index}"
    in_lan = f"nsenter --net={lan_file} ip link"
    return [
        f"{in_lan} delete {port} 2>/dev/null || true",  # a half-made attempt
        "ip link set lo up",
        f"ip link add eth0 type veth peer name {port} netns {lan_file}",
        f"{in_lan} set {port} master br0 up",
        f"ip addr add {cluster.address}/24 dev eth0",
        "ip link set eth0 up",
        f"ip route add default via {LAN_GATEWAY}",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
    ]


def _mounts(cluster: Cluster, visible: Iterable[Path]) -> list[str]:
    commands = ["mount -n --make-rshared /"]  # among the cluster's processes, as on a kubeadm node
    for name in _KUBELET_SYSCTLS:
        copy = cluster.dir / "sysctl" / name.replace("/", ".")
        commands += [f"cat /proc/sys/{name} > {copy}", f"mount -n --bind {copy} /proc/sys/{name}"]
    for folder in sorted({path.resolve().parent for path in visible}):
        if folder.is_relative_to("/var") or folder.is_relative_to("/run"):
            place = shlex.quote(str(cluster.path(str(folder))))
            commands += [f"mkdir -p {place}", f"mount -n --bind {shlex.quote(str(folder))} {place}"]
    for folder in (Path("/run"), Path("/var")):  # /var last: it hides the others' sources
        commands.append(f"mount -n --rbind {cluster.path(str(folder))} {folder}")
    return commands


def _ensure(base: Path, kinds: list[str], script: list[str]) -> None:
    """Make namespaces held by `BASE.KIND`, and run `script` in them; replace half-made ones."""
    if _complete(base, kinds):
        return
    for kind in kinds:
        pin = base.with_suffix(f".{kind}")
        if _mounted(pin):
            _sh(f"umount -n --lazy {pin}")
        pin.touch()
    option = {"net": "--net", "mnt": "--mount"}
    unshare = [f"{option[kind]}={base.with_suffix(f'.{kind}')}" for kind in kinds]
    _sh("\n".join(["set -e", *script]), ["unshare", *unshare])
    base.with_suffix(".json").write_text(json.dumps(_identity(base, kinds)))


def _complete(base: Path, kinds: list[str]) -> bool:
    """Whether the namespaces exist and their script ran to its end (a killed one did not)."""
    if not all(_mounted(base.with_suffix(f".{kind}")) for kind in kinds):
        return False
    try:
        recorded = json.loads(base.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return False
    return bool(recorded == _identity(base, kinds))


def _identity(base: Path, kinds: list[str]) -> list[int]:
    return [base.with_suffix(f".{kind}").stat().st_ino for kind in kinds]


def _pins(instance: Instance) -> Path:
    return instance.dir / "namespaces"


def _base(cluster: Cluster) -> Path:
    return _pins(cluster.instance) / f"cluster-{cluster.name}"


def _pin(cluster: Cluster, kind: str) -> Path:
    return _base(cluster).with_suffix(f".{kind}")


def _mounts_below(folder: Path) -> list[str]:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [mount for mount in mounts if Path(mount).is_relative_to(folder)]


def _mounted(path: Path) -> bool:
    return str(path) in _mounts_below(path)


def _setns(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):  # os.setns exists from Python 3.12 on
        raise OSError(ctypes.get_errno(), "setns")


def _sh(script: str, before: Iterable[str] = ()) -> None:
    words = [*before, "sh", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        detail = done.stderr.strip() or f"exit code {done.returncode}"
        raise LabError(f"cannot set up the namespaces: {detail}")
