"""What the state has of the provider of a dynamic resource: this class, and the name of a kind.

Pulumi pickles the provider into the state and, as long as no property of the resource changes,
leaves it there; the next refresh or destroy starts from that pickle. So neither the path of `Kind`
nor any name in `HANDLERS` may ever change; where a handler is may. What does the work is looked up
when it is needed, see docs/adr/0018-dynamic-resources-in-the-state.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pulumi.dynamic import (
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

from components import orphan
from components.errors import ComponentError
from components.handler import Handler, Props

HANDLERS: Mapping[str, str] = {
    "ClusterDns": "components.dns.cluster_dns:ClusterDnsHandler",
    "ClusterMark": "components.ownership.cluster_mark:ClusterMarkHandler",
    "Crds": "components.charts.crds:CrdsHandler",
    "Identity": "components.ownership.identity:IdentityHandler",
    "Importers": "components.link.destroy_guard:ImportersHandler",
    "IngressAddresses": "components.cluster.ingress_addresses:IngressAddressesHandler",
    "IstiodLeftovers": "components.cluster.istiod_leftovers:IstiodLeftoversHandler",
    "OwnershipGuard": "components.ownership.guard:OwnershipGuardHandler",
    "Revocation": "components.trust.crl_rollout:RevocationHandler",
    "RevocationList": "components.trust.crl_signing:RevocationListHandler",
    "RootKeys": "components.ownership.root_keys:RootKeysHandler",
    "TrustPhase": "components.trust.rotation_guard:TrustPhaseHandler",
    "WebhooksReady": "components.charts.webhooks_ready:WebhooksReadyHandler",
}
"""Each kind to the module and the class of its handler."""


class UnknownKindError(ComponentError):
    """The state has a dynamic resource of a kind that this version does not know."""


class Kind(ResourceProvider):
    """The provider of all dynamic resources of one kind. Never rename or move it."""

    serialize_as_secret_always = False

    name: str

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickled are this class, by its path, and the name: no code, and nothing of the handler.
        return Kind, (self.name,)

    @cached_property
    def handler(self) -> Handler:
        """What does the work.

        It is imported here and not above: the plugin would load every component for each kind.
        This runs in the plugin, never in the program: there the kind is only pickled.
        """
        if self.name not in HANDLERS:
            raise UnknownKindError(
                f"there is no kind {self.name!r} of dynamic resources: a newer version of this "
                "program has written it into the state; use that version"
            )
        module, _, name = HANDLERS[self.name].partition(":")
        handler = getattr(importlib.import_module(module), name)()
        assert isinstance(handler, Handler)
        orphan.watch()
        return handler

    def configure(self, req: ConfigureRequest) -> None:
        """Hand the stack's configuration on."""
        self.handler.configure(req)

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Ask the handler."""
        return self.handler.check(_olds, news)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Ask the handler."""
        return self.handler.diff(_id, _olds, _news)

    def create(self, props: Props) -> CreateResult:
        """Ask the handler."""
        return self.handler.create(props)

    def read(self, id_: str, props: Props) -> ReadResult:
        """Ask the handler."""
        return self.handler.read(id_, props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Ask the handler."""
        return self.handler.update(_id, _olds, _news)

    def delete(self, _id: str, _props: Props) -> None:
        """Ask the handler."""
        self.handler.delete(_id, _props)
