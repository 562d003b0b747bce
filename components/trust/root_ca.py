"""The shared root of trust: a cluster of its own that issues one cluster CA per mesh cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input, Output, ResourceOptions

from components import model
from components.charts.crds import Crd
from components.kubectl import Access
from components.model import CaCerts, Root
from components.objects import Component
from components.ownership import claim
from components.ownership.claim import Claim
from components.ownership.root_keys import RootKeys, RootKeysArgs
from components.trust import certificates
from components.trust.cert_manager import CertManagerArgs, install_cert_manager
from components.trust.crl_signing import RevocationList, RevocationListArgs

ROOT_LIFETIME_DAYS = 3650
ROOT_RENEW_BEFORE_DAYS = 1
"""A renewed root is another root to every proxy, so it is rotated by phases, long before that."""
WAIT_SECONDS = 120
"""Longest wait for cert-manager to issue one certificate."""
SELF_SIGNED = "self-signed"


@dataclass(frozen=True, slots=True)
class RootCaArgs:
    """Arguments of `RootCa`."""

    claim: Claim
    """Whose the namespace on the root cluster is."""
    crds: Mapping[str, Crd] | None
    """cert-manager's CRDs that are there; None: they are as they should be, or unseen."""
    access: Access
    """How kubectl reaches the root cluster (only a revocation list needs it)."""
    clusters: Sequence[str]
    """Names of all mesh clusters to issue a cluster CA for."""
    issuing: model.RootCa
    """How they are issued."""


class RootCa(Component):
    """Issues cluster CAs with cert-manager.

    Makes a namespace and, for each root, a self-signed root and its Issuer (or takes the user's
    issuer) and one `Certificate` with `isCA: true` per mesh cluster; reads what was issued. The
    private key of a root stays in its Secret on the root cluster: nothing here reads that Secret. A
    cluster CA that cert-manager has renewed is carried over by the next `pulumi up`.

    While a root is rotated there are two, and each issues a CA for every cluster: to change the
    signer is to pick the other one, which is there already, and to go back is to pick the first
    again (docs/rotation.md).

    cert-manager cannot set a path length (cert-manager/cert-manager#5743), so cluster CAs have
    none unless the user's own issuer adds it.
    """

    cacerts: dict[str, CaCerts[Input[str]]]
    """Name of each mesh cluster to its cluster CA; all values are secrets."""

    with_list: Output[list[str]] | None
    """Fingerprints of the CAs that have a revocation list; None: no list is made."""

    def __init__(self, name: str, args: RootCaArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("istio-multicluster:index:RootCa", name, None, opts)
        self._name = name
        self._claim = args.claim
        self._crds = args.crds
        self._access = args.access
        self._issuing = args.issuing
        ready = self._namespace()
        issuers = {root.name: self._issuer(root, ready) for root in args.issuing.roots}
        issued = {
            cluster: {
                root: self._cluster_ca(cluster, root, reference, after)
                for root, (reference, after) in issuers.items()
            }
            for cluster in args.clusters
        }
        self.with_list, crl = self._revocation_list(issued)
        self.cacerts = {cluster: self._cacerts(issued[cluster], crl) for cluster in issued}
        self.register_outputs({})

    def _put_ready(
        self, kind: str, name: str, spec: dict[str, Any], *depends_on: pulumi.Resource
    ) -> pulumi.CustomResource:
        """Register an object of cert-manager, and wait until it is ready."""
        annotations = {
            "pulumi.com/waitFor": "condition=Ready",
            "pulumi.com/timeoutSeconds": str(WAIT_SECONDS),
        }
        metadata = {"name": name, "namespace": self._issuing.namespace, "annotations": annotations}
        resource_name = f"{self._name}-{name}-{kind.lower()}"
        return self.put(kind, resource_name, metadata, spec, *depends_on)

    def _namespace(self) -> list[pulumi.Resource]:
        """Return what every object of cert-manager has to wait for."""
        resource_name = f"{self._name}-namespace"
        namespace = claim.namespace(
            resource_name, self._issuing.namespace, self._claim, self.options()
        )
        mark = claim.mark(self, f"{self._name}-mark", self._claim, namespace)
        RootKeys(
            f"{self._name}-keys",
            RootKeysArgs(self._issuing.namespace, self._access),
            self.options(namespace),
        )
        wanted = self._issuing.cert_manager
        if wanted is None:
            return [namespace, mark]
        args = CertManagerArgs(
            access=self._access,
            wanted=wanted,
            crds=self._crds,
            claim=self._claim,
            issuers_in=self._issuing.namespace,
            after=[mark],
        )
        return [namespace, mark, install_cert_manager(self, self._name, args)]

    def _issuer(
        self, root: Root, ready: list[pulumi.Resource]
    ) -> tuple[dict[str, str], list[pulumi.Resource]]:
        """Return a reference to the issuer that signs with a root, and what to wait for."""
        if root.issuer:
            return {"name": root.issuer, "kind": root.issuer_kind or "Issuer"}, ready
        name = root.name
        # One for each root: the last phase of a rotation removes the old root with all it had.
        self_signed = self._put_ready("Issuer", f"{name}-{SELF_SIGNED}", {"selfSigned": {}}, *ready)
        spec = certificate_spec(
            {"commonName": name, "subject": {"organizations": ["istio-multicluster"]}},
            name,
            {"name": f"{name}-{SELF_SIGNED}", "kind": "Issuer"},
            ROOT_LIFETIME_DAYS,
            ROOT_RENEW_BEFORE_DAYS,
        )
        # The same key for all its life: every cluster trusts it.
        spec["privateKey"]["rotationPolicy"] = "Never"
        certificate = self._put_ready("Certificate", name, spec, self_signed)
        issuer = self._put_ready("Issuer", name, {"ca": {"secretName": name}}, certificate)
        return {"name": name, "kind": "Issuer"}, [issuer]

    def _cluster_ca(
        self, cluster: str, root: str, issuer: dict[str, str], after: list[pulumi.Resource]
    ) -> Output[CaCerts[str]]:
        """Have a cluster CA issued; return it without revocation lists."""
        issuing = self._issuing
        secret_name = cluster_ca_secret(cluster, root)
        # The name of an issuer is how a revocation list finds its certificate: it is unique.
        who = {
            "commonName": cluster,
            "subject": {"organizations": ["istio-multicluster"], "organizationalUnits": [root]},
        }
        spec = certificate_spec(
            who, secret_name, issuer, issuing.lifetime_days, issuing.renew_before_days
        )
        certificate = self._put_ready("Certificate", secret_name, spec, *after)
        # The id is unknown until the Certificate is issued, so that a first preview reads nothing.
        secret = k8s.core.v1.Secret.get(
            f"{self._name}-{secret_name}",
            certificate.id.apply(lambda _: f"{issuing.namespace}/{secret_name}"),
            self.options(),
        )
        return Output.secret(secret.data.apply(certificates.cacerts_of_tls_secret))

    def _cacerts(
        self, by_root: dict[str, Output[CaCerts[str]]], crl: Output[str] | None
    ) -> CaCerts[Input[str]]:
        """Return a cluster's CA: the first root signs, and all are trusted."""
        signed = by_root[self._issuing.roots[0].name]
        roots = Output.all(*(ca.root_cert for ca in by_root.values()))
        revoked = self._issuing.revoked or ()

        def list_for(values: list[str]) -> str:
            # A revoked cluster is not told: it would only stop trusting itself.
            own = certificates.facts(values[0])[0].serial
            return "" if own in revoked else values[1]

        return CaCerts(
            ca_cert=signed.ca_cert,
            ca_key=signed.ca_key,
            cert_chain=signed.cert_chain,
            root_cert=roots.apply(certificates.roots_bundle),
            ca_crl=None if crl is None else Output.all(signed.ca_cert, crl).apply(list_for),
        )

    def _revocation_list(
        self, issued: dict[str, dict[str, Output[CaCerts[str]]]]
    ) -> tuple[Output[list[str]], Output[str]] | tuple[None, None]:
        """Return which CAs have a list, and the lists."""
        revoked = self._issuing.revoked
        if revoked is None:
            return None, None

        def public(certificate: Output[str]) -> Output[str]:
            return Output.unsecret(certificate)

        # Each root's certificate as a cluster CA's Secret has it: a root's own Secret is not read.
        first = next(iter(issued.values()))
        signers = {root: public(ca.root_cert) for root, ca in first.items()}
        for cluster, by_root in issued.items():
            for root, ca in by_root.items():
                signers[cluster_ca_secret(cluster, root)] = public(ca.ca_cert)
        lists = RevocationList(
            f"{self._name}-revocation-list",
            RevocationListArgs(
                namespace=self._issuing.namespace,
                image=self._issuing.openssl_image,
                signers=signers,
                revoked=sorted(revoked),
                access=self._access,
            ),
            self.options(),
        )
        with_list = Output.all(*signers.values()).apply(
            lambda pems: certificates.fingerprints("\n".join(pems))
        )
        return with_list, lists.crl


def cluster_ca_secret(cluster: str, root: str) -> str:
    """Return the name of the Secret with a cluster's CA; neither part can hold a dot."""
    return f"{cluster}.{root}"


def certificate_spec(
    who: dict[str, Any], secret: str, issuer: dict[str, str], days: int, renew_before_days: int
) -> dict[str, Any]:
    """Return the spec of a CA's `Certificate`.

    Args:
        who: the fields of its subject.
        secret: the Secret that key and certificate are put into.
        issuer: who signs it.
        days: its life.
        renew_before_days: how long before its end it is renewed.
    """
    return {
        "isCA": True,
        **who,
        "secretName": secret,
        "duration": f"{days * 24}h0m0s",
        "renewBefore": f"{renew_before_days * 24}h0m0s",
        # P-256: half the work of RSA in every handshake. A renewed CA gets a new key.
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["cert sign", "crl sign", "digital signature"],
        "issuerRef": issuer,
    }
