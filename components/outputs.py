"""What a stack exports for other stacks, and how it is read there: camelCase, plain data.

A stack that an earlier version brought up has snake_case in parts of its outputs; both are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from components import names
from components.errors import ComponentError
from components.model import (
    CaCerts,
    ExposedPort,
    OutlierEjection,
    RemoteCluster,
    Retries,
    TrafficPolicy,
)

if TYPE_CHECKING:  # stacks' outputs are read before any resource is made
    from pulumi import Input

Output = Mapping[str, Any]


class UnreadableError(ComponentError, ValueError):
    """A stack's outputs are not what this program exports; the message says what is missing."""


class Exported(Protocol):
    """What is exported of a cluster: all that another stack needs for a link."""

    @property
    def ingress_addresses(self) -> Input[Sequence[str]]: ...
    @property
    def ingress_port(self) -> int: ...
    @property
    def ingress_spiffe_id(self) -> Input[str]: ...
    @property
    def egress_spiffe_id(self) -> Input[str]: ...
    @property
    def exposes(self) -> Sequence[ExposedPort]: ...
    @property
    def trust(self) -> Input[Mapping[str, Any]]: ...


def cluster_to_output(cluster: Exported, locality: str | None = None) -> dict[str, Input[Any]]:
    """Return a cluster as the output `clusters.NAME` has it.

    Args:
        cluster: the cluster.
        locality: where it is; None: unknown.
    """
    return {
        "ingressAddresses": cluster.ingress_addresses,
        "ingressPort": cluster.ingress_port,
        "ingressSpiffeId": cluster.ingress_spiffe_id,
        "egressSpiffeId": cluster.egress_spiffe_id,
        "exposes": [port_to_output(port) for port in cluster.exposes],
        "trust": cluster.trust,
        **({"locality": locality} if locality else {}),
    }


def cluster_from_output(name: str, output: Output) -> RemoteCluster:
    """Return a cluster of another stack.

    Args:
        name: the cluster's name.
        output: the output `clusters.NAME` of its stack.

    Raises:
        UnreadableError: something is missing: another version of the program made them.
    """
    try:
        trust = output["trust"]
        return RemoteCluster(
            cluster_name=name,
            ingress_port=int(output["ingressPort"]),
            exposes=tuple(port_from_output(port) for port in output["exposes"]),
            ingress_addresses=tuple(output["ingressAddresses"]),
            ingress_spiffe_id=str(output["ingressSpiffeId"]),
            trust_domain=names.trust_domain_of(output["egressSpiffeId"]),
            roots=tuple(root["fingerprint"] for root in trust.get("roots", ())),
            signer=trust.get("signer") or None,
            locality=output.get("locality") or None,
        )
    except KeyError as error:
        raise UnreadableError(f"no {error}") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise UnreadableError(str(error)) from error


def port_to_output(port: ExposedPort) -> dict[str, Any]:
    """Return an exposed port as the stack exports it: without what only global services have."""
    output: dict[str, Any] = {
        "service": port.service,
        "namespace": port.namespace,
        "port": port.port,
        "protocol": port.protocol,
        "address": port.address or "",
        "allow": [*port.allow],
        "policy": _policy_to_output(port.policy) if port.policy else None,
    }
    if port.is_global:
        output["global"] = True
        if port.weight is not None:
            output["weight"] = port.weight
    return output


def port_from_output(output: Output) -> ExposedPort:
    """Return an exposed port as its own stack has it: outputs leave out what is None.

    Raises:
        KeyError: something that every exposed port has is missing.
    """
    needed = {"service", "namespace", "port", "protocol", "address", "allow"}
    if missing := needed - {*output}:
        raise KeyError(f"exposes[].{min(missing)}")
    policy = output.get("policy")
    return ExposedPort(
        service=output["service"],
        namespace=output["namespace"],
        port=output["port"],
        protocol=output["protocol"],
        address=output["address"] or None,
        allow=tuple(output["allow"]),
        policy=_policy_from_output(policy) if policy else None,
        is_global=bool(output.get("global") or output.get("is_global")),
        weight=output.get("weight"),
    )


def _policy_to_output(policy: TrafficPolicy) -> dict[str, Any]:
    retries, ejection = policy.retries, policy.outlier_ejection
    return {
        "timeout": policy.timeout or "",
        "retries": retries
        and {
            "attempts": retries.attempts,
            "perTryTimeout": retries.per_try_timeout or "",
            "retryOn": retries.retry_on,
        },
        "outlierEjection": ejection
        and {
            "consecutiveErrors": ejection.consecutive_errors,
            "interval": ejection.interval,
            "ejectionTime": ejection.ejection_time,
        },
        "maxConnections": policy.max_connections or 0,
        "maxPendingRequests": policy.max_pending_requests or 0,
        "maxRequests": policy.max_requests or 0,
    }


def _policy_from_output(output: Output) -> TrafficPolicy:
    retries, ejection = output.get("retries"), _get(output, "outlierEjection")
    return TrafficPolicy(
        timeout=output.get("timeout") or None,
        retries=retries
        and Retries(
            attempts=retries["attempts"],
            per_try_timeout=_get(retries, "perTryTimeout") or None,
            retry_on=_get(retries, "retryOn") or "",
        ),
        outlier_ejection=ejection
        and OutlierEjection(
            consecutive_errors=_get(ejection, "consecutiveErrors"),
            interval=ejection["interval"],
            ejection_time=_get(ejection, "ejectionTime"),
        ),
        max_connections=_get(output, "maxConnections") or None,
        max_pending_requests=_get(output, "maxPendingRequests") or None,
        max_requests=_get(output, "maxRequests") or None,
    )


def cacerts_to_output(cacerts: CaCerts[Input[str]]) -> dict[str, Input[str]]:
    """Return a cluster CA as the stack that issues it exports it for another one."""
    return {
        "caCert": cacerts.ca_cert,
        "caKey": cacerts.ca_key,
        "certChain": cacerts.cert_chain,
        "rootCert": cacerts.root_cert,
        "caCrl": "" if cacerts.ca_crl is None else cacerts.ca_crl,
    }


def cacerts_from_output(output: Output) -> CaCerts[str]:
    """Return a cluster CA that another stack issues; what is missing is empty."""
    return CaCerts(
        ca_cert=_get(output, "caCert") or "",
        ca_key=_get(output, "caKey") or "",
        cert_chain=_get(output, "certChain") or "",
        root_cert=_get(output, "rootCert") or "",
        ca_crl=_get(output, "caCrl") or None,
    )


def _get(output: Output, key: str) -> Any:
    """Return what is under a key, in camelCase or as earlier versions wrote it."""
    return output.get(key, output.get(re.sub("[A-Z]", lambda big: f"_{big[0].lower()}", key)))
