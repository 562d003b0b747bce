"""Names: what belongs to an instance and to its clusters (folders, ports, addresses)."""

import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

PROJECT = "istio-multicluster-lab"
STATE_ROOT = Path("/var/lib") / PROJECT
CHECKOUT = Path(__file__).resolve().parent.parent

DEFAULT_INSTANCE = "dev"
ROOT_CLUSTER = "root"  # control plane and cert-manager only: it issues the CA certificates
DEFAULT_CLUSTERS = ("a", "b", ROOT_CLUSTER)

POD_CIDR = "10.244.0.0/16"  # the same in every cluster, on purpose
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
LAN = "192.168.77"  # the inter-cluster network, /24
LAN_GATEWAY = f"{LAN}.1"
MAX_CLUSTERS = 14  # 16 load balancer addresses each

DEPLOYER = "deployer"  # a user without any rights, for whom the lab's user may write some

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
_PORTS = {"dev": 16400, "test": 16500}


@dataclass(frozen=True)
class Cluster:
    """One cluster of an instance; `index` decides its ports and addresses."""

    instance: "Instance"
    name: str
    index: int

    @property
    def has_node(self) -> bool:
        """Whether pods can run there."""
        return self.name != ROOT_CLUSTER

    @property
    def context(self) -> str:
        """The administrator's context in the kubeconfig."""
        return f"lab-{self.name}"

    @property
    def contexts(self) -> dict[str, str]:
        """The users in the kubeconfig, each with its context."""
        return {"admin": self.context, DEPLOYER: f"{self.context}-{DEPLOYER}"}

    @property
    def node_name(self) -> str:
        """The name of its only node."""
        return f"node-{self.name}"

    @property
    def address(self) -> str:
        """The node's address on the inter-cluster network."""
        return f"{LAN}.{2 + self.index}"

    @property
    def load_balancer_addresses(self) -> list[str]:
        """The addresses that its LoadBalancer Services can get."""
        first = 16 * (self.index + 1)
        return [f"{LAN}.{first + offset}" for offset in range(16)]

    @property
    def api_port(self) -> int:
        """The API server's port on 127.0.0.1 of the host."""
        return self.instance.first_port + self.index

    @property
    def http_port(self) -> int:
        """Port 80 of the first load balancer address, on 127.0.0.1 of the host."""
        return self.instance.first_port + 50 + self.index

    @property
    def cgroup(self) -> str:
        """Its cgroup, relative to a hierarchy's root."""
        return f"{self.instance.cgroup}/{self.name}"

    @property
    def dir(self) -> Path:
        """Its folder on the host."""
        return self.instance.dir / "clusters" / self.name

    def path(self, inside: str) -> Path:
        """Where the host has a path of the cluster's /var or /run (see machine/namespaces.py)."""
        return self.dir / inside.lstrip("/")

    def write(self, inside: str, content: str | bytes) -> str:
        """Write a file of the cluster, readable by root only; return its path inside."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_private(target, content)
        return inside


@dataclass(frozen=True)
class Instance:
    """A lab. Several can run side by side: all that they make is keyed by the instance's name."""

    name: str

    def __post_init__(self) -> None:
        _check_name("instance", self.name)

    @property
    def dir(self) -> Path:
        """Everything that the instance keeps on disk."""
        return STATE_ROOT / self.name

    @property
    def cgroup(self) -> str:
        """Its cgroup, relative to a hierarchy's root. Every process of the instance is below."""
        return f"{PROJECT}-{self.name}"

    @property
    def first_port(self) -> int:
        """The first of its 100 ports on 127.0.0.1."""
        hashed = 17000 + zlib.crc32(self.name.encode()) % 100 * 100
        return _PORTS.get(self.name, hashed)

    @property
    def default_kubeconfig(self) -> Path:
        """Where `up` writes the contexts unless told otherwise."""
        suffix = "" if self.name == DEFAULT_INSTANCE else f"-{self.name}"
        return CHECKOUT / ".lab" / f"kubeconfig{suffix}"

    def clusters(self) -> list[Cluster]:
        """The clusters that exist, dead or alive."""
        found = []
        for record in sorted((self.dir / "clusters").glob("*/cluster.json")):
            found.append(Cluster(self, record.parent.name, json.loads(record.read_text())["index"]))
        return sorted(found, key=lambda cluster: cluster.index)

    def plan(self, names: Iterable[str]) -> list[Cluster]:
        """The clusters that exist, and those of `names` that do not yet."""
        known = {cluster.name: cluster.index for cluster in self.clusters()}
        for name in names:
            _check_name("cluster", name)
            if name.endswith(f"-{DEPLOYER}"):  # contexts are named by cluster and user
                raise LabError(f"{name!r} cannot be the name of cluster: it ends like a user's")
            if name not in known:
                known[name] = _free_index(name, known.values())
        planned = [Cluster(self, name, index) for name, index in known.items()]
        return sorted(planned, key=lambda cluster: cluster.index)

    def record(self, clusters: Iterable[Cluster]) -> None:
        """Make clusters exist, as far as names and places go."""
        for cluster in clusters:
            cluster.dir.mkdir(parents=True, exist_ok=True)
            content = json.dumps({"index": cluster.index})
            write_private(cluster.dir / "cluster.json", content)


def write_private(path: Path, content: str | bytes) -> None:
    """Replace a file as a whole (a killed lab leaves no half of it), readable by its owner only."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # one that is left keeps its mode
    temporary.touch(mode=0o600)
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.rename(path)


def _free_index(name: str, taken: Iterable[int]) -> int:
    """The default clusters have fixed places, so that their ports never change."""
    if name in DEFAULT_CLUSTERS:
        return DEFAULT_CLUSTERS.index(name)
    free = set(range(len(DEFAULT_CLUSTERS), MAX_CLUSTERS)) - set(taken)
    if not free:
        raise LabError(f"no room for cluster {name!r}: a lab has at most {MAX_CLUSTERS} clusters")
    return min(free)


def _check_name(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise LabError(
            f"{name!r} cannot be the name of {kind}: use up to 20 of a-z, 0-9 and -, a letter first"
        )
