"""The shared root of trust: a cluster of its own that issues one cluster CA per mesh cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Output, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from . import certificates
from .certificates import CaCerts
from .custom_resources import custom_resource

ROOT = "root-ca"
ROOT_LIFETIME_DAYS = 3650
WAIT_SECONDS = 120
"""Longest wait for cert-manager to issue one certificate."""


class RootCaArgs(TypedDict):
    """Arguments of `RootCa`."""

    clusters: Sequence[str]
    """Names of the mesh clusters to issue a cluster CA for."""
    namespace: str
    """Namespace on the root cluster for keys and certificates; made by this component."""
    lifetime_days: int
    """Life of a cluster CA, in days."""
    renew_before_days: int
    """How long before its end cert-manager renews it, in days."""


class RootCa(pulumi.ComponentResource):
    """Issues cluster CAs with cert-manager, which has to run on the root cluster already.

    Makes a namespace, a self-signed root, its Issuer, and one `Certificate` with `isCA: true` per
    mesh cluster, and reads what was issued. The root's private key stays in its Secret on the root
    cluster: nothing here reads that Secret. A cluster CA that cert-manager has renewed is carried
    over by the next `pulumi up`.
    """

    cacerts: dict[str, CaCerts]
    """Name of each mesh cluster to its cluster CA; all values are secrets."""

    def __init__(
        self,
        name: str,
        args: RootCaArgs,
        provider: k8s.Provider,
        opts: ResourceOptions | None = None,
    ) -> None:
        opts = ResourceOptions.merge(opts, ResourceOptions(providers=[provider]))
        super().__init__("istio-multicluster:index:RootCa", name, None, opts)
        self._name = name
        self._args = args
        self._provider = provider
        issuer = self._root()
        self.cacerts = {cluster: self._cluster_ca(cluster, issuer) for cluster in args["clusters"]}
        self.register_outputs({})

    def _options(self, *depends_on: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(parent=self, provider=self._provider, depends_on=list(depends_on))

    def _put(
        self, kind: str, name: str, spec: dict[str, Any], *depends_on: pulumi.Resource
    ) -> CustomResource:
        annotations = {
            "pulumi.com/waitFor": "condition=Ready",
            "pulumi.com/timeoutSeconds": str(WAIT_SECONDS),
        }
        metadata = {"name": name, "namespace": self._args["namespace"], "annotations": annotations}
        resource_name = f"{self._name}-{name}-{kind.lower()}"
        return custom_resource(resource_name, kind, metadata, spec, self._options(*depends_on))

    def _root(self) -> pulumi.Resource:
        """Make the root certificate and return the Issuer that signs with it."""
        namespace = k8s.core.v1.Namespace(
            f"{self._name}-namespace",
            metadata={"name": self._args["namespace"]},
            opts=self._options(),
        )
        self_signed = self._put("Issuer", "self-signed", {"selfSigned": {}}, namespace)
        certificate = self._put(
            "Certificate",
            ROOT,
            certificate_spec(ROOT, "self-signed", ROOT_LIFETIME_DAYS, ROOT_LIFETIME_DAYS // 10),
            self_signed,
        )
        return self._put("Issuer", ROOT, {"ca": {"secretName": ROOT}}, certificate)

    def _cluster_ca(self, cluster: str, issuer: pulumi.Resource) -> CaCerts:
        secret_name = f"cluster-ca-{cluster}"
        args = self._args
        certificate = self._put(
            "Certificate",
            secret_name,
            certificate_spec(secret_name, ROOT, args["lifetime_days"], args["renew_before_days"]),
            issuer,
        )
        # The id is unknown until the Certificate is issued, so that a first preview reads nothing.
        secret = k8s.core.v1.Secret.get(
            f"{self._name}-{secret_name}",
            certificate.id.apply(lambda _: f"{args['namespace']}/{secret_name}"),
            self._options(),
        )
        issued: Output[dict[str, str]] = Output.secret(
            secret.data.apply(certificates.cacerts_of_tls_secret)
        )
        return CaCerts(
            ca_cert=issued["ca_cert"],
            ca_key=issued["ca_key"],
            cert_chain=issued["cert_chain"],
            root_cert=issued["root_cert"],
        )


def certificate_spec(name: str, issuer: str, days: int, renew_before_days: int) -> dict[str, Any]:
    """Return the spec of a CA's `Certificate`.

    Args:
        name: its common name and the name of its Secret.
        issuer: the Issuer that signs it.
        days: its life.
        renew_before_days: how long before its end it is renewed.
    """
    return {
        "isCA": True,
        "commonName": name,
        "subject": {"organizations": ["istio-multicluster"]},
        "secretName": name,
        "duration": f"{days * 24}h0m0s",
        "renewBefore": f"{renew_before_days * 24}h0m0s",
        # A renewed CA gets a new key; the root keeps its own, which all clusters trust.
        "privateKey": {
            "algorithm": "ECDSA",
            "size": 256,
            "rotationPolicy": "Never" if name == ROOT else "Always",
        },
        "usages": ["cert sign", "crl sign", "digital signature"],
        "issuerRef": {"name": issuer, "kind": "Issuer"},
    }
