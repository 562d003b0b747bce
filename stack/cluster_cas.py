"""The cluster CAs of this stack: brought by the user, or issued by its root CA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import Input, Output, ResourceOptions

from components.model import CaCerts
from components.trust.root_ca import RootCa
from config.settings import Settings
from stack import issued_cas, providers, wiring


@dataclass(frozen=True, slots=True)
class ClusterCas:
    """The cluster CAs, by cluster."""

    cacerts: Mapping[str, CaCerts[Input[str]] | None]
    """None: the cluster has none, and no link."""
    listed: Output[list[str]] | None = None
    """Fingerprints of the CAs that have a revocation list; None: no list is made."""
    root_ca: RootCa | None = None
    """What issues them, if this stack does."""


def make(settings: Settings) -> ClusterCas:
    """Return the cluster CAs that the user brings, or have them issued, and export some."""
    if not settings.root_ca:
        return ClusterCas(wiring.cacerts(settings))
    provider = providers.make("root_ca", settings.kubeconfig, settings.root_ca.context)
    args = wiring.root_ca(settings, settings.root_ca)
    root_ca = RootCa("root-ca", args, ResourceOptions(provider=provider))
    issued_cas.export(settings.root_ca, root_ca.cacerts)
    return ClusterCas(root_ca.cacerts, root_ca.listed, root_ca)
