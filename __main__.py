"""Install Istio on every cluster of the stack, link them, and export how to reach them."""

import pulumi

from components import names
from components.cluster.egress_policy import EgressPolicy
from components.cluster.istio_cluster import IstioCluster
from components.dns.remote_dns import RemoteDns
from components.link.cluster_link import ClusterLink, Target
from components.link.global_services import GlobalServices
from components.samples.bookinfo import Bookinfo
from components.specs.global_services import callable_services
from components.trust.root_ca import RootCa
from components.trust.rotation_guard import TrustPhase
from stack import (
    configuration,
    field_manager,
    freeze,
    issued_cas,
    providers,
    remote_clusters,
    wiring,
)
from stack.ownership import ROOT, Ownership

settings = configuration.load()
remote = remote_clusters.read(settings)
field_manager.use_one()
ownership = Ownership(settings)
freeze.leave_alone(settings.clusters, ownership.silent)
cacerts, with_list = wiring.cacerts(settings), None
others: list[pulumi.Resource] = []
if settings.root_ca:
    provider = providers.make(ROOT, settings.kubeconfig, ownership.context(ROOT))
    issuing = wiring.root_ca(
        settings, settings.root_ca, ownership.claim(ROOT), ownership.crds(ROOT)
    )
    others.append(root_ca := RootCa("root-ca", issuing, ownership.options(provider)))
    cacerts, with_list = {**root_ca.cacerts}, root_ca.with_list
    issued_cas.export(settings.root_ca, root_ca.cacerts)
trust = wiring.trust_phase(settings, cacerts, remote.linked, with_list)
guard = TrustPhase("trust-phase", trust, ownership.options()) if trust.wanted else None

clusters: dict[str, IstioCluster] = {}
for name in settings.clusters:
    claim = ownership.claim(name)
    crds, ca = ownership.crds(name), cacerts[name]
    mesh = wiring.istio_cluster(settings, name, claim, crds, ca, guard, remote.linked)
    provider = providers.make(name, settings.kubeconfig, ownership.context(name))
    here = ownership.options(provider)
    clusters[name] = IstioCluster(name, mesh, here)
checked = ownership.options()
targets: dict[str, Target] = {**remote.linked, **clusters}

zones: dict[str, dict[str, pulumi.Resource]] = {name: {} for name in clusters}
for pair in settings.links:
    if all(end in targets for end in pair):
        args = wiring.cluster_link(settings, pair, clusters, targets)
        others.append(link := ClusterLink(names.link_name(*pair), args, checked))
        for name, zone in link.zones.items():
            zones[name].update(zone)

for name, cluster in settings.clusters.items():
    here = ownership.options(clusters[name].provider)
    members = wiring.members(settings, name, clusters, remote.linked)
    if services := callable_services(name, cluster.locality, members):
        shared = wiring.global_services(settings, clusters[name], services, members)
        others.append(global_zone := GlobalServices(f"{name}-global", shared, checked))
        zones[name].update(global_zone.zones)
    if zones[name]:
        dns = wiring.remote_dns(settings, name, zones[name])
        others.append(RemoteDns(f"{name}-dns", dns, here))
    if cluster.network_policy:
        policy = wiring.egress_policy(settings, name, targets)
        others.append(EgressPolicy(f"{name}-egress-policy", policy, here))

if settings.bookinfo:
    sample = wiring.bookinfo(settings.bookinfo, clusters)
    others.append(bookinfo := Bookinfo("bookinfo", sample, checked))
    pulumi.export("bookinfo", bookinfo.url)

pulumi.export("clusters", wiring.outputs(settings, clusters))
made = wiring.everything(clusters.values(), others)
made = ownership.guard(made)
if settings.peers:
    remote_clusters.finish(settings, remote, made)
