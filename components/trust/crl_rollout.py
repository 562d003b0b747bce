"""Put a revocation in force: wait until a cluster has the list, before its gateways restart."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components import names
from components.dynamic import Kind
from components.handler import Handler, Props
from components.kubectl import Access, Kubectl, KubectlError
from components.model import CA_CRL

WAIT_SECONDS = 240
"""kubelet brings the Secret into istiod within about 90 s; istiod then writes the ConfigMaps."""


class RevocationHandler(Handler):
    """Waits, and anew for another list."""

    id = "revocation"
    compared = ("crl",)

    def outputs(self, props: Props, _olds: Props) -> Props:
        """Wait for the list."""
        if props["crl"]:
            self._wait(Kubectl.from_props(props), props["crl"])
        return props

    def _wait(self, kubectl: Kubectl, crl: str) -> None:
        where = f"ConfigMap {names.GATEWAY_NAMESPACE}/{names.REVOCATION_LISTS}"

        def look() -> bool | None:
            lists = kubectl.get("configmap", names.GATEWAY_NAMESPACE, names.REVOCATION_LISTS)
            return ((lists or {}).get("data") or {}).get(CA_CRL) == crl or None

        what = f"the revocation list in {where} in context {kubectl.context!r}"
        if not self.poll(look, WAIT_SECONDS, what):
            raise KubectlError(
                f"in context {kubectl.context!r} istiod has not put the revocation list into "
                f"{where} within {WAIT_SECONDS} s; its log says why it refuses a list "
                "(`kubectl logs -n istio-system deploy/istiod`)"
            )


@dataclass(frozen=True)
class RevocationArgs:
    """Arguments of `Revocation`."""

    crl: pulumi.Input[str]
    """The lists, PEM; empty: nothing to wait for."""
    access: Access
    """How kubectl reaches the cluster."""


class Revocation(Resource, module="istio-multicluster", name="Revocation"):
    """The revocation list as istiod has put it beside the gateways, where new pods read it.

    Connections that are open stay open, whatever a list says: Envoy looks at it in handshakes
    only. So the gateways restart when something is revoked, and that only helps once it is there.

    Raises on `up` when it is not there within `WAIT_SECONDS`.
    """

    def __init__(
        self, name: str, args: RevocationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the wait.

        Args:
            name: Pulumi name.
            args: what is waited for.
            opts: parent and dependencies: the Secret and istiod.
        """
        super().__init__(Kind("Revocation"), name, {"crl": args.crl, **args.access}, opts)
