"""A program with the clusters' DNS for linked zones and nothing else: no Istio, no link.

Takes the place of `__main__.py`; configuration, arguments and component are those of the program.
"""

import pulumi
import pulumi_kubernetes as k8s

from components import names
from components.dns import corefile
from components.dns.remote_dns import RemoteDns
from stack import configuration, providers, wiring

settings = configuration.load()
dummies = settings.remote_dns
for name, cluster in settings.clusters.items():
    provider = providers.make(name, settings.kubeconfig, cluster.context)
    here = pulumi.ResourceOptions(provider=provider)
    namespace = k8s.core.v1.Namespace(
        f"{name}-namespace",
        metadata={"name": names.SYSTEM_NAMESPACE, "labels": names.RESTRICTED_PODS},
        opts=here,
    )
    zones: dict[str, pulumi.Resource] = {
        linked: k8s.core.v1.ConfigMap(
            f"{name}-zone-{linked}",
            metadata={
                "name": corefile.zone_config_map(linked),
                "namespace": names.SYSTEM_NAMESPACE,
            },
            data={
                f"{linked}.server": corefile.zone_server(
                    linked, dummies.address, {}, address6=dummies.address6
                )
            },
            opts=pulumi.ResourceOptions(provider=provider, depends_on=[namespace]),
        )
        for linked in cluster.linked
    }
    RemoteDns(f"{name}-dns", wiring.remote_dns(settings, name, zones), here)
