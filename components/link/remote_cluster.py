"""What a link needs of its target, where the target is a cluster of another stack: data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi import Output, Resource

from components import names
from components.errors import ComponentError
from components.specs.exposed_ports import ExposedService
from components.specs.traffic_policy import Policy

NEEDED = {"service", "namespace", "port", "protocol", "address", "allow"}
"""What every exposed port has."""


class UnreadableError(ComponentError, ValueError):
    """A stack's outputs are not what this program exports; the message says what is missing."""


@dataclass(frozen=True)
class Peer:
    """A linked cluster of another stack, as that stack's output `clusters.NAME` tells of it.

    What a direction of a link needs of its target has the names that it has in `IstioCluster`.
    """

    cluster_name: str
    """Its name."""
    ingress_port: int
    """The port that is dialled there."""
    exposes: Sequence[ExposedService]
    """What it exposes."""
    ingress_addresses: Output[list[str]]
    """IP addresses or host names of its ingress gateway."""
    ingress_spiffe_id: Output[str]
    """The identity that its ingress gateway proves."""
    exposures: Sequence[Resource]
    """The objects by which it exposes: none of this stack's."""
    locality: str
    """Where it is: `region` or `region/zone`; empty: unknown."""
    trust_domain: str
    """Trust domain of its identities."""
    roots: Sequence[str]
    """Fingerprints of the roots that it trusts; none: it has no cluster CA."""
    signer: str
    """Fingerprint of the root that its cluster CA comes from."""


def of_outputs(name: str, outputs: Mapping[str, Any]) -> Peer:
    """Return a peer.

    Args:
        name: the cluster's name.
        outputs: the output `clusters.NAME` of its stack.

    Raises:
        UnreadableError: something is missing: another version of the program made them.
    """
    try:
        trust = outputs["trust"]
        return Peer(
            cluster_name=name,
            ingress_port=int(outputs["ingressPort"]),
            exposes=[_exposed(item) for item in outputs["exposes"]],
            ingress_addresses=Output.from_input([*outputs["ingressAddresses"]]),
            ingress_spiffe_id=Output.from_input(str(outputs["ingressSpiffeId"])),
            exposures=(),
            locality=outputs.get("locality", ""),
            trust_domain=names.trust_domain_of(outputs["egressSpiffeId"]),
            roots=[root["fingerprint"] for root in trust.get("roots", ())],
            signer=trust.get("signer", ""),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UnreadableError(
            f"no {error}" if isinstance(error, KeyError) else str(error)
        ) from error


def _exposed(item: Mapping[str, Any]) -> ExposedService:
    """Return an exposed port as its own stack has it: outputs leave out what is None."""
    if missing := NEEDED - {*item}:
        raise KeyError(f"exposes[].{min(missing)}")
    found = {key: item.get(key) for key in ExposedService.__annotations__}
    found["is_global"] = item.get("global", False)
    if policy := item.get("policy"):
        found["policy"] = {key: policy.get(key) for key in Policy.__annotations__}
    return found  # type: ignore[return-value]
