"""Wait until the webhooks of what a chart has installed answer.

istiod and cert-manager write the CA of their webhooks some time after their pods are ready. What
the webhooks judge is refused until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import Input
from pulumi.dynamic import Resource

from components.dynamic import Kind
from components.errors import ComponentError
from components.handler import Handler, Props
from components.kubectl import Access, Kubectl, KubectlError

WAIT_SECONDS = 120
INTERVAL_SECONDS = 0.5
_API = "admissionregistration.k8s.io/v1"


class NotReadyError(ComponentError):
    """Webhooks do not answer."""


class WebhooksReadyHandler(Handler):
    """Waits whenever what is installed has changed; changes nothing itself."""

    id = "webhooks-ready"
    compared = ("installed", "cluster")

    def outputs(self, props: Props, olds: Props) -> Props:
        """Wait.

        Raises:
            NotReadyError: with what is missing.
        """
        kubectl = Kubectl.from_props(props)
        missing = ""

        def look() -> bool | None:
            nonlocal missing
            missing = _missing(kubectl, props["webhooks"], props["probe"])
            return None if missing else True

        what = f"the webhooks of {props['what']} in context {kubectl.context!r}"
        if not self.poll(look, WAIT_SECONDS, what, INTERVAL_SECONDS):
            raise NotReadyError(
                f"context {kubectl.context!r}: {props['what']} runs, and its webhooks do not "
                f"answer after {WAIT_SECONDS} s ({missing}); look at the log of its pods, then run "
                "`pulumi up` again"
            )
        return props


def _missing(kubectl: Kubectl, webhooks: Sequence[str], probe: Mapping[str, Any]) -> str:
    """Return what is not as it should be; empty: nothing."""
    pairs = [item.split("/") for item in webhooks]
    try:
        found = kubectl.get_all([(_API, kind, "", name) for kind, name in pairs])
        complete = {
            f"{item['kind']}/{item['metadata']['name']}"
            for item in found
            if all(hook["clientConfig"].get("caBundle") for hook in item.get("webhooks") or ())
        }
        if waiting := sorted({*webhooks} - complete):
            return f"without caBundle: {', '.join(waiting)}"
        kubectl.try_out(probe)
    except KubectlError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class WebhooksReadyArgs:
    """Arguments of `WebhooksReady`."""

    what: str
    """What has been installed, for messages."""
    installed: str
    """Tells one installation from another: after a change there is a wait again."""
    cluster: Input[str]
    """UID of the cluster: one that was built anew is waited for as well."""
    webhooks: Input[Sequence[str]]
    """`kind/name` of each configuration of webhooks that has to be completed."""
    probe: Mapping[str, Any]
    """An object that the webhooks judge, and that the deployer may make: nothing is kept of it."""
    access: Access
    """How kubectl reaches the cluster."""


class WebhooksReady(Resource, module="istio-multicluster", name="WebhooksReady"):
    """There when CRDs and webhooks answer: what any object of their kinds waits for.

    Raises, on `up`, when they do not within 120 s.
    """

    def __init__(
        self, name: str, args: WebhooksReadyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the wait.

        Args:
            name: Pulumi name.
            args: what is waited for.
            opts: parent and dependencies.
        """
        props = {
            **args.access,
            "what": args.what,
            "installed": args.installed,
            "cluster": args.cluster,
            "webhooks": args.webhooks,
            "probe": args.probe,
        }
        super().__init__(Kind("WebhooksReady"), name, props, opts)
