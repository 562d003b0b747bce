"""A program with cluster a's DNS for linked zones and nothing else: no Istio, no link.

Takes the place of `__main__.py`; configuration, arguments and component are those of the program.
"""

import pulumi
import pulumi_kubernetes as k8s

from components import names
from components.dns import corefile
from components.dns.remote_dns import RemoteDns
from stack import configuration, providers, wiring

CLUSTER = "a"

settings = configuration.load()
cluster, dummies = settings.clusters[CLUSTER], settings.remote_dns
provider = providers.make(CLUSTER, settings.kubeconfig, cluster.context)
namespace = k8s.core.v1.Namespace(
    "namespace",
    metadata={"name": names.SYSTEM_NAMESPACE, "labels": names.RESTRICTED_PODS},
    opts=pulumi.ResourceOptions(provider=provider),
)
zones = {
    peer: k8s.core.v1.ConfigMap(
        f"zone-{peer}",
        metadata={"name": corefile.zone_config_map(peer), "namespace": names.SYSTEM_NAMESPACE},
        data={
            f"{peer}.server": corefile.zone_server(
                peer, dummies.address, {}, address6=dummies.address6
            )
        },
        opts=pulumi.ResourceOptions(provider=provider, depends_on=[namespace]),
    )
    for peer in cluster.linked
}
options = pulumi.ResourceOptions(provider=provider)
RemoteDns(f"{CLUSTER}-dns", wiring.remote_dns(settings, CLUSTER, zones), options)
