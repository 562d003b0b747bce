"""Install Istio on every cluster of the stack, link them, and export how to reach them."""

from dataclasses import asdict
from pathlib import Path

import pulumi

import arguments
import config
import providers
import unreachable
from components import (
    Bookinfo,
    ClusterLink,
    EgressPolicy,
    GlobalServices,
    IstioCluster,
    RemoteDns,
    RootCa,
    names,
    trust_phase,
)

settings = config.load(pulumi.Config(), Path.cwd())

unreachable.leave_alone(settings.clusters)
cacerts = arguments.cacerts(settings)
if settings.root_ca:
    provider = providers.make("root_ca", settings.kubeconfig, settings.root_ca.context)
    cacerts = RootCa("root-ca", arguments.root_ca(settings), provider).cacerts
guard = trust_phase.guard("trust-phase", arguments.trust_phase(settings, cacerts))

clusters = {}
for name, cluster in settings.clusters.items():
    args = arguments.istio_cluster(settings, name, cacerts[name], guard)
    provider = providers.make(name, settings.kubeconfig, cluster.context)
    clusters[name] = IstioCluster(name, args, provider)

zones = {name: {} for name in clusters}
for first, second in settings.links:
    args = arguments.cluster_link(settings, clusters[first], clusters[second])
    link = ClusterLink(names.link_name(first, second), args)
    for name, zone in link.zones.items():
        zones[name].update(zone)

for name in settings.clusters:
    if global_services := arguments.global_services(settings, name, clusters):
        zones[name].update(GlobalServices(f"{name}-global", global_services).zones)

for name, cluster in settings.clusters.items():
    addresses = {peer: clusters[peer].ingress_addresses for peer in cluster.peers}
    if zones[name]:
        args = arguments.remote_dns(settings, name, zones[name])
        RemoteDns(f"{name}-dns", args, clusters[name].provider)
    if cluster.network_policy:
        args = {"namespaces": cluster.network_policy, "addresses": addresses}
        EgressPolicy(f"{name}-egress-policy", args, clusters[name].provider)

if settings.bookinfo:
    bookinfo = asdict(settings.bookinfo)
    ends = {role: clusters[bookinfo.pop(role)] for role in ("frontend", "backend")}
    pulumi.export("bookinfo", Bookinfo("bookinfo", {**bookinfo, **ends}).url)

pulumi.export("clusters", {name: cluster.outputs() for name, cluster in clusters.items()})
