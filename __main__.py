"""Install Istio on every cluster of the stack, link them, and export how to reach them."""

import pulumi

from components import names
from components.cluster.egress_policy import EgressPolicy
from components.cluster.istio_cluster import IstioCluster
from components.dns.remote_dns import RemoteDns
from components.link.cluster_link import ClusterLink
from components.link.global_services import GlobalServices
from components.samples.bookinfo import Bookinfo
from components.trust.root_ca import RootCa
from components.trust.rotation_guard import TrustPhase
from stack import configuration, freeze, issued_cas, providers, remote_clusters, wiring

settings = configuration.load()
peers = remote_clusters.read(settings)

freeze.leave_alone(settings.clusters)
cacerts, listed, further = wiring.cacerts(settings), None, []
if settings.root_ca:
    provider = providers.make("root_ca", settings.kubeconfig, settings.root_ca.context)
    further.append(root_ca := RootCa("root-ca", wiring.root_ca(settings), provider))
    cacerts, listed = root_ca.cacerts, root_ca.listed
    issued_cas.export(settings.root_ca, cacerts)
args = wiring.trust_phase(settings, cacerts, peers.found, listed)
guard = TrustPhase("trust-phase", args) if args.wanted else None

clusters = {}
for name, cluster in settings.clusters.items():
    args = wiring.istio_cluster(settings, name, cacerts[name], guard, peers.found)
    provider = providers.make(name, settings.kubeconfig, cluster.context)
    clusters[name] = IstioCluster(name, args, provider)

zones = {name: {} for name in clusters}
for pair in settings.links:
    if args := wiring.cluster_link(settings, pair, clusters, peers.found):
        further.append(link := ClusterLink(names.link_name(*pair), args))
        for name, zone in link.zones.items():
            zones[name].update(zone)

for name, cluster in settings.clusters.items():
    if args := wiring.global_services(settings, name, clusters, peers.found):
        further.append(whole := GlobalServices(f"{name}-global", args))
        zones[name].update(whole.zones)
    if zones[name]:
        args = wiring.remote_dns(settings, name, zones[name])
        further.append(RemoteDns(f"{name}-dns", args, clusters[name].provider))
    if cluster.network_policy:
        args = wiring.egress_policy(settings, name, {**peers.found, **clusters})
        further.append(EgressPolicy(f"{name}-egress-policy", args, clusters[name].provider))

if settings.bookinfo:
    args = wiring.bookinfo(settings.bookinfo, clusters)
    further.append(bookinfo := Bookinfo("bookinfo", args))
    pulumi.export("bookinfo", bookinfo.url)

pulumi.export("clusters", wiring.outputs(settings, clusters))
remote_clusters.finish(settings, peers, clusters.values(), further)
