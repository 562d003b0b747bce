"""What the state knows the stack and its clusters by: made once, kept for good."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi import Input
from pulumi.dynamic import CheckResult, Resource

from components.dynamic import Kind
from components.handler import Handler, Props


class IdentityHandler(Handler):
    """Keeps the first value that it was given; changes nothing anywhere."""

    id = "identity"
    compared = ("value",)

    def check(self, olds: Props, news: Props) -> CheckResult:
        """Put the value that the state has in place of the one that is offered now."""
        kept = news["value"] if news.get("replace") else olds.get("value") or news["value"]
        return CheckResult({**news, "value": kept}, [])


@dataclass(frozen=True, slots=True)
class IdentityArgs:
    """Arguments of `Identity`."""

    offered: Input[str]
    """What is kept if the state has nothing yet; empty: nothing is known."""
    replace: bool = False
    """Keep this one from now on, whatever the state has."""


class Identity(Resource, module="istio-multicluster", name="Identity"):
    """An ID of the stack, or of one of its clusters.

    The program offers one at each run, so that it is known in a first preview as well; that of the
    first `up` stays.
    """

    value: pulumi.Output[str]
    """What is kept."""

    def __init__(
        self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register it.

        Args:
            name: Pulumi name.
            args: what is offered.
            opts: parent and dependencies.
        """
        props = {"value": args.offered, "replace": args.replace}
        super().__init__(Kind("Identity"), name, props, opts)
