"""The component resources that the program is made of. They read no config, environment or file."""

from .bookinfo import Bookinfo
from .cluster_link import ClusterLink
from .egress_policy import EgressPolicy
from .global_zone import GlobalServices
from .istio_cluster import IstioCluster
from .remote_dns import RemoteDns
from .root_ca import RootCa

__all__ = [
    "Bookinfo",
    "ClusterLink",
    "EgressPolicy",
    "GlobalServices",
    "IstioCluster",
    "RemoteDns",
    "RootCa",
]
