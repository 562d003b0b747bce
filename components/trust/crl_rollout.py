"""Put a revocation in force: wait until a cluster has the list, before its gateways restart."""

from __future__ import annotations

import time
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from components import names
from components.kubectl import Access, Kubectl, KubectlError
from components.model import CA_CRL

WAIT_SECONDS = 240
"""kubelet brings the Secret into istiod within about 90 s; istiod then writes the ConfigMaps."""


class RevocationProvider(ResourceProvider):
    """Waits. Pulumi pickles it into the state by reference: do not rename or move it."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Wait anew for another list."""
        return DiffResult(changes=olds.get("crl") != news.get("crl"))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait for the list."""
        _wait(props)
        return CreateResult(id_="revocation", outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Wait for the list."""
        _wait(news)
        return UpdateResult(news)


class Revocation(Resource, module="istio-multicluster", name="Revocation"):
    """The revocation list as istiod has put it beside the gateways, where new pods read it.

    Connections that are open stay open, whatever a list says: Envoy looks at it in handshakes
    only. So the gateways restart when something is revoked, and that only helps once it is there.

    Raises on `up` when it is not there within `WAIT_SECONDS`.
    """

    def __init__(
        self,
        name: str,
        *,
        crl: pulumi.Input[str],
        access: Access,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Register the wait.

        Args:
            name: Pulumi name.
            crl: the lists, PEM; empty: nothing to wait for.
            access: how kubectl reaches the cluster.
            opts: parent and dependencies: the Secret and istiod.
        """
        super().__init__(RevocationProvider(), name, {"crl": crl, **access}, opts)


def _wait(props: dict[str, Any]) -> None:
    if not props["crl"]:
        return
    kubectl = Kubectl.of(props)
    end = time.monotonic() + WAIT_SECONDS
    while True:
        found = kubectl.get_config_map(names.GATEWAY_NAMESPACE, names.REVOCATION_LISTS)
        if ((found or {}).get("data") or {}).get(CA_CRL) == props["crl"]:
            return
        if time.monotonic() > end:
            raise KubectlError(
                f"in context {kubectl.context!r} istiod has not put the revocation list into "
                f"ConfigMap {names.GATEWAY_NAMESPACE}/{names.REVOCATION_LISTS} within "
                f"{WAIT_SECONDS} s; its log says why it refuses a list "
                "(`kubectl logs -n istio-system deploy/istiod`)"
            )
        time.sleep(2)
