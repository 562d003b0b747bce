"""Install Istio on every cluster of the stack, link them, and export how to reach them."""

import pulumi

import arguments
import providers
import root_stack
import stack_peers
import unreachable
from components import names, trust_phase
from components.bookinfo import Bookinfo
from components.cluster_link import ClusterLink
from components.egress_policy import EgressPolicy
from components.global_zone import GlobalServices
from components.istio_cluster import IstioCluster
from components.remote_dns import RemoteDns
from components.root_ca import RootCa

settings = root_stack.load()
peers = stack_peers.read(settings)

unreachable.leave_alone(settings.clusters)
cacerts, listed, further = arguments.cacerts(settings), None, []
if settings.root_ca:
    provider = providers.make("root_ca", settings.kubeconfig, settings.root_ca.context)
    further.append(root_ca := RootCa("root-ca", arguments.root_ca(settings), provider))
    cacerts, listed = root_ca.cacerts, root_ca.listed
    root_stack.export(settings.root_ca, cacerts)
guard = trust_phase.guard(
    "trust-phase", arguments.trust_phase(settings, cacerts, peers.found, listed)
)

clusters = {}
for name, cluster in settings.clusters.items():
    args = arguments.istio_cluster(settings, name, cacerts[name], guard, peers.found)
    provider = providers.make(name, settings.kubeconfig, cluster.context)
    clusters[name] = IstioCluster(name, args, provider)

zones = {name: {} for name in clusters}
for pair in settings.links:
    if args := arguments.cluster_link(settings, pair, clusters, peers.found):
        further.append(link := ClusterLink(names.link_name(*pair), args))
        for name, zone in link.zones.items():
            zones[name].update(zone)

for name, cluster in settings.clusters.items():
    if args := arguments.global_services(settings, name, clusters, peers.found):
        further.append(whole := GlobalServices(f"{name}-global", args))
        zones[name].update(whole.zones)
    if zones[name]:
        args = arguments.remote_dns(settings, name, zones[name])
        further.append(RemoteDns(f"{name}-dns", args, clusters[name].provider))
    if cluster.network_policy:
        args = arguments.egress_policy(settings, name, {**peers.found, **clusters})
        further.append(EgressPolicy(f"{name}-egress-policy", args, clusters[name].provider))

if settings.bookinfo:
    args = arguments.bookinfo(settings.bookinfo, clusters)
    further.append(bookinfo := Bookinfo("bookinfo", args))
    pulumi.export("bookinfo", bookinfo.url)

pulumi.export("clusters", arguments.outputs(settings, clusters))
stack_peers.finish(settings, peers, clusters.values(), further)
