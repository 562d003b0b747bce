"""One cluster's half of every link: Istio, its gateways, what it exposes and to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input, Output, ResourceOptions

from components import names
from components.charts import helm
from components.charts.crds import Crd
from components.charts.rendered_chart import RenderedChart, RenderedChartArgs
from components.charts.webhooks_ready import WebhooksReady
from components.cluster import cacerts_secret, istio_values
from components.cluster.control_plane import STRICT_MTLS, ControlPlaneArgs, install_control_plane
from components.cluster.ingress_addresses import IngressAddresses, IngressAddressesArgs
from components.kubectl import Access
from components.model import CaCerts, ExposedPort, Ingress, Istio
from components.objects import Component
from components.outputs import cluster_to_output
from components.ownership import claim
from components.ownership.claim import Claim
from components.specs import inbound, streams
from components.specs.exposed_ports import stream_ports, title
from components.specs.inbound import EXPOSED
from components.trust.crl_rollout import Revocation, RevocationArgs


@dataclass(frozen=True, slots=True)
class IstioClusterArgs:
    """Arguments of `IstioCluster`."""

    claim: Claim
    """Whose the cluster is."""
    access: Access
    """How kubectl reaches the cluster."""
    istio: Istio
    """Which Istio."""
    crds: Mapping[str, Crd] | None
    """Istio's CRDs that are there; None: they are as they should be, or unseen."""
    cacerts: CaCerts[Input[str]] | None
    """The cluster CA; None: istiod signs with a root of its own, which no link can trust."""
    warn_days: int
    """Warn when a certificate of the cluster CA's chain has fewer days left."""
    revocation: str | None
    """Tells one set of revoked certificates from another; None: no revocation lists are used."""
    trust_phase: pulumi.Resource | None
    """The guard that the cluster CA waits for."""
    trust_domain: str
    """Trust domain of the cluster's identities, different in every cluster."""
    link_port: int
    """TCP port of both gateways for traffic between clusters."""
    ingress: Ingress
    """How linked clusters reach the ingress gateway."""
    http_ports: Sequence[int]
    """Further ports of the ingress gateway for ordinary north-south traffic."""
    replicas: int
    """Least number of pods of istiod and of each gateway."""
    exposes: Sequence[ExposedPort]
    """What linked clusters may call."""
    callers: Mapping[str, str]
    """Name of each linked cluster to its trust domain."""
    dns_capture: bool
    """Let sidecars answer for the linked zones, instead of the cluster's DNS."""
    caller_identity: bool
    """Let the header pass that names the calling workload, from linked clusters only."""


class IstioCluster(Component):
    """Istio on one cluster, ready to be linked to others.

    Makes the namespaces `istio-system` and `istio-gateways`, the Secret `cacerts`, the charts base,
    istiod and two gateways, mesh-wide strict mTLS, the Gateway and VirtualService of the exposed
    services and the policy that shuts the link port to all but the linked clusters' egress
    gateways. The name of the component is the name of the cluster.

    Order matters: gateway pods get their image from istiod's webhook, so it answers before they
    are made.
    """

    cluster_name: str
    """The cluster's name."""
    provider: pulumi.ProviderResource
    """The provider of the cluster, for objects that others put there."""
    claim: Claim
    """Whose the cluster is, for namespaces that others make there."""
    link_port: int
    """The cluster's link port."""
    exposes: Sequence[ExposedPort]
    """What the cluster exposes."""
    exposing_resources: Sequence[pulumi.Resource]
    """The objects by which it does."""
    dns_capture: bool
    """Whether its sidecars answer for the linked zones."""
    control_plane: pulumi.Resource
    """Ready when Istio's CRDs and webhooks answer: what any Istio object has to wait for."""
    system_namespace: k8s.core.v1.Namespace
    """The namespace `istio-system`."""
    gateway_namespace: k8s.core.v1.Namespace
    """The namespace `istio-gateways`."""
    gateway_resources: Output[list[pulumi.Resource]]
    """What the charts of the gateways made: to wait for the component does not include that."""
    ingress_addresses: Output[list[str]]
    """IP addresses or host names by which linked clusters reach the ingress gateway."""
    ingress_port: int
    """The port that they dial there: the link port, unless there is something in between."""
    ingress_cluster_ip: Output[str]
    """Its address inside the cluster, at the link port."""
    ingress_spiffe_id: Output[str]
    """The identity that the ingress gateway proves to callers."""
    egress_spiffe_id: Output[str]
    """The identity with which the egress gateway calls."""
    trust: Output[dict[str, Any]]
    """Its cluster CA and roots (subject, serial, fingerprint, end) and which root signs; empty
    without a cluster CA. The fingerprints of the roots are equal on clusters that are linked."""

    def __init__(
        self, name: str, args: IstioClusterArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("istio-multicluster:index:IstioCluster", name, None, opts)
        self.cluster_name = name
        self.provider = self.kubernetes_provider()
        self.link_port = args.link_port
        self.exposes = args.exposes
        self.dns_capture = args.dns_capture
        self.claim = args.claim
        self._args = args

        cacerts = args.cacerts
        self.trust = cacerts_secret.describe(cacerts) if cacerts else Output.from_input({})
        self.gateway_namespace = self._namespace(names.GATEWAY_NAMESPACE)
        mark = claim.mark(self, f"{name}-mark", self.claim, self.gateway_namespace)
        # Whatever else is made waits for this one, or for what it waits for.
        self.system_namespace = self._namespace(names.SYSTEM_NAMESPACE, mark)
        secret = self._cacerts()
        self.control_plane = self._control_plane(secret)
        after_istiod = [self.control_plane, self.gateway_namespace, *self._revocation(secret)]
        node_port = args.ingress.node_port
        ingress_service = {
            "type": args.ingress.service,
            "ports": istio_values.ingress_ports(self.link_port, args.http_ports, node_port),
        }
        egress_service = {
            "type": "ClusterIP",
            "ports": istio_values.egress_ports(self.link_port),
        }
        north_south = bool(args.http_ports)
        ingress = self._gateway(names.INGRESS, ingress_service, north_south, after_istiod)
        egress = self._gateway(names.EGRESS, egress_service, False, after_istiod)
        self.gateway_resources = Output.all(ingress.resources, egress.resources).apply(
            lambda charts: [resource for chart in charts for resource in chart]
        )
        self._strict_mtls()
        self.exposing_resources = self._expose(after_istiod)

        domain = args.trust_domain
        service = ingress.services[0]
        self.ingress_addresses = self._ingress_addresses(service)
        self.ingress_port = args.ingress.port
        self.ingress_cluster_ip = service.spec.apply(lambda spec: spec.cluster_ip or "")
        self.ingress_spiffe_id = Output.from_input(names.spiffe_id(domain, names.INGRESS))
        self.egress_spiffe_id = Output.from_input(names.spiffe_id(domain, names.EGRESS))
        self.register_outputs(cluster_to_output(self))

    def _namespace(self, name: str, *after: pulumi.Resource) -> k8s.core.v1.Namespace:
        resource_name = f"{self.cluster_name}-{name}"
        return claim.namespace(resource_name, name, self.claim, self.options(*after))

    def _cacerts(self) -> list[pulumi.Resource]:
        cacerts = self._args.cacerts
        if cacerts is None:
            return []
        files = cacerts_secret.checked(self.cluster_name, cacerts, self._args.warn_days)
        guard = self._args.trust_phase
        secret = k8s.core.v1.Secret(
            f"{self.cluster_name}-cacerts",
            metadata={"name": "cacerts", "namespace": names.SYSTEM_NAMESPACE},
            string_data=files.apply(cacerts_secret.secret_data),
            opts=self.options(self.system_namespace, *([guard] if guard else [])),
        )
        return [secret]

    def _revocation(self, secret: list[pulumi.Resource]) -> list[pulumi.Resource]:
        """Return what the gateways wait for when revocation lists are used."""
        cacerts = self._args.cacerts
        if cacerts is None or self._args.revocation is None:
            return []
        wait = Revocation(
            f"{self.cluster_name}-revocation",
            RevocationArgs(cacerts_secret.revocation_lists(cacerts), self._args.access),
            self.options(*secret, self.control_plane, self.gateway_namespace),
        )
        return [wait]

    def _control_plane(self, cacerts: list[pulumi.Resource]) -> WebhooksReady:
        args, istio = self._args, self._args.istio
        values = istio_values.istiod_values(
            istio.istiod_values,
            trust_domain=args.trust_domain,
            plugged=args.cacerts is not None,
            replicas=args.replicas,
            dns_capture=args.dns_capture,
            images={
                "hub": istio.hub,
                "tag": istio.version,
                "istiod": istio.istiod_image,
                "proxy": istio.proxy_image,
            },
        )
        wanted = ControlPlaneArgs(
            access=args.access,
            istio=istio,
            values=values,
            crds=args.crds,
            uid=args.claim.mark.uid,
            after=[self.system_namespace],
            cacerts=cacerts,
        )
        return install_control_plane(self, self.cluster_name, wanted)

    def _gateway(
        self,
        release: str,
        service: dict[str, Any],
        secrets: bool,
        after: Sequence[pulumi.Resource],
    ) -> RenderedChart:
        istio = self._args.istio
        values = istio_values.gateway_values(
            istio.gateway_values,
            service=service,
            replicas=self._args.replicas,
            secrets=secrets,
            revocation=self._args.revocation,
        )
        return RenderedChart(
            f"{self.cluster_name}-{release.removeprefix('istio-')}",
            RenderedChartArgs(
                release=release,
                namespace=names.GATEWAY_NAMESPACE,
                location=helm.location(istio.repository, "gateway", istio.version),
                values=values,
                after=after,
            ),
            self.options(),
        )

    def _ingress_addresses(self, service: Output[k8s.core.v1.Service]) -> Output[list[str]]:
        wanted = self._args.ingress
        if wanted.addresses:
            return Output.from_input([*wanted.addresses])
        return IngressAddresses(
            f"{self.cluster_name}-ingress-addresses",
            IngressAddressesArgs(
                self.cluster_name, service.id, wanted.wait_seconds, self._args.access
            ),
            self.options(),
        ).addresses

    def _strict_mtls(self) -> None:
        self.put(
            "PeerAuthentication",
            f"{self.cluster_name}-strict-mtls",
            STRICT_MTLS["metadata"],
            STRICT_MTLS["spec"],
            self.control_plane,
        )

    def _expose(self, after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        """Return the objects of the cluster's boundary."""
        cluster = self.cluster_name
        boundary = inbound.Boundary(
            cluster=cluster,
            trust_domain=self._args.trust_domain,
            link_port=self.link_port,
            callers=self._args.callers,
            exposes=self.exposes,
            caller_identity=self._args.caller_identity,
        )

        def put(
            kind: str, suffix: str, name: str, spec: dict[str, Any], *after: pulumi.Resource
        ) -> pulumi.Resource:
            metadata = {"name": name, "namespace": names.GATEWAY_NAMESPACE}
            return self.put(kind, f"{cluster}-{suffix}", metadata, spec, *after)

        spec = inbound.policy(boundary)
        policy = put("AuthorizationPolicy", "link-policy", "link-port", spec, *after)
        # Nothing is opened before the policy that limits it is there.
        gateway = put("Gateway", EXPOSED, EXPOSED, inbound.gateway(boundary), policy)
        resources = [policy, gateway]
        for port in stream_ports(self.exposes):
            name = title(port)
            spec = streams.arrival_route(cluster, EXPOSED, port)
            resources.append(put("VirtualService", f"expose-{name}", name, spec, policy))
        if http := inbound.virtual_service(boundary):
            resources.append(put("VirtualService", EXPOSED, EXPOSED, http, policy))
        return resources
