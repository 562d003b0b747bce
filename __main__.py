"""Install Istio on every cluster of the stack, link them, and export how to reach them."""

from dataclasses import asdict
from pathlib import Path

import pulumi

import config
import providers
from components import Bookinfo, ClusterLink, IstioCluster, RemoteDns, RootCa, names

settings = config.load(pulumi.Config(), Path.cwd())

cacerts = {name: c.cacerts and asdict(c.cacerts) for name, c in settings.clusters.items()}
if settings.root_ca:
    root = asdict(settings.root_ca)
    provider = providers.make("root_ca", settings.kubeconfig, root.pop("context"))
    cacerts = RootCa("root-ca", {**root, "clusters": [*settings.clusters]}, provider).cacerts

clusters = {}
for name, cluster in settings.clusters.items():
    args = {
        "access": {"kubeconfig": settings.kubeconfig, "context": cluster.context},
        "istio": asdict(settings.istio),
        "cacerts": cacerts[name],
        "trust_domain": cluster.trust_domain,
        "link_port": cluster.link_port,
        "http_ports": cluster.http_ports,
        "replicas": cluster.replicas,
        "exposes": [asdict(exposed) for exposed in cluster.exposes],
        "peers": {peer: settings.clusters[peer].trust_domain for peer in cluster.peers},
    }
    provider = providers.make(name, settings.kubeconfig, cluster.context)
    clusters[name] = IstioCluster(name, args, provider)

zones = {name: {} for name in clusters}
for first, second in settings.links:
    pair = (clusters[first], clusters[second])
    address = settings.remote_dns.address
    link = ClusterLink(names.link_name(first, second), {"clusters": pair, "dummy_address": address})
    zones[first][second], zones[second][first] = link.zones[first], link.zones[second]

for name, cluster in settings.clusters.items():
    dns = {
        "image": settings.remote_dns.image,
        "replicas": cluster.replicas,
        "zones": zones[name],
        "mode": cluster.dns,
        "access": {"kubeconfig": settings.kubeconfig, "context": cluster.context},
    }
    if cluster.peers:
        RemoteDns(f"{name}-dns", dns, clusters[name].provider)

if settings.bookinfo:
    bookinfo = asdict(settings.bookinfo)
    ends = {role: clusters[bookinfo.pop(role)] for role in ("frontend", "backend")}
    pulumi.export("bookinfo", Bookinfo("bookinfo", {**bookinfo, **ends}).url)

pulumi.export("clusters", {name: cluster.outputs() for name, cluster in clusters.items()})
