"""The addresses of a cluster's ingress gateway that its load balancer has, now and later.

They come from the status of the Service, which no configuration has and Pulumi's state keeps as it
was: a dynamic resource waits for them, and looks at them in every preview, see
docs/adr/0013-previews-look-at-load-balancers.md.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from components import names
from components.kubectl import UNREACHABLE, Access, Kubectl, KubectlError, MissingError

SERVICE = f"{names.GATEWAY_NAMESPACE}/{names.INGRESS}"

LOOK_SECONDS = 10
"""The longest that a preview waits for one cluster to show its Service."""

INTERVAL_SECONDS = 2


class IngressAddressesProvider(ResourceProvider):
    """Waits and looks. State is pickled by reference: do not rename or move it."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare with what the load balancer has now; the links follow when that has changed.

        Nothing else counts: a kubeconfig with another path has the same cluster in it.
        """
        away = news.get(UNREACHABLE)
        return DiffResult(changes=not away and _moved(news, olds.get("addresses") or []))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait for addresses."""
        return CreateResult(id_=SERVICE, outs={**props, "addresses": _wait(props)})

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Take the addresses that are there now."""
        return UpdateResult({**news, "addresses": _wait(news)})


class IngressAddresses(Resource, module="istio-multicluster", name="IngressAddresses"):
    """The addresses that the load balancer of a cluster's ingress gateway has.

    Raises on `up` when it has none within `wait_seconds`.
    """

    addresses: pulumi.Output[list[str]]
    """IP addresses and host names, at least one."""

    def __init__(
        self,
        name: str,
        *,
        cluster: str,
        service: pulumi.Input[str],
        wait_seconds: int,
        access: Access,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Register them.

        Args:
            name: Pulumi name.
            cluster: the cluster's name, for messages.
            service: id of the Service, which has to be there first.
            wait_seconds: the longest wait.
            access: how kubectl reaches the cluster.
            opts: parent.
        """
        props = {
            "cluster": cluster,
            "service": service,
            "waitSeconds": wait_seconds,
            **access,
            "addresses": None,
        }
        super().__init__(IngressAddressesProvider(), name, props, opts)


def _found(kubectl: Kubectl) -> list[str]:
    service = kubectl.get("service", names.GATEWAY_NAMESPACE, names.INGRESS) or {}
    entries = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [entry.get("ip") or entry["hostname"] for entry in entries]


def _moved(props: dict[str, Any], known: list[str]) -> bool:
    """Tell whether there are other addresses now; nobody that does not answer ends a preview."""
    where = f"Service {SERVICE} of cluster {props['cluster']}"
    try:
        found = _found(Kubectl.of(props, seconds=LOOK_SECONDS))
    except KubectlError as error:
        _say(f"warning: cannot see which addresses {where} has; the known ones stay: {error}")
        return False
    if not found:
        _say(f"warning: {where} has no load balancer address any more; the known ones stay")
        return False
    # Some load balancers list the same addresses in another order each time.
    if sorted(found) == sorted(known):
        return False
    _say(f"{where} now has {', '.join(found)}, and had {', '.join(known)}: the links follow")
    return True


def _wait(props: dict[str, Any]) -> list[str]:
    kubectl, cluster = Kubectl.of(props), props["cluster"]
    seconds = int(props["waitSeconds"])  # Pulumi's numbers are floats
    end = time.monotonic() + seconds
    said, error = False, ""
    while True:
        try:
            if found := _found(kubectl):
                return found
            error = ""
        except MissingError:
            raise
        except KubectlError as failure:
            error = f" (asked last: {failure})"
        if time.monotonic() >= end:
            break
        if not said:
            _say(f"waiting up to {seconds} s for Service {SERVICE} of cluster {cluster}")
            said = True
        time.sleep(min(INTERVAL_SECONDS, max(0.0, end - time.monotonic())))
    raise KubectlError(
        f"cluster {cluster}: Service {SERVICE} has no load balancer address after {seconds} s, so "
        f"no cluster can be linked to it{error}. Its events say why: `kubectl --context "
        f"{kubectl.context} -n {names.GATEWAY_NAMESPACE} describe service {names.INGRESS}`. If it "
        f"only takes longer, run `up` again or raise clusters.{cluster}.ingress.waitSeconds; if "
        f"there is no load balancer give clusters.{cluster}.ingress.addresses"
    )


def _say(message: str) -> None:
    """Tell the user; Pulumi shows what a provider writes to stderr."""
    print(message, file=sys.stderr, flush=True)
