"""The addresses of a cluster's ingress gateway that its load balancer has, now and later.

They come from the status of the Service, which no configuration has and Pulumi's state keeps as it
was: a dynamic resource waits for them, and looks at them in every preview, see
docs/adr/0013-previews-look-at-load-balancers.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import DiffResult, Resource

from components import names
from components.dynamic import Kind
from components.handler import Handler, Props
from components.kubectl import UNREACHABLE, Access, Kubectl, KubectlError, MissingError

SERVICE = f"{names.GATEWAY_NAMESPACE}/{names.INGRESS}"

LOOK_SECONDS = 10
"""The longest that a preview waits for one cluster to show its Service."""


class IngressAddressesHandler(Handler):
    """Waits and looks."""

    id = SERVICE

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare with what the load balancer has now; the links follow when that has changed.

        Nothing else counts: a kubeconfig with another path has the same cluster in it.
        """
        away = news.get(UNREACHABLE)
        return DiffResult(changes=not away and self._moved(news, olds.get("addresses") or []))

    def outputs(self, props: Props, _olds: Props) -> Props:
        """Wait for addresses, and take those that are there now."""
        return {**props, "addresses": self._wait(props)}

    def _moved(self, props: Props, known: list[str]) -> bool:
        """Tell whether there are other addresses now; no cluster that is silent ends a preview."""
        where = f"Service {SERVICE} of cluster {props['cluster']}"
        try:
            current = _addresses(Kubectl.from_props(props, seconds=LOOK_SECONDS))
        except KubectlError as error:
            self.say(
                f"warning: cannot see which addresses {where} has; the known ones stay: {error}"
            )
            return False
        if not current:
            self.say(f"warning: {where} has no load balancer address any more; the known ones stay")
            return False
        # Some load balancers list the same addresses in another order each time.
        if sorted(current) == sorted(known):
            return False
        self.say(
            f"{where} now has {', '.join(current)}, and had {', '.join(known)}: the links follow"
        )
        return True

    def _wait(self, props: Props) -> list[str]:
        kubectl, cluster = Kubectl.from_props(props), props["cluster"]
        seconds = int(props["waitSeconds"])  # Pulumi's numbers are floats
        failure = ""

        def look() -> list[str] | None:
            nonlocal failure
            try:
                addresses = _addresses(kubectl)
            except MissingError:
                raise
            except KubectlError as error:
                failure = f" (asked last: {error})"
                return None
            failure = ""
            return addresses or None

        addresses = self.poll(look, seconds, f"Service {SERVICE} of cluster {cluster}")
        if addresses is not None:
            return addresses
        raise KubectlError(
            f"cluster {cluster}: Service {SERVICE} has no load balancer address after {seconds} s, "
            f"so no cluster can be linked to it{failure}. Its events say why: `kubectl --context "
            f"{kubectl.context} -n {names.GATEWAY_NAMESPACE} describe service {names.INGRESS}`. If "
            f"it only takes longer, run `up` again or raise clusters.{cluster}.ingress.waitSeconds;"
            f" if there is no load balancer give clusters.{cluster}.ingress.addresses"
        )


@dataclass(frozen=True)
class IngressAddressesArgs:
    """Arguments of `IngressAddresses`."""

    cluster: str
    """The cluster's name, for messages."""
    service: pulumi.Input[str]
    """Id of the Service, which has to be there first."""
    wait_seconds: int
    """The longest wait."""
    access: Access
    """How kubectl reaches the cluster."""


class IngressAddresses(Resource, module="istio-multicluster", name="IngressAddresses"):
    """The addresses that the load balancer of a cluster's ingress gateway has.

    Raises on `up` when it has none within `wait_seconds`.
    """

    addresses: pulumi.Output[list[str]]
    """IP addresses and host names, at least one."""

    def __init__(
        self, name: str, args: IngressAddressesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register them.

        Args:
            name: Pulumi name.
            args: where they come from.
            opts: parent.
        """
        props = {
            "cluster": args.cluster,
            "service": args.service,
            "waitSeconds": args.wait_seconds,
            **args.access,
            "addresses": None,
        }
        super().__init__(Kind("IngressAddresses"), name, props, opts)


def _addresses(kubectl: Kubectl) -> list[str]:
    service = kubectl.get("service", names.GATEWAY_NAMESPACE, names.INGRESS) or {}
    entries = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [entry.get("ip") or entry["hostname"] for entry in entries]
